"""Active learning replayed on labelled lesions: a head on frozen features, from the first labels to the budget."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lesionlab.data.stratify import lesion_folds
from lesionlab.errors import UsageError
from lesionlab.labelling.head import Head, Projection, balanced_classes
from lesionlab.labelling.strategies import Pool, select
from lesionlab.metrics.arrays import BoolArray, FloatArray, IntArray

BASELINE = "random"
_FOLDS = 5  # one of them is held out


@dataclass(frozen=True)
class Plan:
    """A simulation.

    Attributes:
        strategies: Names of strategies, the baseline `random` first.
        seeds: Number of repetitions, each with other first labels. All strategies share them.
        start: Number of first labels, drawn at random.
        batch: Number of labels between two fits of the head.
        budget: Number of labels at the end.
    """

    strategies: tuple[str, ...]
    seeds: int
    start: int
    batch: int
    budget: int

    @property
    def steps(self) -> list[int]:
        """Numbers of labels at which the head is fitted and measured."""
        return [*range(self.start, self.budget, self.batch), self.budget]


@dataclass(frozen=True, eq=False)
class Replay:
    """Results of a simulation on the T held-out lesions.

    Attributes:
        correct: Whether the class of a held-out lesion is predicted, for S strategies, R seeds and K numbers of
            labels, [S, R, K, T].
        labels: Class of each held-out lesion, [T].
        groups: What is drawn by the bootstrap: the lesion, or the patient where lesions are unknown, [T].
        candidates: Number of lesions that a strategy could choose.
    """

    correct: BoolArray
    labels: IntArray
    groups: tuple[str, ...]
    candidates: int


def replay(
    features: np.ndarray,
    labels: IntArray,
    groups: Sequence[str],
    classes: int,
    plan: Plan,
    progress: Callable[[int, int], None] | None = None,
) -> Replay:
    """Replay the labelling of a dataset by several strategies.

    A fifth of the lesions, stratified by class and the same for all strategies and seeds, is held out: no strategy,
    projection or head sees it. Strategies see the labels that they have asked for, and the features of the others.

    Args:
        features: Of each lesion, from a network whose weights stay as they are, [N, D].
        labels: Class of each lesion, [N].
        groups: What a split keeps together, of each lesion: its id, or that of the patient.
        classes: Number of classes.
        plan: The simulation.
        progress: Called with the number of batches done and of all.

    Raises:
        UsageError: The budget is larger than the number of lesions.
    """
    held_out = np.array(lesion_folds(groups, labels.tolist(), _FOLDS, seed=0)) == 0
    available = np.flatnonzero(~held_out)
    if plan.budget > len(available):
        raise UsageError(f"--budget {plan.budget:,}: {len(available):,} lesions can be chosen; choose a smaller one")
    projection = Projection.fit(features[available])
    pooled, measured = projection.apply(features[available]), projection.apply(features[held_out])
    truth, steps = labels[available], plan.steps
    correct = np.zeros((len(plan.strategies), plan.seeds, len(steps), int(held_out.sum())), dtype=bool)
    done, total = 0, correct[..., 0].size
    for seed in range(plan.seeds):
        first = np.random.default_rng(seed).choice(len(available), plan.start, replace=False)
        for turn, strategy in enumerate(plan.strategies):
            chosen, head = first, Head.fit(pooled[first], truth[first], classes)
            for step, count in enumerate(steps):
                if count > len(chosen):
                    pool = _pool(pooled, truth, chosen, head)
                    chosen = np.append(chosen, select(strategy, pool, count - len(chosen), (seed, step)))
                    head = Head.fit(pooled[chosen], truth[chosen], classes)
                predicted = balanced_classes(head.probabilities(measured), truth[chosen])
                correct[turn, seed, step] = predicted == labels[held_out]
                done += 1
                if progress is not None:
                    progress(done, total)
    held_groups = tuple(group for group, out in zip(groups, held_out, strict=True) if out)
    return Replay(correct, labels[held_out], held_groups, len(available))


def _pool(features: FloatArray, truth: IntArray, chosen: IntArray, head: Head) -> Pool:
    labels = np.full(len(truth), -1)
    labels[chosen] = truth[chosen]
    return Pool(features, head.probabilities(features), labels, labels < 0, head)

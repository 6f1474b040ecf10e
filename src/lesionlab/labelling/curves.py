"""Learning curves of a simulation with their intervals, and what they show."""

import csv
import io
from typing import Literal

import numpy as np

from lesionlab import RESEARCH_ONLY
from lesionlab.base_models import StrictModel
from lesionlab.labelling.simulate import BASELINE, Plan, Replay
from lesionlab.labelling.strategies import describe
from lesionlab.metrics import Estimate, lesion_weights
from lesionlab.metrics.arrays import FloatArray, divide, mean_of_defined

_RESAMPLES = 1000

Comparison = Literal["baseline", "better", "no difference shown", "worse"]


class CurvePoint(StrictModel):
    """Results at one number of labels.

    Attributes:
        balanced_accuracy: Mean over the seeds.
        difference: Its difference to that of `random` with the same seeds and lesions.
    """

    labels: int
    balanced_accuracy: Estimate
    difference: Estimate


class LearningCurve(StrictModel):
    """The curve of a strategy.

    Attributes:
        description: The strategy in words.
        points: One for each number of labels.
        mean_difference: Mean of the differences to `random` over the curve after the first labels.
        compared: Whether the interval of that mean lies above or below 0.
        labels_needed: The least number of labels with the balanced accuracy that `random` has at the full budget; None
            where the strategy does not reach it.
    """

    strategy: str
    description: str
    points: tuple[CurvePoint, ...]
    mean_difference: Estimate
    compared: Comparison
    labels_needed: int | None


class Simulation(StrictModel):
    """A simulation with its conditions.

    Attributes:
        dataset: Name of the dataset's folder.
        features: The network in words.
        classes: Codes of the classes.
        candidates: Number of lesions that could be chosen.
        held_out: Number of lesions that were measured.
        seeds: Number of repetitions.
        start: Number of first labels.
        batch: Number of labels between two fits of the head.
        budget: Number of labels at the end.
        warnings: What limits the use of the results.
        curves: One per strategy, `random` first.
        notice: The research-only notice.
    """

    dataset: str
    features: str
    classes: tuple[str, ...]
    candidates: int
    held_out: int
    seeds: int
    start: int
    batch: int
    budget: int
    warnings: tuple[str, ...]
    curves: tuple[LearningCurve, ...]
    notice: str = RESEARCH_ONLY


def learning_curves(replayed: Replay, plan: Plan, classes: int) -> tuple[LearningCurve, ...]:
    """Return the curves with 95% intervals from the bootstrap of held-out lesions and of seeds.

    A resample draws lesions and seeds with replacement, the same for all strategies, so that the differences to
    `random` are paired.

    Args:
        replayed: The results.
        plan: The simulation.
        classes: Number of classes.
    """
    ones = np.ones((1, len(replayed.labels)), dtype=np.int64)
    value = _balanced_accuracies(replayed, ones, classes)[0].mean(axis=1)
    weights = lesion_weights(replayed.groups, _RESAMPLES, seed=0)
    draws = np.random.default_rng(0).integers(plan.seeds, size=(_RESAMPLES, plan.seeds))
    shares = np.stack([(draws == seed).mean(axis=1) for seed in range(plan.seeds)], axis=1)
    drawn = np.einsum("bsrk,br->bsk", _balanced_accuracies(replayed, weights, classes), shares)
    base = plan.strategies.index(BASELINE)
    reached = value[base, -1]
    curves = []
    for row, strategy in enumerate(plan.strategies):
        points = tuple(
            CurvePoint(
                labels=labels,
                balanced_accuracy=Estimate.from_resamples(value[row, step], drawn[:, row, step]),
                difference=_difference(
                    value[row, step] - value[base, step], drawn[:, row, step] - drawn[:, base, step]
                ),
            )
            for step, labels in enumerate(plan.steps)
        )
        later = slice(1, None) if len(plan.steps) > 1 else slice(None)
        mean = _difference(
            (value[row, later] - value[base, later]).mean(), (drawn[:, row, later] - drawn[:, base, later]).mean(axis=1)
        )
        needed = np.flatnonzero(value[row] >= reached)
        curves.append(
            LearningCurve(
                strategy=strategy,
                description=describe(strategy),
                points=points,
                mean_difference=mean,
                compared="baseline" if row == base else _compared(mean),
                labels_needed=plan.steps[needed[0]] if len(needed) else None,
            )
        )
    return tuple(curves)


def curves_as_csv(curves: tuple[LearningCurve, ...]) -> str:
    """Return the points of the curves as CSV, one line for each strategy and number of labels."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ("strategy", "labels", "balanced_accuracy", "low", "high", "difference", "difference_low", "difference_high")
    )
    for curve in curves:
        for point in curve.points:
            found, other = point.balanced_accuracy, point.difference
            numbers = (found.value, found.low, found.high, other.value, other.low, other.high)
            writer.writerow((curve.strategy, point.labels, *("" if x is None else f"{x:.4f}" for x in numbers)))
    return out.getvalue()


def _balanced_accuracies(replayed: Replay, weights: np.ndarray, classes: int) -> FloatArray:
    """Return the mean recall for B resamples, S strategies, R seeds and K numbers of labels, [B, S, R, K]."""
    shape = replayed.correct.shape[:-1]
    recalls = []
    for code in range(classes):
        held = replayed.labels == code
        drawn = weights[:, held].astype(np.float64)
        hits = drawn @ replayed.correct[..., held].reshape(-1, int(held.sum())).T.astype(np.float64)
        recalls.append(divide(hits, drawn.sum(axis=1, keepdims=True)))
    return mean_of_defined(np.stack(recalls, axis=-1)).reshape(len(weights), *shape)


def _difference(value: float, drawn: FloatArray) -> Estimate:
    return Estimate.from_resamples(float(value), drawn, exact=(float(value), float(value)))


def _compared(difference: Estimate) -> Comparison:
    if difference.low is not None and difference.low > 0:
        return "better"
    return "worse" if difference.high is not None and difference.high < 0 else "no difference shown"

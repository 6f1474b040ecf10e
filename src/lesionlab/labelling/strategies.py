"""Strategies of active learning: which lesions to label next. The unit is the lesion; NumPy is all they need."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from lesionlab.errors import UsageError
from lesionlab.labelling.head import Head
from lesionlab.metrics.arrays import BoolArray, FloatArray, IntArray

_SAMPLES: Final = 20
_EXPLORE_EVERY: Final = 5  # of the picks of `hybrid`
_CHUNK: Final = 256  # lesions whose distances to all others are in memory at once


@dataclass(frozen=True, eq=False)
class Pool:
    """The lesions of a dataset as a strategy sees them.

    Attributes:
        features: Of each lesion, on similar scales, [N, D].
        probabilities: Of each lesion, [N, C].
        labels: Class of each labelled lesion, -1 for the others, [N].
        candidates: Whether each lesion may be chosen, [N].
        head: The linear head behind the probabilities, for `bald`.
        head_features: Its input, [N, D]; None: `features`.
    """

    features: FloatArray
    probabilities: FloatArray
    labels: IntArray
    candidates: BoolArray
    head: Head | None = None
    head_features: FloatArray | None = None


def _random(pool: Pool, count: int, generator: np.random.Generator) -> IntArray:
    """Lesions at random. The baseline of all others, and an unbiased sample of the dataset."""
    return _highest(pool, np.zeros(len(pool.labels)), count, generator)


def _entropy(pool: Pool, count: int, generator: np.random.Generator) -> IntArray:
    """The lesions with the highest entropy of the probabilities: the model is least certain of any diagnosis."""
    return _highest(pool, _entropies(pool.probabilities), count, generator)


def _margin(pool: Pool, count: int, generator: np.random.Generator) -> IntArray:
    """The lesions with the smallest difference between the two highest probabilities."""
    ordered = np.sort(pool.probabilities, axis=1)
    return _highest(pool, ordered[:, -2] - ordered[:, -1], count, generator)


def _bald(pool: Pool, count: int, generator: np.random.Generator) -> IntArray:
    """The lesions on which heads with different features left out (dropout) disagree most: mutual information."""
    # Houlsby et al., Bayesian active learning for classification and preference learning, 2011.
    if pool.head is None:
        raise UsageError("strategy bald needs a model with a linear head; choose another strategy")
    features = pool.features if pool.head_features is None else pool.head_features
    samples = pool.head.samples(features, _SAMPLES, generator)
    return _highest(pool, _entropies(samples.mean(axis=0)) - _entropies(samples).mean(axis=0), count, generator)


def _core_set(pool: Pool, count: int, generator: np.random.Generator) -> IntArray:
    """The lesions farthest from all labelled ones in the feature space, one after another (k-centre greedy)."""
    # Sener and Savarese, Active learning for convolutional neural networks: a core-set approach, ICLR 2018.
    distances = _Distances(pool)
    return np.array([distances.take(distances.farthest(generator)) for _ in range(count)])


def _badge(pool: Pool, count: int, generator: np.random.Generator) -> IntArray:
    """A diverse set of uncertain lesions: k-means++ on the gradients of the last layer for the predicted class."""
    # Ash et al., Deep batch active learning by diverse, uncertain gradient lower bounds, ICLR 2020. A gradient is the
    # outer product of the error of the probabilities and the features, so that its products need no such matrix.
    rows = np.flatnonzero(pool.candidates)
    probabilities, features = pool.probabilities[rows], pool.features[rows]
    errors = probabilities - np.eye(probabilities.shape[1])[probabilities.argmax(axis=1)]
    norms = (errors**2).sum(axis=1) * (features**2).sum(axis=1)
    nearest = np.full(len(rows), np.inf)
    free = np.ones(len(rows), dtype=bool)
    chosen = []
    turn = int(norms.argmax())
    for _ in range(count):
        chosen.append(turn)
        free[turn] = False
        products = (errors @ errors[turn]) * (features @ features[turn])
        nearest = np.minimum(nearest, (norms + norms[turn] - 2 * products).clip(0))
        weights = np.where(free, nearest, 0.0)
        total = weights.sum()
        if total > 0:
            turn = int(generator.choice(len(rows), p=weights / total))
        elif free.any():  # the others are copies of chosen ones
            turn = int(generator.choice(np.flatnonzero(free)))
    return rows[chosen]


def _density(pool: Pool, count: int, generator: np.random.Generator) -> IntArray:
    """Uncertain lesions that resemble many others: entropy times the mean cosine similarity to the unlabelled ones."""
    # Settles and Craven, An analysis of active learning strategies for sequence labeling tasks, EMNLP 2008.
    directions = pool.features / (np.linalg.norm(pool.features, axis=1, keepdims=True) + 1e-12)
    similarity = directions @ directions[pool.candidates].mean(axis=0)
    return _highest(pool, _entropies(pool.probabilities) * (1 + similarity) / 2, count, generator)


def _hybrid(pool: Pool, count: int, generator: np.random.Generator) -> IntArray:
    """Class-aware: a probable lesion of the diagnosis with the fewest labels, far from the labelled ones.

    Every fifth lesion explores: it is the one farthest from all labelled ones.
    """
    distances = _Distances(pool)
    classes = pool.probabilities.shape[1]
    expected = np.bincount(pool.labels[pool.labels >= 0], minlength=classes).astype(np.float64)
    chosen: list[int] = []
    for turn in range(1, count + 1):
        if turn % _EXPLORE_EVERY == 0:
            row = distances.farthest(generator)
        else:
            wanted = int(expected.argmin())
            scores = pool.probabilities[:, wanted] * np.sqrt(distances.bounded)
            row = int(np.where(distances.free, scores, -1.0).argmax())
        chosen.append(distances.take(row))
        expected += pool.probabilities[row]
    return np.array(chosen)


Strategy = Callable[[Pool, int, np.random.Generator], IntArray]
STRATEGIES: Final[dict[str, Strategy]] = {
    "random": _random,
    "entropy": _entropy,
    "margin": _margin,
    "bald": _bald,
    "core-set": _core_set,
    "badge": _badge,
    "density": _density,
    "hybrid": _hybrid,
}


def describe(strategy: str) -> str:
    """Return a strategy in words."""
    return " ".join((STRATEGIES[strategy].__doc__ or "").split())


def select(strategy: str, pool: Pool, count: int, seed: int | tuple[int, ...] = 0) -> IntArray:
    """Return the rows of the lesions to label next, the most useful first, without repeats.

    Args:
        strategy: One of `STRATEGIES`.
        pool: The lesions.
        count: How many; fewer are returned where there are fewer candidates.
        seed: Seed of random choices and of the order of equal scores.

    Raises:
        UsageError: The strategy needs a linear head, and the pool has none.
    """
    count = min(count, int(pool.candidates.sum()))
    if not count:
        return np.empty(0, dtype=np.int64)
    return STRATEGIES[strategy](pool, count, np.random.default_rng(seed))


def check_strategies(names: list[str]) -> list[str]:
    """Return names of strategies without repeats.

    Raises:
        UsageError: A name is unknown.
    """
    for name in names:
        if name not in STRATEGIES:
            raise UsageError(f"strategy {name!r} is none of {', '.join(STRATEGIES)}")
    return list(dict.fromkeys(names))


def _entropies(probabilities: FloatArray) -> FloatArray:
    return np.asarray(-(probabilities * np.log(probabilities.clip(1e-12))).sum(axis=-1))


def _highest(pool: Pool, scores: FloatArray, count: int, generator: np.random.Generator) -> IntArray:
    rows = generator.permutation(np.flatnonzero(pool.candidates))  # equal scores are in random order
    return rows[np.argsort(-scores[rows], kind="stable")[:count]]


class _Distances:
    """Squared distance of each lesion to the nearest one that is labelled, answered or chosen; infinite without one."""

    def __init__(self, pool: Pool) -> None:
        self._features = pool.features
        self._norms = (pool.features**2).sum(axis=1)
        self._nearest = np.full(len(pool.labels), np.inf)
        self.free = pool.candidates.copy()
        others = np.flatnonzero(~pool.candidates)
        for start in range(0, len(others), _CHUNK):
            self._see(others[start : start + _CHUNK])

    @property
    def bounded(self) -> FloatArray:
        """The distances, all equal as long as none is known."""
        return np.where(np.isinf(self._nearest), 1.0, self._nearest)

    def farthest(self, generator: np.random.Generator) -> int:
        distances = np.where(self.free, self._nearest, -1.0)
        return int(generator.choice(np.flatnonzero(distances == distances.max())))

    def take(self, row: int) -> int:
        self.free[row] = False
        self._see(np.array([row]))
        return row

    def _see(self, rows: IntArray) -> None:
        squares = self._norms[:, None] + self._norms[rows] - 2 * (self._features @ self._features[rows].T)
        np.minimum(self._nearest, squares.min(axis=1).clip(0), out=self._nearest)

"""Agreement of readers beyond chance.

Each function is one of weights, [N] or [B, N], as all metrics are. nan where all readers chose one class throughout.
"""

import numpy as np

from lesionlab.metrics.arrays import FloatArray, IntArray, divide, weighted_mean, weights_or_ones


def cohen_kappa(first: IntArray, second: IntArray, classes: int, weights: IntArray | None = None) -> FloatArray:
    """Return Cohen's kappa of two readers (Educational and Psychological Measurement 20, 37-46, 1960), [...].

    Args:
        first: Class that the first reader chose for each lesion, [N].
        second: The same for the second reader.
        classes: Number of classes.
        weights: Number of times that each lesion counts.
    """
    w = weights_or_ones(weights, len(first)).astype(np.float64)
    totals = w.sum(axis=-1)
    shares = (divide(w @ np.eye(classes)[values], totals[..., None]) for values in (first, second))
    by_first, by_second = shares
    return _beyond_chance(weighted_mean(first == second, w.astype(np.int64)), (by_first * by_second).sum(axis=-1))


def fleiss_kappa(counts: IntArray, weights: IntArray | None = None) -> FloatArray:
    """Return Fleiss' kappa of several readers (Psychological Bulletin 76, 378-382, 1971), [...].

    Args:
        counts: Number of readers that chose each class for each lesion, [N, C]; equal sums of all lesions, at least 2.
        weights: Number of times that each lesion counts.
    """
    w = weights_or_ones(weights, len(counts)).astype(np.float64)
    readers = int(counts[0].sum())
    agreeing = ((counts.astype(np.float64) ** 2).sum(axis=1) - readers) / (readers * (readers - 1))
    totals = w.sum(axis=-1)
    shares = divide(w @ counts.astype(np.float64), (readers * totals)[..., None])
    return _beyond_chance(divide(w @ agreeing, totals), (shares**2).sum(axis=-1))


def _beyond_chance(observed: FloatArray, expected: FloatArray) -> FloatArray:
    # 1 up to rounding errors where both readers chose one class throughout.
    possible = 1 - expected
    return divide(observed - expected, np.where(possible > 1e-12, possible, 0.0))

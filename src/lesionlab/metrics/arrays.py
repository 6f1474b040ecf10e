"""Array types, and division and means that return nan for 0/0.

Arguments of all metrics, for N images and C classes:

- `labels`: index of the class of each image, [N]. `probabilities`: [N, C].
- `positive`: whether each image is positive, [N]. `scores`: the score of each image, high for positive, [N].
- `weights`: the number of times that each image counts: [N] for one measurement, [B, N] for B bootstrap resamples; None
  counts each image once. A weight of 2 equals a duplicated image, a weight of 0 a removed one. The result has the
  leading shape of the weights, [...]: a scalar array, or [B].
"""

from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.integer[Any]]
BoolArray = npt.NDArray[np.bool_]


def weights_or_ones(weights: IntArray | None, images: int) -> IntArray:
    """Return the weights, or 1 for each image if `weights` is None."""
    return np.ones(images, dtype=np.int64) if weights is None else weights


def divide(numerator: npt.NDArray[Any], denominator: npt.NDArray[Any]) -> FloatArray:
    """Divide element by element; nan without a warning where the denominator is 0."""
    quotient = np.full(np.broadcast_shapes(np.shape(numerator), np.shape(denominator)), np.nan)
    np.divide(numerator, denominator, out=quotient, where=np.not_equal(denominator, 0))
    return quotient


def mean_of_defined(values: FloatArray) -> FloatArray:
    """Return the mean of the values that are not nan over the last axis; nan where all are nan."""
    defined = ~np.isnan(values)
    return divide(np.where(defined, values, 0.0).sum(axis=-1), defined.sum(axis=-1))


def weighted_mean(values: npt.NDArray[Any], weights: IntArray) -> FloatArray:
    """Return the weighted mean of one value per image, [N]; nan where all weights are 0."""
    return divide(weights @ values.astype(np.float64), weights.sum(axis=-1))

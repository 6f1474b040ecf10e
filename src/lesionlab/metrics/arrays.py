"""Array types and the arithmetic that every metric shares: division and means that keep 0/0 visible.

A metric takes `weights`, the number of times that each image counts: [N] for one measurement, or [B, N] for B
bootstrap resamples at once. A weight of two equals the image standing in the data twice, a weight of zero
equals its absence. The result has the leading shape of the weights: a scalar array, or one value per resample.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.integer[Any]]
BoolArray = npt.NDArray[np.bool_]


def weights_or_ones(weights: IntArray | None, images: int) -> IntArray:
    """Return the weights, or one for each image where none are given."""
    return np.ones(images, dtype=np.int64) if weights is None else weights


def divide(numerator: npt.NDArray[Any], denominator: npt.NDArray[Any]) -> FloatArray:
    """Divide element by element; nan where the denominator is zero, without a warning."""
    quotient = np.full(np.broadcast_shapes(np.shape(numerator), np.shape(denominator)), np.nan)
    np.divide(numerator, denominator, out=quotient, where=np.not_equal(denominator, 0))
    return quotient


def mean_of_defined(values: FloatArray) -> FloatArray:
    """Return the mean over the last axis of the values that are not nan; nan where all are."""
    defined = ~np.isnan(values)
    return divide(np.where(defined, values, 0.0).sum(axis=-1), defined.sum(axis=-1))


def weighted_mean(values: npt.NDArray[Any], weights: IntArray) -> FloatArray:
    """Return the mean of one value per image, each counted as often as its weight says.

    Args:
        values: [N].
        weights: [N] or [B, N].

    Returns:
        A scalar array or [B]; nan where all weights are zero.
    """
    return divide(weights @ values.astype(np.float64), weights.sum(axis=-1))

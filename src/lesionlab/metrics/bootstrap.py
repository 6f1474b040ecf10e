"""Bootstrap confidence intervals with the lesion as the resampling unit.

Images of one lesion are correlated. Resampling images would treat them as independent and give intervals that are
too narrow. Lesions are therefore drawn with replacement, each with all its images, and the counts become weights.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from lesionlab.metrics.arrays import FloatArray

_WEIGHTS_PER_CHUNK = 2**20


def lesion_weights(lesion_ids: Sequence[str], resamples: int, seed: int) -> npt.NDArray[np.int32]:
    """Draw bootstrap resamples of the lesions.

    The result depends on the seed and the set of lesions, not on the order of the images. Two models evaluated on
    the same lesions with the same seed therefore share their resamples and can be compared in pairs.

    Returns:
        Number of times that each image's lesion was drawn, for B resamples of N images, [B, N].
    """
    lesions, lesion_of_image = np.unique(np.asarray(lesion_ids, dtype=np.str_), return_inverse=True)
    generator = np.random.default_rng(seed)
    weights = np.empty((resamples, len(lesion_ids)), dtype=np.int32)
    for row in weights:
        drawn = generator.integers(len(lesions), size=len(lesions))
        row[:] = np.bincount(drawn, minlength=len(lesions))[lesion_of_image]
    return weights


def chunks(weights: npt.NDArray[np.int32]) -> Iterator[npt.NDArray[np.int32]]:
    """Yield the rows of weights [B, N] in chunks of 4 MiB, at least one, to bound the working memory."""
    rows = max(1, _WEIGHTS_PER_CHUNK // weights.shape[1])
    for start in range(0, max(len(weights), 1), rows):
        yield weights[start : start + rows]


def percentile_interval(values: FloatArray, level: float = 0.95) -> tuple[float, float]:
    """Return the percentile interval of a metric over the resamples.

    Args:
        values: The metric in each resample, [B]; nan where it is undefined.
        level: Confidence level.

    Returns:
        The lower and upper ends over the resamples that define the metric. Both are nan if fewer than half do: the
        interval would describe atypical resamples only.
    """
    defined = values[~np.isnan(values)]
    if not len(defined) or 2 * len(defined) < len(values):
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)

"""Confidence intervals by bootstrap, with the lesion as the unit that is drawn.

A lesion that was photographed several times gives images that are alike, and a model is right or wrong on them
together. Drawing image by image would count each as independent evidence and make the intervals too narrow.
Lesions are drawn with replacement, all images of one together; the draw is the weight that the metrics take.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from lesionlab.metrics.arrays import FloatArray

_WEIGHTS_AT_ONCE = 2**20


def lesion_weights(lesion_ids: Sequence[str], resamples: int, seed: int) -> npt.NDArray[np.int32]:
    """Draw as many lesions as there are, with replacement, once per resample.

    The draw depends on the seed and on the set of lesions, not on the order of the images: two models measured
    on the same lesions with the same seed meet the same resamples, and can be compared in pairs.

    Args:
        lesion_ids: Lesion of each image, length N.
        resamples: Number of resamples, B.
        seed: Seed of the generator.

    Returns:
        How often each image's lesion was drawn, [B, N].
    """
    lesions, lesion_of_image = np.unique(np.asarray(lesion_ids, dtype=np.str_), return_inverse=True)
    generator = np.random.default_rng(seed)
    weights = np.empty((resamples, len(lesion_ids)), dtype=np.int32)
    for row in weights:
        drawn = generator.integers(len(lesions), size=len(lesions))
        row[:] = np.bincount(drawn, minlength=len(lesions))[lesion_of_image]
    return weights


def portions(weights: npt.NDArray[np.int32]) -> Iterator[npt.NDArray[np.int32]]:
    """Yield the rows of weights [B, N] in portions of 4 MiB, at least one.

    Measuring them in turn keeps the working memory the same however many resamples there are.
    """
    rows = max(1, _WEIGHTS_AT_ONCE // weights.shape[1])
    for start in range(0, max(len(weights), 1), rows):
        yield weights[start : start + rows]


def percentile_interval(values: FloatArray, level: float = 0.95) -> tuple[float, float]:
    """Return the central interval of a metric over the resamples.

    Args:
        values: The metric in each resample, [B]; nan where the resample does not define it.
        level: Share of the resamples that the interval holds.

    Returns:
        The lower and the upper end, taken over the resamples that define the metric; nan twice where fewer than
        half of them do, since the interval would then speak of unusual resamples only.
    """
    defined = values[~np.isnan(values)]
    if not len(defined) or 2 * len(defined) < len(values):
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)

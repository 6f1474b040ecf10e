"""Paired comparison of two models on the same images.

The errors of two models on the same images are correlated, so the difference of a metric has a narrower interval
than either value. All functions here are paired.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lesionlab.errors import DataError
from lesionlab.metrics.arrays import BoolArray, FloatArray, IntArray, divide
from lesionlab.metrics.bootstrap import chunks, lesion_weights
from lesionlab.metrics.estimate import Estimate, exact_interval
from lesionlab.metrics.ranking import counts_at_thresholds

Measure = Callable[[IntArray], FloatArray]
"""A metric of fixed predictions as a function of weights: from [N] or [B, N] to a scalar array or [B]."""


@dataclass(frozen=True, slots=True)
class PairedEstimate:
    """A metric of model A, of model B, and the difference B - A, each with its 95% interval."""

    a: Estimate
    b: Estimate
    difference: Estimate


@dataclass(frozen=True, slots=True)
class DeLongTest:
    """Result of DeLong's test.

    Attributes:
        difference: B - A.
        standard_error: Standard error of the difference.
        p_value: Two-sided; nan where the areas differ and the standard error is zero.
    """

    auc_a: float
    auc_b: float
    difference: float
    standard_error: float
    p_value: float


@dataclass(frozen=True, slots=True)
class McNemarTest:
    """Result of McNemar's test.

    Attributes:
        only_a: Number of images that only A classifies correctly.
        only_b: Number of images that only B classifies correctly.
        p_value: Two-sided, exact.
    """

    only_a: int
    only_b: int
    p_value: float


def paired_bootstrap(
    measure_a: Measure,
    measure_b: Measure,
    lesion_ids: Sequence[str],
    *,
    trials: int = 0,
    resamples: int = 1000,
    seed: int = 0,
) -> PairedEstimate:
    """Measure both models, and their difference, in the same bootstrap resamples of lesions.

    The interval of the difference is the percentile interval of the differences. Resamples in which either metric is
    undefined are left out.

    Args:
        measure_a: The metric of A's predictions.
        measure_b: The same metric of B's predictions, with the images in the same order.
        lesion_ids: Lesion of each image, length N.
        trials: Number of independent trials behind a metric between 0 and 1, for the interval where all resamples give
            one value (see `exact_interval`); 0 gives none.
        resamples: Number of resamples, at least 1.
        seed: Seed of the resamples.

    Example:
        >>> import numpy as np
        >>> from lesionlab.metrics.arrays import weighted_mean
        >>> correct_a, correct_b = np.array([1, 0, 0]), np.array([1, 1, 0])
        >>> result = paired_bootstrap(
        ...     lambda weights: weighted_mean(correct_a, weights),
        ...     lambda weights: weighted_mean(correct_b, weights),
        ...     ["one", "two", "three"],
        ... )
        >>> round(result.difference.value, 3)
        0.333
    """
    once = np.ones(len(lesion_ids), dtype=np.int32)
    draws = lesion_weights(lesion_ids, resamples, seed)
    parts = list(chunks(draws))
    drawn_a, drawn_b = (np.concatenate([measure(part) for part in parts]) for measure in (measure_a, measure_b))
    value_a, value_b = float(measure_a(once)), float(measure_b(once))
    difference = value_b - value_a
    return PairedEstimate(
        Estimate.from_resamples(value_a, drawn_a, exact_interval(value_a, trials)),
        Estimate.from_resamples(value_b, drawn_b, exact_interval(value_b, trials)),
        Estimate.from_resamples(difference, drawn_b - drawn_a, exact_interval(difference, trials, lowest=-1)),
    )


def delong_test(labels: npt.ArrayLike, scores_a: npt.ArrayLike, scores_b: npt.ArrayLike) -> DeLongTest:
    """Test whether two scores of the same images have the same area under the ROC curve.

    Variance: DeLong, DeLong & Clarke-Pearson, Biometrics 44, 837-845 (1988), computed from midranks as in Sun & Xu,
    IEEE Signal Processing Letters 21, 1389-1393 (2014). The normal approximation holds for many images.

    The test assumes independent images. With several images of one lesion the p value is too small;
    `paired_bootstrap` resamples lesions and has no such bias. `labels` hold whether each image is positive, [N]; the
    scores, [N], are high for positive.

    Raises:
        DataError: The shapes differ, a score is nan, or there are fewer than two positive or two negative images.
    """
    positive = np.asarray(labels).astype(np.bool_)
    scores = [np.asarray(values, dtype=np.float64) for values in (scores_a, scores_b)]
    if positive.ndim != 1 or any(values.shape != positive.shape for values in scores):
        shapes = ", ".join(str(list(array.shape)) for array in (positive, *scores))
        raise DataError(f"labels and scores have the shapes {shapes}: give one of each per image")
    if any(np.isnan(values).any() for values in scores):
        raise DataError("a score is nan: give a number for each image")
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if min(positives, negatives) < 2:
        raise DataError(
            f"{positives} positive and {negatives} negative images: DeLong's test needs at least two of each"
        )
    (below_a, above_a), (below_b, above_b) = (_placements(positive, values) for values in scores)
    pairs = positives * negatives
    # The placements are multiples of 0.5, so a variance of 0 is computed exactly.
    variance = float(
        (below_b - below_a).var(ddof=1) / negatives**2 / positives
        + (above_b - above_a).var(ddof=1) / positives**2 / negatives
    )
    difference = float((below_b - below_a).sum() / pairs)
    error = math.sqrt(variance)
    p_without_variance = math.nan if difference else 1.0
    p_value = math.erfc(abs(difference) / error / math.sqrt(2)) if error else p_without_variance
    return DeLongTest(float(below_a.sum() / pairs), float(below_b.sum() / pairs), difference, error, p_value)


def mcnemar_test(correct_a: npt.ArrayLike, correct_b: npt.ArrayLike) -> McNemarTest:
    """Test whether two models have the same accuracy (McNemar, Psychometrika 12, 153-157, 1947).

    Uses the discordant images, those that exactly one model classifies correctly. The p value is the exact binomial
    one and assumes independent images (see `delong_test`). The arguments hold whether each image is classified
    correctly, [N].

    Raises:
        DataError: The arrays are not one-dimensional or differ in length.
    """
    in_a, in_b = np.asarray(correct_a).astype(np.bool_), np.asarray(correct_b).astype(np.bool_)
    if in_a.ndim != 1 or in_a.shape != in_b.shape:
        raise DataError(f"{in_a.size} and {in_b.size} predictions cannot be paired: give both for the same images")
    only_a, only_b = int((in_a & ~in_b).sum()), int((in_b & ~in_a).sum())
    discordant = only_a + only_b
    term, tail = 1, 1
    for count in range(min(only_a, only_b)):
        term = term * (discordant - count) // (count + 1)
        tail += term
    return McNemarTest(only_a, only_b, min(1.0, 2 * tail / 2**discordant))


def recall_at_precision(
    positive: BoolArray, scores: FloatArray, precision: float, weights: IntArray | None = None
) -> FloatArray:
    """Return the highest recall of any threshold whose precision is at least `precision`, [...].

    It is 0 if no threshold reaches that precision, and nan without positives. The threshold is chosen on the same
    images, so the value is optimistic for every model.
    """
    counts = counts_at_thresholds(positive, scores, weights)
    hits = counts.true_positives
    # nan, where nothing is predicted positive, compares as False.
    reached = divide(hits, hits + counts.false_positives) >= precision
    return divide(np.where(reached, hits, 0).max(axis=-1), counts.positives)


def _placements(positive: BoolArray, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the number of negatives below each positive and of positives above each negative; ties count 0.5."""
    among_all = _midranks(scores)
    below = among_all[positive] - _midranks(scores[positive])
    above = positive.sum() - (among_all[~positive] - _midranks(scores[~positive]))
    return below, above


def _midranks(values: FloatArray) -> FloatArray:
    """Return the rank of each value from 1, ties sharing their mean rank, [N]."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    midranks: FloatArray = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return midranks

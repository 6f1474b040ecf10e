"""Two models on the same images: how far apart they are, and whether chance alone explains it.

Both are right or wrong on the same difficult images, so the difference of a metric is known more closely than
either value. Everything here works on pairs and keeps that advantage.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lesionlab.errors import DataError
from lesionlab.metrics.arrays import BoolArray, FloatArray, IntArray, divide
from lesionlab.metrics.bootstrap import lesion_weights, portions
from lesionlab.metrics.ranking import counts_at_thresholds
from lesionlab.metrics.summary import Estimate

Measure = Callable[[IntArray], FloatArray]
"""A metric of fixed predictions: from weights [N] or [B, N] to a scalar array or [B]."""


@dataclass(frozen=True, slots=True)
class PairedEstimate:
    """A metric of model A, of model B, and their difference B - A, each with its 95 % interval."""

    a: Estimate
    b: Estimate
    difference: Estimate


@dataclass(frozen=True, slots=True)
class DeLongTest:
    """Two areas under ROC curves of the same images.

    Attributes:
        auc_a: Area of A.
        auc_b: Area of B.
        difference: B - A.
        standard_error: That of the difference.
        p_value: Two-sided; nan where the areas differ and the standard error is zero.
    """

    auc_a: float
    auc_b: float
    difference: float
    standard_error: float
    p_value: float


@dataclass(frozen=True, slots=True)
class McNemarTest:
    """The images on which one model is right and the other wrong.

    Attributes:
        only_a: Images that A alone got right.
        only_b: Images that B alone got right.
        p_value: Two-sided and exact.
    """

    only_a: int
    only_b: int
    p_value: float


def paired_bootstrap(
    measure_a: Measure, measure_b: Measure, lesion_ids: Sequence[str], *, resamples: int = 1000, seed: int = 0
) -> PairedEstimate:
    """Measure both models in the same resamples of lesions, and the difference in each of them.

    The interval of the difference is the percentile interval of the differences. A resample that does not define
    the metric for both models does not count for it.

    Args:
        measure_a: The metric of A's predictions.
        measure_b: The same metric of B's, with the images in the same order.
        lesion_ids: Lesion of each image, length N.
        resamples: Number of resamples, at least 1.
        seed: Seed of the resamples.

    Example:
        >>> import numpy as np
        >>> from lesionlab.metrics.arrays import weighted_mean
        >>> right_a, right_b = np.array([1, 0, 0]), np.array([1, 1, 0])
        >>> found = paired_bootstrap(
        ...     lambda weights: weighted_mean(right_a, weights),
        ...     lambda weights: weighted_mean(right_b, weights),
        ...     ["one", "two", "three"],
        ... )
        >>> round(found.difference.value, 3)
        0.333
    """
    once = np.ones(len(lesion_ids), dtype=np.int32)
    draws = lesion_weights(lesion_ids, resamples, seed)
    parts = list(portions(draws))
    drawn_a, drawn_b = (np.concatenate([measure(part) for part in parts]) for measure in (measure_a, measure_b))
    value_a, value_b = float(measure_a(once)), float(measure_b(once))
    return PairedEstimate(
        Estimate.from_resamples(value_a, drawn_a),
        Estimate.from_resamples(value_b, drawn_b),
        Estimate.from_resamples(value_b - value_a, drawn_b - drawn_a),
    )


def delong_test(labels: npt.ArrayLike, scores_a: npt.ArrayLike, scores_b: npt.ArrayLike) -> DeLongTest:
    """Test whether two scores of the same images have the same area under the ROC curve.

    The variance is that of DeLong, DeLong & Clarke-Pearson, Biometrics 44, 837-845 (1988), computed from midranks
    as in Sun & Xu, IEEE Signal Processing Letters 21, 1389-1393 (2014). It is an approximation for many images.

    The test takes the images as independent of each other. Several images of one lesion are not: its p value is
    then too small. `paired_bootstrap` draws lesions and does not have this fault.

    Args:
        labels: Whether each image is positive, [N].
        scores_a: [N], high for positive.
        scores_b: [N], high for positive.

    Raises:
        DataError: The arrays do not fit together, a score is nan, or there are fewer than two positive or two
            negative images.
    """
    positive = np.asarray(labels).astype(np.bool_)
    scores = [np.asarray(values, dtype=np.float64) for values in (scores_a, scores_b)]
    if positive.ndim != 1 or any(values.shape != positive.shape for values in scores):
        shapes = ", ".join(str(list(array.shape)) for array in (positive, *scores))
        raise DataError(f"labels and scores of the shapes {shapes} do not fit together: give one of each per image")
    if any(np.isnan(values).any() for values in scores):
        raise DataError("a score is nan: give a number for each image")
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if min(positives, negatives) < 2:
        raise DataError(
            f"{positives} positive and {negatives} negative images: DeLong's test needs at least two of each"
        )
    (below_a, above_a), (below_b, above_b) = (_placements(positive, values) for values in scores)
    pairs = positives * negatives
    # The placements are whole and half numbers, so a variance that is zero comes out as zero.
    variance = float(
        (below_b - below_a).var(ddof=1) / negatives**2 / positives
        + (above_b - above_a).var(ddof=1) / positives**2 / negatives
    )
    difference = float((below_b - below_a).sum() / pairs)
    error = math.sqrt(variance)
    without_spread = math.nan if difference else 1.0
    p_value = math.erfc(abs(difference) / error / math.sqrt(2)) if error else without_spread
    return DeLongTest(float(below_a.sum() / pairs), float(below_b.sum() / pairs), difference, error, p_value)


def mcnemar_test(correct_a: npt.ArrayLike, correct_b: npt.ArrayLike) -> McNemarTest:
    """Test whether two models are right equally often (McNemar, Psychometrika 12, 153-157, 1947).

    Only the images on which one is right and the other wrong tell them apart; with equal models each of these is a
    toss of a fair coin. The p value is the exact binomial one, and takes the images as independent of each other
    (see `delong_test`).

    Args:
        correct_a: Whether A is right on each image, [N].
        correct_b: Whether B is, [N].

    Raises:
        DataError: The arrays are not of one length.
    """
    right_a, right_b = np.asarray(correct_a).astype(np.bool_), np.asarray(correct_b).astype(np.bool_)
    if right_a.ndim != 1 or right_a.shape != right_b.shape:
        raise DataError(f"{right_a.size} and {right_b.size} answers cannot be paired: give both for the same images")
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    tosses = only_a + only_b
    term, tail = 1, 1
    for heads in range(min(only_a, only_b)):
        term = term * (tosses - heads) // (heads + 1)
        tail += term
    return McNemarTest(only_a, only_b, min(1.0, 2 * tail / 2**tosses))


def recall_at_precision(
    positive: BoolArray, scores: FloatArray, precision: float, weights: IntArray | None = None
) -> FloatArray:
    """Return the greatest recall of a threshold whose precision is at least the one asked for, [...].

    It is 0 where no threshold is that precise, and nan without positives. The threshold is chosen on the very
    images that it is measured on, which flatters every model alike.

    Args:
        positive: [N].
        scores: [N], high for positive.
        precision: The least precision wanted.
        weights: [N] or [B, N]; None counts each image once.
    """
    counts = counts_at_thresholds(positive, scores, weights)
    hits = counts.true_positives
    # nan, where nothing is called positive, is not precise enough.
    reached = divide(hits, hits + counts.false_positives) >= precision
    return divide(np.where(reached, hits, 0).max(axis=-1), counts.positives)


def _placements(positive: BoolArray, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return for each positive the negatives below it, for each negative the positives above it; a tie is a half."""
    among_all = _midranks(scores)
    below = among_all[positive] - _midranks(scores[positive])
    above = positive.sum() - (among_all[~positive] - _midranks(scores[~positive]))
    return below, above


def _midranks(values: FloatArray) -> FloatArray:
    """Return the rank of each value from 1 up, equal values sharing the mean of their ranks, [N]."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    midranks: FloatArray = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return midranks

"""Ranking metrics: ROC and precision-recall curves and their areas.

All are computed from the counts of true and false positives at each distinct score. Images with equal scores are
counted together, so ties count half in the area under the ROC curve.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lesionlab.metrics.arrays import BoolArray, FloatArray, IntArray, divide, mean_of_defined, weights_or_ones


@dataclass(frozen=True, slots=True)
class ThresholdCounts:
    """True and false positives at each threshold.

    Attributes:
        thresholds: The distinct scores in descending order, [T].
        true_positives: Positive images at or above each threshold, [..., T].
        false_positives: Negative images at or above each threshold, [..., T].
    """

    thresholds: FloatArray
    true_positives: IntArray
    false_positives: IntArray

    @property
    def positives(self) -> IntArray:
        """Number of positive images, [...]."""
        return self.true_positives[..., -1]

    @property
    def negatives(self) -> IntArray:
        """Number of negative images, [...]."""
        return self.false_positives[..., -1]


@dataclass(frozen=True, slots=True)
class RocCurve:
    """Points of a ROC curve from (0, 0) to (1, 1), each [T + 1]; the first threshold is infinite.

    All values of a rate are nan if its denominator is 0.
    """

    thresholds: FloatArray
    false_positive_rate: FloatArray
    true_positive_rate: FloatArray


@dataclass(frozen=True, slots=True)
class PrecisionRecallCurve:
    """Points of a precision-recall curve in order of recall, each [T + 1].

    The first point, precision 1 at recall 0 with an infinite threshold, follows scikit-learn's convention. All recalls
    are nan without positive images.
    """

    thresholds: FloatArray
    precision: FloatArray
    recall: FloatArray


def counts_at_thresholds(positive: BoolArray, scores: FloatArray, weights: IntArray | None = None) -> ThresholdCounts:
    """Count the true and false positives at every distinct score of at least one image."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    last_of_tie = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    counted = np.take(weights_or_ones(weights, len(scores)), order, axis=-1)
    total = np.cumsum(counted, axis=-1, dtype=np.int64)
    hits = np.cumsum(counted * positive[order], axis=-1, dtype=np.int64)
    if len(last_of_tie) < len(scores):
        total, hits = total[..., last_of_tie], hits[..., last_of_tie]
    return ThresholdCounts(ordered[last_of_tie], hits, total - hits)


def area_under_roc(counts: ThresholdCounts) -> FloatArray:
    """Return the area under the ROC curve by the trapezoid rule, [...]; nan without positives or negatives."""
    return divide(_twice_ordered_pairs(counts), 2 * counts.positives * counts.negatives)


def _twice_ordered_pairs(counts: ThresholdCounts) -> IntArray:
    """Return twice the Mann-Whitney U statistic, in exact integers, [...]: ordered pairs, ties counted half."""
    hits, false_alarms = counts.true_positives, counts.false_positives
    first = hits[..., 0] * false_alarms[..., 0]
    return np.asarray(first + ((hits[..., 1:] + hits[..., :-1]) * np.diff(false_alarms, axis=-1)).sum(axis=-1))


def area_under_precision_recall(counts: ThresholdCounts) -> FloatArray:
    """Return the average precision, the sum of precision times the step in recall, [...]; nan without positives."""
    hits, false_alarms = counts.true_positives, counts.false_positives
    steps = np.diff(hits, axis=-1, prepend=0)
    # Where nothing is predicted positive, precision is undefined and the step in recall is 0.
    precision = hits / np.maximum(hits + false_alarms, 1)
    return divide((precision * steps).sum(axis=-1), counts.positives)


def roc_auc(positive: BoolArray, scores: FloatArray, weights: IntArray | None = None) -> FloatArray:
    """Return the area under the ROC curve of a binary score, [...]; nan without positives or negatives."""
    return area_under_roc(counts_at_thresholds(positive, scores, weights))


def within_group_auc(
    positive: BoolArray, scores: FloatArray, groups: npt.NDArray[Any], weights: IntArray | None = None
) -> FloatArray:
    """Return the area under the ROC curve over the pairs of one group, [...]; nan where no group has both classes.

    The share of the pairs of a positive and a negative image of the same group in which the positive image has the
    higher score, ties counted half: the Mann-Whitney statistic stratified by group (van Elteren, 1960), with weights
    proportional to the number of pairs.

    Args:
        positive: Whether each image is positive, [N].
        scores: Score of each image, [N].
        groups: Group of each image, [N].
        weights: Weights of the images, [..., N].
    """
    counted = weights_or_ones(weights, len(scores))
    ordered, pairs = np.zeros(counted.shape[:-1], np.int64), np.zeros(counted.shape[:-1], np.int64)
    for group in np.unique(groups):
        members = groups == group
        counts = counts_at_thresholds(positive[members], scores[members], counted[..., members])
        ordered, pairs = ordered + _twice_ordered_pairs(counts), pairs + counts.positives * counts.negatives
    return divide(ordered, 2 * pairs)


def average_precision(positive: BoolArray, scores: FloatArray, weights: IntArray | None = None) -> FloatArray:
    """Return the average precision of a binary score, [...]; nan without positives."""
    return area_under_precision_recall(counts_at_thresholds(positive, scores, weights))


def one_vs_rest_areas(
    labels: IntArray, probabilities: FloatArray, weights: IntArray | None = None
) -> tuple[FloatArray, FloatArray]:
    """Measure each class's probability as a score of the class against the rest.

    Returns:
        The area under the ROC curve and the average precision of each class, both [..., C]; nan for a class without
        images. The area is also nan for a class with all images.
    """
    areas, precisions = [], []
    for index in range(probabilities.shape[1]):
        counts = counts_at_thresholds(labels == index, probabilities[:, index], weights)
        areas.append(area_under_roc(counts))
        precisions.append(area_under_precision_recall(counts))
    return np.stack(areas, axis=-1), np.stack(precisions, axis=-1)


def macro_auc(labels: IntArray, probabilities: FloatArray, weights: IntArray | None = None) -> FloatArray:
    """Return the mean one-vs-rest area over the classes where it is defined, [...]."""
    return mean_of_defined(one_vs_rest_areas(labels, probabilities, weights)[0])


def roc_curve(positive: BoolArray, scores: FloatArray, weights: IntArray | None = None) -> RocCurve:
    """Return the ROC curve of a binary score; `weights` is [N] or None."""
    counts = counts_at_thresholds(positive, scores, weights)
    return RocCurve(
        np.append(np.inf, counts.thresholds),
        divide(np.append(0, counts.false_positives), counts.negatives),
        divide(np.append(0, counts.true_positives), counts.positives),
    )


def precision_recall_curve(
    positive: BoolArray, scores: FloatArray, weights: IntArray | None = None
) -> PrecisionRecallCurve:
    """Return the precision-recall curve of a binary score; `weights` is [N] or None."""
    counts = counts_at_thresholds(positive, scores, weights)
    hits, predicted = counts.true_positives, counts.true_positives + counts.false_positives
    return PrecisionRecallCurve(
        np.append(np.inf, counts.thresholds),
        np.append(1.0, divide(hits, predicted)),
        divide(np.append(0, hits), counts.positives),
    )

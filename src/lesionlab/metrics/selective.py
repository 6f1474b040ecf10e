"""Selective prediction and decision curve analysis."""

import numpy as np

from lesionlab.metrics import confusion
from lesionlab.metrics.arrays import BoolArray, FloatArray, IntArray, divide, weights_or_ones


def most_confident(confidence: FloatArray, coverage: float) -> BoolArray:
    """Return a mask of the share `coverage` of the images with the highest confidence, [N]; ties in input order."""
    kept = np.zeros(len(confidence), dtype=np.bool_)
    kept[np.argsort(-confidence, kind="stable")[: round(coverage * len(confidence))]] = True
    return kept


def selective_scores(
    labels: IntArray,
    predicted: IntArray,
    confidence: FloatArray,
    coverage: float,
    classes: int,
    weights: IntArray | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Return accuracy and balanced accuracy of the most confident predictions, [...] each.

    The share `coverage` of the images is kept. Source: El-Yaniv and Wiener, JMLR 2010.
    """
    kept = most_confident(confidence, coverage)
    counted = weights_or_ones(weights, len(labels)) * kept
    matrix = confusion.confusion_matrix(labels, predicted, classes, counted)
    return confusion.accuracy(matrix), confusion.balanced_accuracy(matrix)


def net_benefit(
    positive: BoolArray, scores: FloatArray, thresholds: FloatArray, weights: IntArray | None = None
) -> FloatArray:
    """Return the net benefit of treating the images at or above each threshold, [..., T].

    True positives per image minus false positives per image weighted by the odds of the threshold (Vickers and Elkin,
    MDM 2006). Treating no image has a net benefit of 0. The scores are probabilities, and the thresholds [T] lie
    between 0 and 1, exclusive.
    """
    counts = weights_or_ones(weights, len(scores)).astype(np.float64)
    predicted = scores[:, None] >= thresholds
    total = counts.sum(axis=-1, keepdims=True)
    hits, false_alarms = counts @ (predicted & positive[:, None]), counts @ (predicted & ~positive[:, None])
    return divide(hits - false_alarms * thresholds / (1 - thresholds), np.broadcast_to(total, hits.shape))


def treat_all(prevalence: float, thresholds: FloatArray) -> FloatArray:
    """Return the net benefit of treating all images, [T]."""
    benefit: FloatArray = prevalence - (1 - prevalence) * thresholds / (1 - thresholds)
    return benefit

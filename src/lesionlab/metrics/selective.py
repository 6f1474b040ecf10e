"""What is gained by leaving the least certain images to somebody else, and what a decision is worth."""

import numpy as np

from lesionlab.metrics import confusion
from lesionlab.metrics.arrays import BoolArray, FloatArray, IntArray, divide, weights_or_ones


def most_certain(confidence: FloatArray, coverage: float) -> BoolArray:
    """Return the share `coverage` of the images with the highest confidence, [N]; ties go by their order."""
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
    """Return accuracy and balanced accuracy on the most certain images, [...] each (El-Yaniv and Wiener, JMLR 2010).

    Args:
        labels: [N].
        predicted: [N].
        confidence: [N], high for certain.
        coverage: Share of the images that are kept.
        classes: Number of classes, C.
        weights: [N] or [B, N]; None counts each image once.
    """
    kept = most_certain(confidence, coverage)
    counted = weights_or_ones(weights, len(labels)) * kept
    matrix = confusion.confusion_matrix(labels, predicted, classes, counted)
    return confusion.accuracy(matrix), confusion.balanced_accuracy(matrix)


def net_benefit(
    positive: BoolArray, scores: FloatArray, thresholds: FloatArray, weights: IntArray | None = None
) -> FloatArray:
    """Return the net benefit of treating what lies at or above each threshold (Vickers and Elkin, MDM 2006), [..., T].

    True positives per image, less false positives weighed by the odds of the threshold: the threshold is the
    probability at which one thinks treating and not treating equally bad. Treating nobody is worth 0, treating
    everybody `treat_all`.

    Args:
        positive: [N].
        scores: Probabilities, [N].
        thresholds: Between 0 and 1, exclusive, [T].
        weights: [N] or [B, N]; None counts each image once.
    """
    counts = weights_or_ones(weights, len(scores)).astype(np.float64)
    called = scores[:, None] >= thresholds
    total = counts.sum(axis=-1, keepdims=True)
    found, false = counts @ (called & positive[:, None]), counts @ (called & ~positive[:, None])
    return divide(found - false * thresholds / (1 - thresholds), np.broadcast_to(total, found.shape))


def treat_all(prevalence: float, thresholds: FloatArray) -> FloatArray:
    """Return the net benefit of treating everybody, [T]."""
    benefit: FloatArray = prevalence - (1 - prevalence) * thresholds / (1 - thresholds)
    return benefit

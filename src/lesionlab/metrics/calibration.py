"""Calibration metrics and temperature scaling.

Two kinds of probabilities are measured: that of the predicted class (top label), and that of a target, such as
malignancy, which is what users see. A model may be calibrated in one and not in the other.

Expected calibration error of the top label and temperature scaling: Guo et al., ICML 2017. Of a target and of each
class: Nixon et al., CVPR Workshops 2019; Kull et al., NeurIPS 2019. Calibration in the large: Van Calster et al., BMC
Medicine 17, 2019.
"""

from dataclasses import dataclass

import numpy as np

from lesionlab.metrics.arrays import BoolArray, FloatArray, IntArray, divide, weighted_mean, weights_or_ones

BINS = 15
TEMPERATURE_LIMITS = (0.05, 20.0)

# Each step halves the bracket on the logarithm of the temperature: 50 steps reduce it to about 1e-14.
_BISECTIONS = 50


@dataclass(frozen=True, slots=True)
class ReliabilityBins:
    """Mean probability and observed share, in bins of equal width that include their upper edge.

    Attributes:
        edges: Edges of the bins, [bins + 1], from 0 to 1.
        confidence: Mean probability of the predicted class, or of a target, [..., bins]; nan in an empty bin.
        accuracy: Share of correct predictions, or of positive images, [..., bins]; nan in an empty bin.
        count: Number of images, [..., bins].
    """

    edges: FloatArray
    confidence: FloatArray
    accuracy: FloatArray
    count: IntArray


@dataclass(frozen=True, slots=True)
class BrierParts:
    """The Brier score of a target and its parts: score = reliability - resolution + uncertainty, each [...].

    Attributes:
        score: Mean squared difference of probability and outcome, from 0 to 1.
        reliability: Part that is due to miscalibration; 0 for calibrated probabilities.
        resolution: Part by which the probabilities separate positive from negative images. It includes the variation
            within the bins (Stephenson et al., Weather and Forecasting 23, 2008), so that the equation is exact.
        uncertainty: Score of the constant probability that equals the prevalence.
    """

    score: FloatArray
    reliability: FloatArray
    resolution: FloatArray
    uncertainty: FloatArray


def reliability_bins(
    labels: IntArray, probabilities: FloatArray, weights: IntArray | None = None, bins: int = BINS
) -> ReliabilityBins:
    """Bin the images by the probability of their predicted class."""
    confidence, correct = _top_label(labels, probabilities)
    return target_reliability_bins(correct, confidence, weights, bins)


def target_reliability_bins(
    positive: BoolArray, scores: FloatArray, weights: IntArray | None = None, bins: int = BINS
) -> ReliabilityBins:
    """Bin the images by the probability of a target, such as malignancy, given as `scores`."""
    edges, members = _bin_members(scores, bins)
    weights = weights_or_ones(weights, len(scores)).astype(np.float64)
    count = weights @ members
    return ReliabilityBins(
        edges,
        divide(weights @ (members * scores[:, None]), count),
        divide(weights @ (members * positive[:, None]), count),
        count.astype(np.int64),
    )


def expected_calibration_error(
    labels: IntArray, probabilities: FloatArray, weights: IntArray | None = None, bins: int = BINS
) -> FloatArray:
    """Return the mean absolute gap between confidence and accuracy over the bins, weighted by image count, [...].

    The estimate is biased upward on small data because the gap of a bin is an absolute value. Resampling adds to
    that bias, so a bootstrap interval may lie entirely above the measured value.
    """
    confidence, correct = _top_label(labels, probabilities)
    return target_calibration_error(correct, confidence, weights, bins)


def target_calibration_error(
    positive: BoolArray, scores: FloatArray, weights: IntArray | None = None, bins: int = BINS
) -> FloatArray:
    """Return the expected calibration error of the probability of a target, [...].

    The mean absolute gap between the mean probability and the share of positives over the bins of the probability,
    weighted by image count. It is biased upward as `expected_calibration_error`.
    """
    _, members = _bin_members(scores, bins)
    weights = weights_or_ones(weights, len(scores)).astype(np.float64)
    gaps = np.abs(weights @ (members * (positive - scores)[:, None]))
    return divide(gaps.sum(axis=-1), weights.sum(axis=-1))


def classwise_calibration_error(
    labels: IntArray, probabilities: FloatArray, weights: IntArray | None = None, bins: int = BINS
) -> FloatArray:
    """Return the mean over the classes of the calibration error of each class's probability, [...].

    Most probabilities of a rare class are near 0, where errors are small: the mean over many classes is low even for a
    poorly calibrated model, and comparable only between models with the same classes.
    """
    classes = range(probabilities.shape[1])
    errors = [target_calibration_error(labels == c, probabilities[:, c], weights, bins) for c in classes]
    return np.asarray(np.mean(errors, axis=0))


def calibration_in_the_large(positive: BoolArray, scores: FloatArray, weights: IntArray | None = None) -> FloatArray:
    """Return the mean probability of a target minus its observed share, [...]: positive if it is overestimated."""
    return weighted_mean(scores - positive, weights_or_ones(weights, len(scores)))


def brier_parts(
    positive: BoolArray, scores: FloatArray, weights: IntArray | None = None, bins: int = BINS
) -> BrierParts:
    """Return the Brier score of a target's probability with its decomposition.

    Source: Murphy, Journal of Applied Meteorology 12, 1973.
    """
    weights = weights_or_ones(weights, len(scores))
    found = target_reliability_bins(positive, scores, weights, bins)
    share = weighted_mean(positive, weights)
    squares = np.nan_to_num((found.confidence - found.accuracy) ** 2) * found.count
    score = weighted_mean((scores - positive) ** 2, weights)
    reliability = divide(squares.sum(axis=-1), weights.sum(axis=-1))
    uncertainty = share * (1 - share)
    return BrierParts(score, reliability, reliability + uncertainty - score, uncertainty)


def brier_score(labels: IntArray, probabilities: FloatArray, weights: IntArray | None = None) -> FloatArray:
    """Return the squared error of the probabilities, summed over the classes, mean over the images, [...].

    From 0 to 2, as in Brier (1950). For two classes it is twice the one-column form.
    """
    truth = np.eye(probabilities.shape[1])[labels.astype(np.int64)]
    distances = ((probabilities - truth) ** 2).sum(axis=1)
    return weighted_mean(distances, weights_or_ones(weights, len(labels)))


def negative_log_likelihood(labels: IntArray, probabilities: FloatArray, weights: IntArray | None = None) -> FloatArray:
    """Return the mean of -log of the true class's probability in nats, [...].

    Probabilities are clipped at 2.2e-16, as in scikit-learn, so that the result is finite.
    """
    actual = probabilities[np.arange(len(labels)), labels.astype(np.int64)].astype(np.float64)
    losses = -np.log(np.maximum(actual, np.finfo(np.float64).eps))
    return weighted_mean(losses, weights_or_ones(weights, len(labels)))


def softmax(logits: FloatArray, temperature: float = 1.0) -> FloatArray:
    """Return the softmax of `logits / temperature`, [..., C]."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), dtype=np.float64)


def fit_temperature(logits: FloatArray, labels: IntArray) -> float:
    """Return the temperature of logits [N, C] that minimises the negative log-likelihood. Fit it on validation images.

    The loss is convex in 1/T, so its derivative changes sign at most once and bisection finds the minimum.

    Returns:
        The temperature; 1 if all logits of each image are equal. One of `TEMPERATURE_LIMITS` if the loss still
        decreases there: the lower limit if every image is classified correctly, the upper one if the logits are no
        better than chance. Neither is a reliable calibration.
    """
    # Differences to the largest logit avoid rounding errors from a common offset.
    relative = np.asarray(logits, dtype=np.float64)
    relative = relative - relative.max(axis=1, keepdims=True)
    actual = relative[np.arange(len(labels)), labels.astype(np.int64)]

    def slope(log_temperature: float) -> float:
        """Return the mean expected logit minus the mean logit of the true class: positive if T is too low."""
        expected = (softmax(relative, float(np.exp(log_temperature))) * relative).sum(axis=1)
        return float((expected - actual).mean())

    low, high = (float(np.log(limit)) for limit in TEMPERATURE_LIMITS)
    if not relative.any():
        return 1.0
    if slope(low) <= 0:
        return TEMPERATURE_LIMITS[0]
    if slope(high) >= 0:
        return TEMPERATURE_LIMITS[1]
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if slope(middle) > 0:
            low = middle
        else:
            high = middle
    return float(np.exp((low + high) / 2))


def _top_label(labels: IntArray, probabilities: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Return the probability of each image's predicted class and whether it is correct, both [N]."""
    return probabilities.max(axis=1).astype(np.float64), probabilities.argmax(axis=1) == labels


def _bin_members(confidence: FloatArray, bins: int) -> tuple[FloatArray, FloatArray]:
    """Return the edges, [bins + 1], and the bin of each image, one-hot, [N, bins]."""
    edges = np.linspace(0.0, 1.0, bins + 1)
    # A float32 softmax may exceed 1 by a rounding error.
    index = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    return edges, np.eye(bins)[index]

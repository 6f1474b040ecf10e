"""How far probabilities can be taken at their word, and the temperature that makes them more honest.

Source of the expected calibration error and of temperature scaling: Guo et al., On Calibration of Modern Neural
Networks, ICML 2017.
"""

from dataclasses import dataclass

import numpy as np

from lesionlab.metrics.arrays import BoolArray, FloatArray, IntArray, divide, weighted_mean, weights_or_ones

BINS = 15
TEMPERATURE_LIMITS = (0.05, 20.0)

# Each step halves the bracket on the logarithm of the temperature: 50 leave about 1e-14 of it.
_BISECTIONS = 50


@dataclass(frozen=True, slots=True)
class ReliabilityBins:
    """Confidence against accuracy of the predicted class, in bins of equal width that include their upper edge.

    Attributes:
        edges: Limits of the bins, [bins + 1], from 0 to 1.
        confidence: Mean probability of the predicted class, [..., bins]; nan in an empty bin.
        accuracy: Share of right predictions, [..., bins]; nan in an empty bin.
        count: Number of images, [..., bins].
    """

    edges: FloatArray
    confidence: FloatArray
    accuracy: FloatArray
    count: IntArray


def reliability_bins(
    labels: IntArray, probabilities: FloatArray, weights: IntArray | None = None, bins: int = BINS
) -> ReliabilityBins:
    """Sort the images into bins by the probability of their predicted class.

    Args:
        labels: [N].
        probabilities: [N, C].
        weights: [N] or [B, N]; None counts each image once.
        bins: Number of bins.
    """
    confidence, correct = _top_label(labels, probabilities)
    edges, members = _bin_members(confidence, bins)
    weights = weights_or_ones(weights, len(labels)).astype(np.float64)
    count = weights @ members
    return ReliabilityBins(
        edges,
        divide(weights @ (members * confidence[:, None]), count),
        divide(weights @ (members * correct[:, None]), count),
        count.astype(np.int64),
    )


def expected_calibration_error(
    labels: IntArray, probabilities: FloatArray, weights: IntArray | None = None, bins: int = BINS
) -> FloatArray:
    """Return the mean gap between confidence and accuracy over the bins, weighted by their images, [...].

    The gap of a bin is an absolute value, so chance alone makes it positive: the estimate lies above the truth
    on small data. A resample adds its own chance to that of the data, so the bootstrap of this error is biased
    upward too, and its interval may even lie wholly above the value measured.

    Args:
        labels: [N].
        probabilities: [N, C].
        weights: [N] or [B, N]; None counts each image once.
        bins: Number of bins of equal width.
    """
    confidence, correct = _top_label(labels, probabilities)
    _, members = _bin_members(confidence, bins)
    weights = weights_or_ones(weights, len(labels)).astype(np.float64)
    gaps = np.abs(weights @ (members * (correct - confidence)[:, None]))
    return divide(gaps.sum(axis=-1), weights.sum(axis=-1))


def brier_score(labels: IntArray, probabilities: FloatArray, weights: IntArray | None = None) -> FloatArray:
    """Return the mean squared distance between the probabilities and the truth, summed over the classes, [...].

    From 0 to 2, as Brier (1950) defined it: for two classes it is twice the one-column form.

    Args:
        labels: [N].
        probabilities: [N, C].
        weights: [N] or [B, N]; None counts each image once.
    """
    truth = np.eye(probabilities.shape[1])[labels.astype(np.int64)]
    distances = ((probabilities - truth) ** 2).sum(axis=1)
    return weighted_mean(distances, weights_or_ones(weights, len(labels)))


def negative_log_likelihood(labels: IntArray, probabilities: FloatArray, weights: IntArray | None = None) -> FloatArray:
    """Return the mean of -log of the actual class's probability, in nats, [...].

    A probability below 2.2e-16 counts as that, as in scikit-learn, so that one image cannot make it infinite.

    Args:
        labels: [N].
        probabilities: [N, C].
        weights: [N] or [B, N]; None counts each image once.
    """
    actual = probabilities[np.arange(len(labels)), labels.astype(np.int64)].astype(np.float64)
    losses = -np.log(np.maximum(actual, np.finfo(np.float64).eps))
    return weighted_mean(losses, weights_or_ones(weights, len(labels)))


def softmax(logits: FloatArray, temperature: float = 1.0) -> FloatArray:
    """Turn logits, [..., C], into probabilities; a temperature above 1 makes them less sure."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), dtype=np.float64)


def fit_temperature(logits: FloatArray, labels: IntArray) -> float:
    """Find the temperature that minimises the negative log likelihood: on validation images, never on the test part.

    The likelihood is convex in 1/T, so its slope changes sign at most once and bisection cannot miss the place.

    Args:
        logits: [N, C].
        labels: [N].

    Returns:
        The temperature; 1 where the logits do not tell the classes apart at all. One of `TEMPERATURE_LIMITS`
        where the likelihood still improves there: the lower as where every image is classified rightly, the upper
        as where the logits are no better than chance. Neither should be trusted.
    """
    # Only differences matter; those to the largest logit keep rounding errors of a common offset out of the slope.
    relative = np.asarray(logits, dtype=np.float64)
    relative = relative - relative.max(axis=1, keepdims=True)
    actual = relative[np.arange(len(labels)), labels.astype(np.int64)]

    def surplus(log_temperature: float) -> float:
        """Return the mean logit expected less the mean logit of the truth: positive where T is too low."""
        expected = (softmax(relative, float(np.exp(log_temperature))) * relative).sum(axis=1)
        return float((expected - actual).mean())

    low, high = (float(np.log(limit)) for limit in TEMPERATURE_LIMITS)
    if not relative.any():
        return 1.0
    if surplus(low) <= 0:
        return TEMPERATURE_LIMITS[0]
    if surplus(high) >= 0:
        return TEMPERATURE_LIMITS[1]
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if surplus(middle) > 0:
            low = middle
        else:
            high = middle
    return float(np.exp((low + high) / 2))


def _top_label(labels: IntArray, probabilities: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Return the probability of each image's predicted class and whether that class is right, both [N]."""
    return probabilities.max(axis=1).astype(np.float64), probabilities.argmax(axis=1) == labels


def _bin_members(confidence: FloatArray, bins: int) -> tuple[FloatArray, FloatArray]:
    """Return the edges, [bins + 1], and a matrix with 1 where an image lies in a bin, [N, bins]."""
    edges = np.linspace(0.0, 1.0, bins + 1)
    # Clipped, since a float32 softmax may exceed 1 by a rounding error.
    index = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    return edges, np.eye(bins)[index]

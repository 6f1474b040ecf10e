"""Operating points: a threshold on a binary score and its performance.

An image is predicted positive if its score is at or above the threshold. Sensitivity and specificity are always
reported together, and predictive values with their prevalence.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from lesionlab.errors import DataError, UsageError
from lesionlab.metrics.arrays import BoolArray, FloatArray, IntArray
from lesionlab.metrics.confusion import confusion_matrix, precision, recall, support
from lesionlab.metrics.ranking import counts_at_thresholds


@dataclass(frozen=True, slots=True)
class OperatingPointMetrics:
    """A threshold and its performance; nan for undefined values.

    Attributes:
        threshold: Minimum score of a positive prediction.
        ppv: Positive predictive value at `prevalence`.
        npv: Negative predictive value at `prevalence`.
        prevalence: Share of positive images.
    """

    threshold: float
    sensitivity: float
    specificity: float
    ppv: float
    npv: float
    prevalence: float

    def at_prevalence(self, prevalence: float) -> "OperatingPointMetrics":
        """Return the point with PPV and NPV at another prevalence.

        Sensitivity and specificity are assumed to be the same at that prevalence.

        Raises:
            UsageError: The prevalence is not between 0 and 1.
        """
        ppv, npv = predictive_values(self.sensitivity, self.specificity, prevalence)
        return replace(self, ppv=ppv, npv=npv, prevalence=prevalence)


def choose_operating_point(
    sensitivity: float, positive: BoolArray, scores: FloatArray, weights: IntArray | None = None
) -> OperatingPointMetrics:
    """Return the largest threshold with at least the given sensitivity. Choose it on validation images.

    Its performance on the same images is optimistic: measure the threshold again on other images.

    Raises:
        UsageError: The sensitivity is out of range.
        DataError: No image is positive.
    """
    if not 0 < sensitivity <= 1:
        raise UsageError(f"the sensitivity is {sensitivity}: give one above 0 and at most 1")
    if not np.any(positive if weights is None else positive & (weights > 0)):
        raise DataError("there is no positive image: a threshold for a sensitivity needs at least one")
    counts = counts_at_thresholds(positive, scores, weights)
    reached = counts.true_positives / counts.positives >= sensitivity
    return measure_operating_point(float(counts.thresholds[reached.argmax()]), positive, scores, weights)


def guaranteed_threshold(sensitivity: float, confidence: float, scores: FloatArray) -> float | None:
    """Return the largest threshold whose sensitivity is guaranteed with a confidence. Choose it on validation lesions.

    With n positive lesions, the threshold is the (k + 1)-th smallest score, where k is the largest number of misses
    with P(Binomial(n, 1 - sensitivity) <= k) <= 1 - confidence: the lower Clopper-Pearson limit of the sensitivity,
    with k misses, is at least the sensitivity. The sensitivity for new lesions is below it with a probability of at
    most 1 - confidence over draws of the n lesions, whatever the distribution of the scores (Wilks, Annals of
    Mathematical Statistics 12, 1941; as a test of ordered thresholds: Angelopoulos et al., Learn then Test, 2021).

    Args:
        sensitivity: The sensitivity, above 0 and below 1.
        confidence: The confidence, above 0 and below 1.
        scores: Scores of one image of each positive lesion, [n]; they must be independent.

    Returns:
        The threshold; None if n is too small: n < 59 for 95% sensitivity with 95% confidence.

    Raises:
        UsageError: The sensitivity or the confidence is out of range.
    """
    if not (0 < sensitivity < 1 and 0 < confidence < 1):
        raise UsageError(
            f"sensitivity {sensitivity} with confidence {confidence}: give two numbers above 0 and below 1"
        )
    count, probability, misses = len(scores), 0.0, -1
    for missed in range(count):
        # Logarithms: binomial coefficients of thousands of lesions exceed floating point numbers.
        combinations = math.lgamma(count + 1) - math.lgamma(missed + 1) - math.lgamma(count - missed + 1)
        logarithm = combinations + missed * math.log1p(-sensitivity) + (count - missed) * math.log(sensitivity)
        probability += math.exp(logarithm)
        if probability > 1 - confidence:
            break
        misses = missed
    return float(np.sort(scores)[misses]) if misses >= 0 else None


def measure_operating_point(
    threshold: float, positive: BoolArray, scores: FloatArray, weights: IntArray | None = None
) -> OperatingPointMetrics:
    """Measure the performance of a threshold.

    For intervals, pass the predictions and the weights of the resamples to `confusion.confusion_matrix`.
    """
    predicted = (scores >= threshold).astype(np.int64)
    matrix = confusion_matrix(positive.astype(np.int64), predicted, 2, weights)
    (specificity, sensitivity), (npv, ppv) = recall(matrix).tolist(), precision(matrix).tolist()
    images = support(matrix)
    return OperatingPointMetrics(threshold, sensitivity, specificity, ppv, npv, float(images[1] / images.sum()))


def predictive_values(sensitivity: float, specificity: float, prevalence: float) -> tuple[float, float]:
    """Return PPV and NPV by Bayes' theorem; nan where the prediction never occurs.

    Raises:
        UsageError: The prevalence is not between 0 and 1.
    """
    if not 0 <= prevalence <= 1:
        raise UsageError(f"the prevalence is {prevalence}: give one from 0 to 1")
    true_positive, false_negative = sensitivity * prevalence, (1 - sensitivity) * prevalence
    true_negative, false_positive = specificity * (1 - prevalence), (1 - specificity) * (1 - prevalence)
    return (
        _share(true_positive, true_positive + false_positive),
        _share(true_negative, true_negative + false_negative),
    )


def _share(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")

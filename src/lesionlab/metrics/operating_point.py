"""Operating points: a threshold on a binary score, and what the decision at that threshold is worth.

An image is called positive where its score is at or above the threshold. A sensitivity is never stated without
the specificity beside it, nor a predictive value without the prevalence that it assumes.
"""

from dataclasses import dataclass, replace

import numpy as np

from lesionlab.errors import DataError, UsageError
from lesionlab.metrics.arrays import BoolArray, FloatArray, IntArray
from lesionlab.metrics.confusion import confusion_matrix, precision, recall, support
from lesionlab.metrics.ranking import counts_at_thresholds


@dataclass(frozen=True, slots=True)
class OperatingPointMetrics:
    """A threshold and what was measured there; nan where the data do not define a value.

    Attributes:
        threshold: Score at and above which an image is called positive.
        sensitivity: Share of the positive images called positive.
        specificity: Share of the negative images called negative.
        ppv: Share of the images called positive that are, at `prevalence`.
        npv: Share of the images called negative that are, at `prevalence`.
        prevalence: Share of the images that are positive.
    """

    threshold: float
    sensitivity: float
    specificity: float
    ppv: float
    npv: float
    prevalence: float

    def at_prevalence(self, prevalence: float) -> "OperatingPointMetrics":
        """Return the point as it would be among patients with another prevalence.

        Sensitivity and specificity are taken as they are, which assumes that the disease looks the same there.

        Raises:
            UsageError: The prevalence is not between 0 and 1.
        """
        ppv, npv = predictive_values(self.sensitivity, self.specificity, prevalence)
        return replace(self, ppv=ppv, npv=npv, prevalence=prevalence)


def choose_operating_point(
    sensitivity: float, positive: BoolArray, scores: FloatArray, weights: IntArray | None = None
) -> OperatingPointMetrics:
    """Find the largest threshold whose sensitivity is at least the one asked for: on validation images only.

    Args:
        sensitivity: The least sensitivity wanted, above 0 and at most 1.
        positive: [N].
        scores: [N], high for positive.
        weights: [N]; None counts each image once.

    Returns:
        The point with what was measured on these very images. That flatters it: measure the threshold again on
        images that did not choose it.

    Raises:
        UsageError: The sensitivity is out of range.
        DataError: No image is positive.
    """
    if not 0 < sensitivity <= 1:
        raise UsageError(f"a sensitivity of {sensitivity} cannot be asked for: give one above 0 and at most 1")
    if not np.any(positive if weights is None else positive & (weights > 0)):
        raise DataError("no positive image: a threshold for a sensitivity cannot be chosen without any")
    counts = counts_at_thresholds(positive, scores, weights)
    reached = counts.true_positives / counts.positives >= sensitivity
    return measure_operating_point(float(counts.thresholds[reached.argmax()]), positive, scores, weights)


def measure_operating_point(
    threshold: float, positive: BoolArray, scores: FloatArray, weights: IntArray | None = None
) -> OperatingPointMetrics:
    """Measure the decision "score at or above the threshold".

    For intervals, give the decision and the weights of the resamples to `confusion.confusion_matrix`.

    Args:
        threshold: In units of the score.
        positive: [N].
        scores: [N], high for positive.
        weights: [N]; None counts each image once.
    """
    called = (scores >= threshold).astype(np.int64)
    matrix = confusion_matrix(positive.astype(np.int64), called, 2, weights)
    negative_class, positive_class = 0, 1
    images = support(matrix)
    return OperatingPointMetrics(
        threshold=threshold,
        sensitivity=float(recall(matrix)[positive_class]),
        specificity=float(recall(matrix)[negative_class]),
        ppv=float(precision(matrix)[positive_class]),
        npv=float(precision(matrix)[negative_class]),
        prevalence=float(images[positive_class] / images.sum()),
    )


def predictive_values(sensitivity: float, specificity: float, prevalence: float) -> tuple[float, float]:
    """Return PPV and NPV by Bayes' theorem; nan for one whose call is never made.

    Raises:
        UsageError: The prevalence is not between 0 and 1.
    """
    if not 0 <= prevalence <= 1:
        raise UsageError(f"a prevalence of {prevalence} is not a share: give one from 0 to 1")
    true_positive, false_negative = sensitivity * prevalence, (1 - sensitivity) * prevalence
    true_negative, false_positive = specificity * (1 - prevalence), (1 - specificity) * (1 - prevalence)
    return (
        _share(true_positive, true_positive + false_positive),
        _share(true_negative, true_negative + false_negative),
    )


def _share(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")

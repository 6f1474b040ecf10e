"""Operating points and sensitivity curves, chosen on the validation subset.

Each target has thresholds of two kinds. One has the sensitivity on the validation images: it is the best estimate, and
half of such thresholds have less on new images. The other has the sensitivity for new lesions with a stated confidence,
at a lower specificity. The unit of the guarantee is the lesion, since images of one lesion are not independent: each
counts with one image, drawn at random, as in the prediction sets, and the guarantee holds for one image of a new
lesion. The image with the lowest score of each lesion would guarantee more, that all images of the lesion are positive.
"""

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from lesionlab.bundle import CurvePoint, OperatingPoint, PatientThreshold, SensitivityCurve
from lesionlab.export.prediction_sets import one_per_lesion
from lesionlab.metrics import (
    OperatingPointMetrics,
    choose_operating_point,
    guaranteed_threshold,
    measure_operating_point,
)
from lesionlab.taxonomy import Target, Task

logger = logging.getLogger(__name__)

TARGET_SENSITIVITIES = (0.90, 0.95)
CONFIDENCE = 0.95
# Validation subsets are too small for finer steps.
CURVE_TARGETS = tuple(round(0.01 * step, 2) for step in range(50, 100))


@dataclass(frozen=True)
class Validation:
    """Validation images for the choice of thresholds.

    Attributes:
        labels: True class, [N].
        probabilities: Calibrated probabilities, [N, C].
        lesion_ids: Lesion of each image.
    """

    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    lesion_ids: Sequence[str]

    def select(self, chosen: NDArray[np.bool_]) -> "Validation":
        """Return some of the images."""
        lesions = [lesion for lesion, held in zip(self.lesion_ids, chosen, strict=True) if held]
        return Validation(self.labels[chosen], self.probabilities[chosen], lesions)


@dataclass(frozen=True)
class _Scores:
    """Whether each image is positive for a target, its score, and its lesion."""

    positive: NDArray[np.bool_]
    scores: NDArray[np.float64]
    lesion_ids: Sequence[str]

    def point(self, sensitivity: float, confidence: float | None = None) -> OperatingPointMetrics | None:
        """Return the point for a sensitivity, guaranteed or not; None if it cannot be, or would be undefined."""
        if confidence is None:
            found = choose_operating_point(sensitivity, self.positive, self.scores)
        else:
            positive = np.flatnonzero(self.positive)
            one = positive[one_per_lesion([self.lesion_ids[int(index)] for index in positive])]
            threshold = guaranteed_threshold(sensitivity, confidence, self.scores[one])
            if threshold is None:
                return None
            found = measure_operating_point(threshold, self.positive, self.scores)
        return found if all(map(math.isfinite, asdict(found).values())) else None


def choose_points(
    images: Validation, task: Task, with_patients: Validation | None = None
) -> tuple[OperatingPoint, ...]:
    """Return the thresholds for 90% and 95% sensitivity for each target of the task, each without and with a guarantee.

    Args:
        images: The validation images, with probabilities from the image alone.
        task: The task of the model.
        with_patients: Those with patient data, with probabilities from image and patient data.
    """
    points = []
    for target, scores, patients in _targets(images, task, with_patients):
        for sensitivity in TARGET_SENSITIVITIES:
            for confidence in (None, CONFIDENCE):
                name = f"{100 * sensitivity:g}% sensitivity" + (
                    f" at {confidence:.0%} confidence" if confidence else ""
                )
                point = scores.point(sensitivity, confidence)
                if point is None:
                    why = "too few lesions" if confidence else "every image would be positive"
                    logger.log(
                        logging.INFO if confidence else logging.WARNING,
                        "no operating point for %s (%s): %s",
                        name,
                        target,
                        why,
                    )
                    continue
                points.append(
                    OperatingPoint(
                        name=name,
                        target=target,
                        target_sensitivity=sensitivity,
                        confidence=confidence,
                        measured_on="validation",
                        patient=_patient_threshold(patients, sensitivity, confidence),
                        **asdict(point),
                    )
                )
    return tuple(points)


def sensitivity_curves(
    images: Validation, task: Task, with_patients: Validation | None = None
) -> tuple[SensitivityCurve, ...]:
    """Return the thresholds for sensitivities from 50% to 99%; see `choose_points`."""
    curves = []
    for target, scores, patients in _targets(images, task, with_patients):
        points = [
            (value, choose_operating_point(value, scores.positive, scores.scores), _patient_threshold(patients, value))
            for value in CURVE_TARGETS
        ]
        curves.append(
            SensitivityCurve(
                target=target,
                prevalence=float(scores.positive.mean()),
                points=tuple(
                    CurvePoint(
                        target_sensitivity=value,
                        threshold=point.threshold,
                        sensitivity=point.sensitivity,
                        specificity=point.specificity,
                        patient=patient,
                    )
                    for value, point, patient in points
                ),
            )
        )
    return tuple(curves)


def _patient_threshold(
    patients: _Scores | None, sensitivity: float, confidence: float | None = None
) -> PatientThreshold | None:
    point = patients.point(sensitivity, confidence) if patients else None
    return (
        PatientThreshold(threshold=point.threshold, sensitivity=point.sensitivity, specificity=point.specificity)
        if point
        else None
    )


def _targets(
    images: Validation, task: Task, with_patients: Validation | None
) -> Iterator[tuple[Target, _Scores, _Scores | None]]:
    """Yield each target with positive and negative images, with the scores without and with patient data."""
    for target, classes in task.targets.items():
        columns = [task.classes.index(code) for code in classes]
        scores, patients = (_scores(columns, source) for source in (images, with_patients))
        if scores is not None:
            yield target, scores, patients


def _scores(columns: list[int], images: Validation | None) -> _Scores | None:
    """Return the scores of the images; None without images, or where all are positive or all negative."""
    if images is None:
        return None
    positive = np.isin(images.labels, columns)
    if not positive.any() or positive.all():
        return None
    return _Scores(positive, images.probabilities[:, columns].sum(axis=1), images.lesion_ids)

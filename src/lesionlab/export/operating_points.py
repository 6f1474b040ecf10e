"""Thresholds, chosen on the validation part: for the sensitivities that everybody asks for, and for any other."""

import logging
import math
from collections.abc import Iterator
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from lesionlab.bundle import CurvePoint, OperatingPoint, SensitivityCurve
from lesionlab.metrics import choose_operating_point
from lesionlab.taxonomy import Task

logger = logging.getLogger(__name__)

TARGET_SENSITIVITIES = (0.90, 0.95)
# In hundredths: validation parts are too small to tell finer steps apart.
CURVE_TARGETS = tuple(round(0.01 * step, 2) for step in range(50, 100))


def choose_points(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], task: Task
) -> tuple[OperatingPoint, ...]:
    """Return the thresholds for 90 and 95 % sensitivity, for malignancy and for melanoma as far as the task tells.

    Args:
        labels: True class of the validation images, [N].
        probabilities: Calibrated, [N, C].
        task: What the model tells apart.
    """
    points = []
    for finding, positive, scores in _findings(labels, probabilities, task):
        for target in TARGET_SENSITIVITIES:
            point = choose_operating_point(target, positive, scores)
            if not all(map(math.isfinite, asdict(point).values())):
                logger.warning("no operating point for %.0f%% sensitivity: it would call every image", target * 100)
                continue
            points.append(
                OperatingPoint(
                    name=point_name(finding, target, task),
                    target=finding,
                    target_sensitivity=target,
                    measured_on="validation",
                    **asdict(point),
                )
            )
    return tuple(points)


def sensitivity_curves(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], task: Task
) -> tuple[SensitivityCurve, ...]:
    """Return the thresholds for sensitivities from 50 to 99 %; see `choose_points`."""
    curves = []
    for finding, positive, scores in _findings(labels, probabilities, task):
        points = [(target, choose_operating_point(target, positive, scores)) for target in CURVE_TARGETS]
        curves.append(
            SensitivityCurve(
                target=finding,
                prevalence=float(positive.mean()),
                points=tuple(
                    CurvePoint(
                        target_sensitivity=target,
                        threshold=point.threshold,
                        sensitivity=point.sensitivity,
                        specificity=point.specificity,
                    )
                    for target, point in points
                ),
            )
        )
    return tuple(curves)


def point_name(finding: str, target: float, task: Task) -> str:
    """Return the name of a threshold: that of the model's main finding goes without it."""
    name = f"sensitivity_{target * 100:g}"
    return name if finding == next(iter(task.targets)) else f"{finding}_{name}"


def _findings(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], task: Task
) -> Iterator[tuple[str, NDArray[np.bool_], NDArray[np.float64]]]:
    """Yield each finding that has both kinds of images, whether each image shows it, and its probability."""
    for finding, classes in task.targets.items():
        columns = [task.classes.index(code) for code in classes]
        positive = np.isin(labels, columns)
        if positive.any() and not positive.all():
            yield finding, positive, probabilities[:, columns].sum(axis=1)

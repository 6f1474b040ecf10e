"""Operating points and sensitivity curves, chosen on the validation subset."""

import logging
import math
from collections.abc import Iterator
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from lesionlab.bundle import CurvePoint, OperatingPoint, SensitivityCurve
from lesionlab.metrics import choose_operating_point
from lesionlab.taxonomy import Target, Task

logger = logging.getLogger(__name__)

TARGET_SENSITIVITIES = (0.90, 0.95)
# Validation subsets are too small for finer steps.
CURVE_TARGETS = tuple(round(0.01 * step, 2) for step in range(50, 100))


def choose_points(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], task: Task
) -> tuple[OperatingPoint, ...]:
    """Return the thresholds for 90% and 95% sensitivity for each target of the task.

    Args:
        labels: True class of the validation images, [N].
        probabilities: Calibrated probabilities, [N, C].
        task: The task of the model.
    """
    points = []
    for target, positive, scores in _targets(labels, probabilities, task):
        for sensitivity in TARGET_SENSITIVITIES:
            point = choose_operating_point(sensitivity, positive, scores)
            if not all(map(math.isfinite, asdict(point).values())):
                logger.warning(
                    "no operating point for %.0f%% sensitivity: every image would be positive", sensitivity * 100
                )
                continue
            points.append(
                OperatingPoint(
                    name=f"{100 * sensitivity:g}% sensitivity",
                    target=target,
                    target_sensitivity=sensitivity,
                    measured_on="validation",
                    **asdict(point),
                )
            )
    return tuple(points)


def sensitivity_curves(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], task: Task
) -> tuple[SensitivityCurve, ...]:
    """Return the thresholds for sensitivities from 50% to 99%; see `choose_points`."""
    curves = []
    for target, positive, scores in _targets(labels, probabilities, task):
        points = [(value, choose_operating_point(value, positive, scores)) for value in CURVE_TARGETS]
        curves.append(
            SensitivityCurve(
                target=target,
                prevalence=float(positive.mean()),
                points=tuple(
                    CurvePoint(
                        target_sensitivity=value,
                        threshold=point.threshold,
                        sensitivity=point.sensitivity,
                        specificity=point.specificity,
                    )
                    for value, point in points
                ),
            )
        )
    return tuple(curves)


def _targets(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], task: Task
) -> Iterator[tuple[Target, NDArray[np.bool_], NDArray[np.float64]]]:
    """Yield each target with positive and negative images, with the labels and the scores of the images."""
    for target, classes in task.targets.items():
        columns = [task.classes.index(code) for code in classes]
        positive = np.isin(labels, columns)
        if positive.any() and not positive.all():
            yield target, positive, probabilities[:, columns].sum(axis=1)

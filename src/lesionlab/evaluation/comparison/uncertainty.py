"""What two models' numbers are good for: calibration, thresholds, prediction sets, and leaving out doubtful images."""

from collections.abc import Callable

import numpy as np

from lesionlab.bundle.operating_points import NOUNS
from lesionlab.evaluation.comparison.metric import Metric
from lesionlab.evaluation.predictions_file import Predictions
from lesionlab.metrics import confusion
from lesionlab.metrics.arrays import FloatArray, IntArray, weighted_mean
from lesionlab.metrics.calibration import expected_calibration_error
from lesionlab.metrics.comparison import Measure
from lesionlab.metrics.selective import selective_scores
from lesionlab.taxonomy import TASKS, Target

_SENSITIVITY = 0.95
_KEPT = 0.8


def trust(a: Predictions, b: Predictions) -> list[Metric]:
    """Return what can be compared; files that were written before something was kept leave it out."""
    return _calibration(a, b) + _thresholds(a, b) + _sets(a, b) + _selective(a, b)


def _calibration(a: Predictions, b: Predictions) -> list[Metric]:
    if a.task != b.task:
        return []
    labels = a.labels

    def measure_of(side: Predictions) -> Measure:
        return lambda weights: expected_calibration_error(labels, side.probabilities, weights=weights)

    meaning = "Expected calibration error (how far claimed certainty is from the share of right answers)"
    return [Metric("ece", meaning, measure_of, better="lower")]


def _thresholds(a: Predictions, b: Predictions) -> list[Metric]:
    metrics = []
    for finding, noun in NOUNS.items():
        if not all(side.threshold(finding, _SENSITIVITY) is not None for side in (a, b)):
            continue
        held = TASKS["diagnosis"].targets[finding]
        positive = np.array([diagnosis in held for diagnosis in a.diagnoses])
        for index, name in ((1, "sensitivity"), (0, "specificity")):
            metrics.append(
                Metric(
                    f"{finding}_{name}_at_{100 * _SENSITIVITY:.0f}",
                    f"{name.capitalize()} for {noun} at each model's own threshold for {_SENSITIVITY:.0%} sensitivity",
                    _of_threshold(finding, positive.astype(np.int64), index),
                )
            )
    return metrics


def _of_threshold(finding: Target, positive: IntArray, index: int) -> Callable[[Predictions], Measure]:
    def measure_of(side: Predictions) -> Measure:
        threshold = side.threshold(finding, _SENSITIVITY)
        called = (side.probability_of(side.task.targets[finding]) >= (threshold or 0.0)).astype(np.int64)
        return lambda weights: confusion.recall(confusion.confusion_matrix(positive, called, 2, weights))[..., index]

    return measure_of


def _sets(a: Predictions, b: Predictions) -> list[Metric]:
    if a.task != b.task or a.sets is None or b.sets is None:
        return []
    labels = a.labels

    def covered(side: Predictions) -> Measure:
        held = _of(side)[np.arange(len(labels)), labels].astype(np.float64)
        return lambda weights: weighted_mean(held, weights)

    def sizes(side: Predictions) -> Measure:
        size = _of(side).sum(axis=1).astype(np.float64)
        return lambda weights: weighted_mean(size, weights)

    return [
        Metric("set_coverage", "Coverage of the prediction sets (the share that hold the truth)", covered, "neither"),
        Metric("set_size", "Mean size of the prediction sets (classes that are not ruled out)", sizes, "neither"),
    ]


def _of(side: Predictions) -> np.ndarray:
    return side.sets if side.sets is not None else np.zeros(side.probabilities.shape, dtype=np.bool_)


def _selective(a: Predictions, b: Predictions) -> list[Metric]:
    if a.task != b.task or a.certainty is None or b.certainty is None:
        return []
    labels, classes = a.labels, len(a.task.classes)

    def measure_of(side: Predictions) -> Measure:
        certainty: FloatArray = side.certainty if side.certainty is not None else np.zeros(len(labels))
        return lambda weights: selective_scores(labels, side.decisions, certainty, _KEPT, classes, weights)[1]

    meaning = f"Balanced accuracy on the {_KEPT:.0%} of the images that each model is most certain of"
    return [Metric("balanced_accuracy_at_80", meaning, measure_of)]

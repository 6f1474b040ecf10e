"""The metrics of a comparison, as functions of predictions and image weights.

Models with the same task are compared in all metrics of the task; a model of single diagnoses and a binary one in those
of the binary target.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from lesionlab.bundle.operating_points import NOUNS
from lesionlab.evaluation.predictions import Predictions
from lesionlab.metrics import confusion, ranking
from lesionlab.metrics.arrays import BoolArray, FloatArray, IntArray, weighted_mean
from lesionlab.metrics.calibration import expected_calibration_error
from lesionlab.metrics.comparison import delong_test, mcnemar_test, recall_at_precision
from lesionlab.metrics.estimate import count_lesions, count_trials
from lesionlab.metrics.selective import selective_scores
from lesionlab.taxonomy import Target, is_of_target

Better = Literal["higher", "lower", "neither"]
PredictionsMetric = Callable[[Predictions, IntArray], FloatArray]
"""A metric: from predictions and weights [N] or [B, N] to a scalar array or [B]."""

MELANOMA = "mel"
_SENSITIVITY = 0.95
_COVERAGE = 0.8
# A share p of other lesions changes an F1 by at most 2p / (1 + p), which is less than the share for half the trials.
_PER_F1 = 2


@dataclass(frozen=True)
class Metric:
    """One row of a comparison.

    Attributes:
        name: Name of the metric.
        meaning: The metric in words.
        compute: The metric of one model.
        better: Whether a higher or a lower value is better.
        test: `DeLong` or `McNemar`; None without a test.
        p_value: P value of the test.
        trials: Number of independent trials behind the metric (see `metrics.estimate`); 0 for a metric without an exact
            interval.
    """

    name: str
    meaning: str
    compute: PredictionsMetric
    better: Better = "higher"
    test: str | None = None
    p_value: float | None = None
    trials: int = 0


def performance_metrics(a: Predictions, b: Predictions) -> list[Metric]:
    """Return the metrics of performance that both tasks define; empty for tasks without a common target."""
    return [*_task_metrics(a, b), *_malignancy_metrics(a, b), *_melanoma_metrics(a, b)]


def uncertainty_metrics(a: Predictions, b: Predictions) -> list[Metric]:
    """Return calibration, thresholds, prediction sets and selective prediction, as far as both files have them."""
    same = a.task == b.task
    metrics = []
    if same:
        meaning = "Expected calibration error (gap between confidence and accuracy)"
        metrics.append(Metric("ece", meaning, _calibration_error, better="lower"))
    metrics += _threshold_metrics(a, b)
    if same and a.sets is not None and b.sets is not None:
        metrics += [
            Metric(
                "set_coverage",
                "Coverage of the prediction sets",
                _set_coverage,
                "neither",
                trials=count_lesions(a.lesion_ids),
            ),
            Metric("set_size", "Mean size of the prediction sets", _set_size, "neither"),
        ]
    if same and a.confidence is not None and b.confidence is not None:
        meaning = f"Balanced accuracy on the {_COVERAGE:.0%} most confident predictions of each model"
        metrics.append(Metric("balanced_accuracy_at_80", meaning, _selective_accuracy))
    return metrics


def _task_metrics(a: Predictions, b: Predictions) -> list[Metric]:
    if a.task != b.task:
        return []
    exact = mcnemar_test(a.predicted == a.labels, b.predicted == b.labels)
    of_classes = [count_lesions(a.lesion_ids, a.labels == index) for index in np.unique(a.labels)]
    smallest, lesions = min(of_classes), count_lesions(a.lesion_ids)
    metrics = [
        Metric(
            "balanced_accuracy",
            "Balanced accuracy (mean recall of the classes)",
            partial(_of_matrix, confusion.balanced_accuracy),
            trials=smallest,
        ),
        Metric(
            "accuracy",
            "Accuracy (share of correct predictions)",
            partial(_of_matrix, confusion.accuracy),
            test="McNemar",
            p_value=exact.p_value,
            trials=lesions,
        ),
        Metric(
            "macro_f1",
            "Macro F1 (mean F1 of the classes)",
            partial(_of_matrix, confusion.macro_f1),
            trials=smallest // _PER_F1,
        ),
    ]
    if not a.task.binary:
        meaning = "Macro AUC (mean AUC of each class against the rest)"
        trials = min(smallest, lesions - max(of_classes))
        metrics.append(Metric("macro_auc", meaning, _macro_auc, trials=trials))
    return metrics


def _malignancy_metrics(a: Predictions, b: Predictions) -> list[Metric]:
    if not (a.task.tells_malignancy and b.task.tells_malignancy):
        return []
    return [_auc_metric("malignant_auc", "Malignant AUC (malignant against benign)", "malignant", a, b)]


def _melanoma_metrics(a: Predictions, b: Predictions) -> list[Metric]:
    if not all(MELANOMA in side.task.classes for side in (a, b)):
        return []
    metrics = [
        _auc_metric("melanoma_auc", "Melanoma AUC (melanoma against the rest)", "melanoma", a, b),
        Metric(
            "melanoma_f1",
            "Melanoma F1 (of the predicted classes)",
            partial(_of_melanoma, confusion.f1),
            trials=_trials(a, "melanoma")["recall"] // _PER_F1,
        ),
    ]
    precision = float(_of_melanoma(confusion.precision, a, np.ones(len(a.image_ids), dtype=np.int64)))
    if precision > 0:
        meaning = (
            "Melanoma recall at equal precision (highest recall of a threshold with a precision of at least "
            f"{precision:.3f}, that of A's predicted classes)"
        )
        metrics.append(Metric("melanoma_recall_at_precision", meaning, partial(_melanoma_recall, precision)))
    return metrics


def _auc_metric(name: str, meaning: str, target: Target, a: Predictions, b: Predictions) -> Metric:
    positive = _positive(a, target)
    p_value = None
    if min(positive.sum(), (~positive).sum()) >= 2:  # DeLong's test needs two of each
        p_value = delong_test(positive, _target_scores(a, target), _target_scores(b, target)).p_value
    test = None if p_value is None else "DeLong"
    trials = _trials(a, target)["auc"]
    return Metric(name, meaning, partial(_target_auc, target), test=test, p_value=p_value, trials=trials)


def _threshold_metrics(a: Predictions, b: Predictions) -> list[Metric]:
    metrics = []
    for target, noun in NOUNS.items():
        if all(target in side.task.targets and side.threshold(target, _SENSITIVITY) is not None for side in (a, b)):
            for index, name in ((1, "sensitivity"), (0, "specificity")):
                metrics.append(
                    Metric(
                        f"{target}_{name}_at_{100 * _SENSITIVITY:.0f}",
                        f"{name.capitalize()} for {noun} at each model's own threshold for {_SENSITIVITY:.0%} "
                        "sensitivity",
                        partial(_rate_at_threshold, target, index),
                        trials=_trials(a, target)["recall" if index else "specificity"],
                    )
                )
    return metrics


def _positive(side: Predictions, target: Target) -> BoolArray:
    return np.array([is_of_target(diagnosis, target) for diagnosis in side.diagnoses])


def _trials(side: Predictions, target: Target) -> dict[str, int]:
    positive = _positive(side, target)
    return count_trials(side.lesion_ids, positive, positive)


def _target_scores(side: Predictions, target: Target) -> FloatArray:
    return side.probability_of_target(target)


def _of_matrix(metric: Callable[[IntArray], FloatArray], side: Predictions, weights: IntArray) -> FloatArray:
    return metric(confusion.confusion_matrix(side.labels, side.predicted, len(side.task.classes), weights))


def _macro_auc(side: Predictions, weights: IntArray) -> FloatArray:
    return ranking.macro_auc(side.labels, side.probabilities, weights)


def _target_auc(target: Target, side: Predictions, weights: IntArray) -> FloatArray:
    return ranking.roc_auc(_positive(side, target), _target_scores(side, target), weights)


def _of_melanoma(metric: Callable[[IntArray], FloatArray], side: Predictions, weights: IntArray) -> FloatArray:
    positive = _positive(side, "melanoma").astype(np.int64)
    predicted = (side.predicted == side.task.classes.index(MELANOMA)).astype(np.int64)
    values: FloatArray = metric(confusion.confusion_matrix(positive, predicted, 2, weights))[..., 1]
    return values


def _melanoma_recall(precision: float, side: Predictions, weights: IntArray) -> FloatArray:
    return recall_at_precision(_positive(side, "melanoma"), _target_scores(side, "melanoma"), precision, weights)


def _calibration_error(side: Predictions, weights: IntArray) -> FloatArray:
    return expected_calibration_error(side.labels, side.probabilities, weights=weights)


def _rate_at_threshold(target: Target, index: int, side: Predictions, weights: IntArray) -> FloatArray:
    """Return the sensitivity (index 1) or the specificity (index 0) at the model's own threshold."""
    positive = _positive(side, target).astype(np.int64)
    threshold = side.threshold(target, _SENSITIVITY) or 0.0
    predicted = (_target_scores(side, target) >= threshold).astype(np.int64)
    rates: FloatArray = confusion.recall(confusion.confusion_matrix(positive, predicted, 2, weights))[..., index]
    return rates


def _sets(side: Predictions) -> BoolArray:
    return side.sets if side.sets is not None else np.zeros(side.probabilities.shape, dtype=np.bool_)


def _set_coverage(side: Predictions, weights: IntArray) -> FloatArray:
    return weighted_mean(_sets(side)[np.arange(len(side.labels)), side.labels], weights)


def _set_size(side: Predictions, weights: IntArray) -> FloatArray:
    return weighted_mean(_sets(side).sum(axis=1), weights)


def _selective_accuracy(side: Predictions, weights: IntArray) -> FloatArray:
    confidence = side.confidence if side.confidence is not None else np.zeros(len(side.labels))
    classes = len(side.task.classes)
    return selective_scores(side.labels, side.predicted, confidence, _COVERAGE, classes, weights)[1]

"""How well two models tell classes apart: by their answers, and by how they rank images."""

from collections.abc import Callable

import numpy as np

from lesionlab.evaluation.comparison.metric import Metric
from lesionlab.evaluation.predictions_file import Predictions
from lesionlab.metrics import confusion, ranking
from lesionlab.metrics.arrays import BoolArray, FloatArray, IntArray
from lesionlab.metrics.comparison import Measure, delong_test, mcnemar_test, recall_at_precision
from lesionlab.taxonomy import MALIGNANT

MELANOMA = "mel"


def performance(a: Predictions, b: Predictions) -> list[Metric]:
    """Return all metrics that both models' tasks define; none where they share no question."""
    return _of_task(a, b) + _of_malignancy(a, b) + _of_melanoma(a, b)


def _of_task(a: Predictions, b: Predictions) -> list[Metric]:
    if a.task != b.task:
        return []
    task, labels = a.task, np.array([a.task.index(diagnosis) for diagnosis in a.diagnoses])

    def of_matrix(metric: Callable[[IntArray], FloatArray]) -> Callable[[Predictions], Measure]:
        return lambda side: (
            lambda weights: metric(confusion.confusion_matrix(labels, side.decisions, len(task.classes), weights))
        )

    exact = mcnemar_test(a.decisions == labels, b.decisions == labels)
    metrics = [
        Metric(
            "balanced_accuracy",
            "Balanced accuracy (the share of a class that is recognised, mean over the classes)",
            of_matrix(confusion.balanced_accuracy),
        ),
        Metric(
            "accuracy",
            "Accuracy (the share of the images that are judged rightly)",
            of_matrix(confusion.accuracy),
            test="McNemar",
            p_value=exact.p_value,
        ),
        Metric("macro_f1", "Macro F1 (mean F1 over the classes)", of_matrix(confusion.macro_f1)),
    ]
    if not task.binary:
        metrics.append(
            Metric(
                "macro_auc",
                "Macro AUC (how surely a class is ranked before the rest, mean over the classes)",
                lambda side: lambda weights: ranking.macro_auc(labels, side.probabilities, weights),
            )
        )
    return metrics


def _of_malignancy(a: Predictions, b: Predictions) -> list[Metric]:
    if not (a.task.tells_malignancy and b.task.tells_malignancy):
        return []
    positive = np.array([diagnosis in MALIGNANT for diagnosis in a.diagnoses])
    meaning = "Malignant AUC (how surely a malignant lesion is ranked before a benign one)"
    return [_area("malignant_auc", meaning, positive, a, b, lambda side: side.probability_of(side.task.malignant))]


def _of_melanoma(a: Predictions, b: Predictions) -> list[Metric]:
    if not all(MELANOMA in side.task.classes for side in (a, b)):
        return []
    positive = np.array([diagnosis == MELANOMA for diagnosis in a.diagnoses])

    def score(side: Predictions) -> FloatArray:
        return side.probability_of((MELANOMA,))

    def of_decision(metric: Callable[[IntArray], FloatArray]) -> Callable[[Predictions], Measure]:
        def measure_of(side: Predictions) -> Measure:
            called = (side.decisions == side.task.classes.index(MELANOMA)).astype(np.int64)
            return lambda weights: metric(confusion.confusion_matrix(positive.astype(np.int64), called, 2, weights))[
                ..., 1
            ]

        return measure_of

    metrics = [
        _area(
            "melanoma_auc",
            "Melanoma AUC (how surely a melanoma is ranked before any other lesion)",
            positive,
            a,
            b,
            score,
        ),
        Metric("melanoma_f1", "Melanoma F1 (of what each model itself calls melanoma)", of_decision(confusion.f1)),
    ]
    precision = float(of_decision(confusion.precision)(a)(np.ones(len(positive), dtype=np.int64)))
    if precision > 0:
        metrics.append(
            Metric(
                "melanoma_recall_at_precision",
                "Melanoma recall at equal precision (the share of the melanomas found at the threshold that finds most "
                f"with a precision of at least {precision:.3f}, that of A's own calls)",
                lambda side: lambda weights: recall_at_precision(positive, score(side), precision, weights),
            )
        )
    return metrics


def _area(
    name: str,
    meaning: str,
    positive: BoolArray,
    a: Predictions,
    b: Predictions,
    score: Callable[[Predictions], FloatArray],
) -> Metric:
    def measure_of(side: Predictions) -> Measure:
        return lambda weights: ranking.roc_auc(positive, score(side), weights)

    if min(positive.sum(), (~positive).sum()) < 2:  # too few for the test
        return Metric(name, meaning, measure_of)
    return Metric(name, meaning, measure_of, test="DeLong", p_value=delong_test(positive, score(a), score(b)).p_value)

"""Two evaluations of the same images side by side: what differs by more than chance, in words.

What the two models were asked decides what can be compared. With one task it is every metric of the task; a model
of seven diagnoses and a binary one meet in the question that both can answer.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict

from lesionlab import RESEARCH_ONLY
from lesionlab.errors import DataError
from lesionlab.evaluation.predictions_file import METRICS, Model, Predictions
from lesionlab.evaluation.wording import LEAKY, UNDEFINED, counted, number
from lesionlab.metrics import Estimate, confusion, ranking
from lesionlab.metrics.arrays import BoolArray, FloatArray, IntArray
from lesionlab.metrics.comparison import Measure, delong_test, mcnemar_test, paired_bootstrap, recall_at_precision
from lesionlab.taxonomy import MALIGNANT

MELANOMA = "mel"


class ComparedMetric(BaseModel):
    """One metric of both models.

    Attributes:
        metric: Name of the metric.
        a: That of A.
        b: That of B.
        difference: B - A, the interval from pairs: both models in the same resamples of lesions.
        test: `DeLong` or `McNemar`; None where neither applies.
        p_value: Of the test, two-sided, taking the images as independent.
        verdict: Which is better, and by how much. The interval decides it, not the p value.
        sentence: The whole row in words.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    metric: str
    a: Estimate
    b: Estimate
    difference: Estimate
    test: str | None = None
    p_value: float | None = None
    verdict: str
    sentence: str


class Comparison(BaseModel):
    """Two models on the same images.

    Attributes:
        notice: What the figures are not for.
        a: The first model.
        b: The second.
        n_images: Number of images.
        n_lesions: Number of lesions that they show.
        resamples: Number of bootstrap resamples behind the intervals.
        seed: Seed of the resamples.
        metrics: What was compared.
        notes: What a reader must know beside the figures.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    notice: str = RESEARCH_ONLY
    a: Model
    b: Model
    n_images: int
    n_lesions: int
    resamples: int
    seed: int
    metrics: tuple[ComparedMetric, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Metric:
    name: str
    meaning: str
    measure_of: Callable[[Predictions], Measure]
    test: str | None = None
    p_value: float | None = None


def compare_predictions(a: Predictions, b: Predictions, *, resamples: int = 1000, seed: int = 0) -> Comparison:
    """Compare two models on the images that both judged.

    Args:
        a: Predictions of the first model.
        b: Predictions of the second, for the same images.
        resamples: Bootstrap resamples of lesions behind the intervals, at least 1.
        seed: Seed of the resamples.

    Raises:
        DataError: The images, their lesions or their diagnoses are not the same, or the tasks share no question.
    """
    _check_same_images(a, b)
    metrics = _of_task(a, b) + _of_malignancy(a, b) + _of_melanoma(a, b)
    if not metrics:
        raise DataError(
            f"A was asked for {a.task.name}, B for {b.task.name}: they share no question; compare two models of one "
            "task, or either with a model of the seven diagnoses"
        )
    leaky = bool(a.model.leaky or b.model.leaky)
    rows = tuple(_compared(metric, a, b, resamples, seed, leaky=leaky) for metric in metrics)
    return Comparison(
        a=a.model,
        b=b.model,
        n_images=len(a.image_ids),
        n_lesions=len(set(a.lesion_ids)),
        resamples=resamples,
        seed=seed,
        metrics=rows,
        notes=_notes(a.model, b.model, rows),
    )


def _of_task(a: Predictions, b: Predictions) -> list[_Metric]:
    if a.task != b.task:
        return []
    task, labels = a.task, np.array([a.task.index(diagnosis) for diagnosis in a.diagnoses])

    def of_matrix(metric: Callable[[IntArray], FloatArray]) -> Callable[[Predictions], Measure]:
        return lambda side: (
            lambda weights: metric(confusion.confusion_matrix(labels, side.decisions, len(task.classes), weights))
        )

    exact = mcnemar_test(a.decisions == labels, b.decisions == labels)
    metrics = [
        _Metric(
            "balanced_accuracy",
            "Balanced accuracy (the share of a class that is recognised, mean over the classes)",
            of_matrix(confusion.balanced_accuracy),
        ),
        _Metric(
            "accuracy",
            "Accuracy (the share of the images that are judged rightly)",
            of_matrix(confusion.accuracy),
            "McNemar",
            exact.p_value,
        ),
        _Metric("macro_f1", "Macro F1 (mean F1 over the classes)", of_matrix(confusion.macro_f1)),
    ]
    if not task.binary:
        metrics.append(
            _Metric(
                "macro_auc",
                "Macro AUC (how surely a class is ranked before the rest, mean over the classes)",
                lambda side: lambda weights: ranking.macro_auc(labels, side.probabilities, weights),
            )
        )
    return metrics


def _of_malignancy(a: Predictions, b: Predictions) -> list[_Metric]:
    if not (a.task.tells_malignancy and b.task.tells_malignancy):
        return []
    positive = np.array([diagnosis in MALIGNANT for diagnosis in a.diagnoses])
    meaning = "Malignant AUC (how surely a malignant lesion is ranked before a benign one)"
    return [_area("malignant_auc", meaning, positive, a, b, lambda side: side.probability_of(side.task.malignant))]


def _of_melanoma(a: Predictions, b: Predictions) -> list[_Metric]:
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
        _Metric("melanoma_f1", "Melanoma F1 (of what each model itself calls melanoma)", of_decision(confusion.f1)),
    ]
    precision = float(of_decision(confusion.precision)(a)(np.ones(len(positive), dtype=np.int64)))
    if precision > 0:
        metrics.append(
            _Metric(
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
) -> _Metric:
    def measure_of(side: Predictions) -> Measure:
        return lambda weights: ranking.roc_auc(positive, score(side), weights)

    if min(positive.sum(), (~positive).sum()) < 2:  # too few for the test
        return _Metric(name, meaning, measure_of)
    return _Metric(name, meaning, measure_of, "DeLong", delong_test(positive, score(a), score(b)).p_value)


def _compared(
    metric: _Metric, a: Predictions, b: Predictions, resamples: int, seed: int, *, leaky: bool
) -> ComparedMetric:
    found = paired_bootstrap(metric.measure_of(a), metric.measure_of(b), a.lesion_ids, resamples=resamples, seed=seed)
    verdict = _verdict(found.difference) + (f" [{LEAKY}]" if leaky else "")
    p_value = None if metric.p_value is None or math.isnan(metric.p_value) else metric.p_value
    tested = "" if p_value is None else f"; {metric.test}'s test p {p_in_words(p_value)}"
    return ComparedMetric(
        metric=metric.name,
        a=found.a,
        b=found.b,
        difference=found.difference,
        test=None if p_value is None else metric.test,
        p_value=p_value,
        verdict=verdict,
        sentence=f"{metric.meaning}: A {number(found.a.value)}, B {number(found.b.value)}; {verdict}{tested}.",
    )


def _verdict(difference: Estimate) -> str:
    value, low, high = difference.value, difference.low, difference.high
    if value is None or low is None or high is None:
        return f"the difference is {UNDEFINED} on these images"
    if low > 0:
        return f"B is better: {value:.3f} ({low:.3f} to {high:.3f})"
    if high < 0:
        return f"A is better: {-value:.3f} ({-high:.3f} to {-low:.3f})"
    return f"no difference can be shown: {value:+.3f} ({low:+.3f} to {high:+.3f})"


def p_in_words(p_value: float) -> str:
    """Return `= 0.012`, or `< 0.001` for less than three decimals show."""
    return "< 0.001" if p_value < 0.001 else f"= {p_value:.3f}"


def _notes(a: Model, b: Model, rows: tuple[ComparedMetric, ...]) -> tuple[str, ...]:
    metrics = counted(len(rows), "metric")
    notes = [
        "Differences are B - A with 95% intervals by lesion; the intervals decide.",
        f"{metrics} compared: of equal models, one interval in twenty misses zero by chance alone.",
    ]
    if any(row.test for row in rows):
        notes.append("The p values take each image as independent, which images of one lesion are not.")
    for side, model in (("A", a), ("B", b)):
        if model.leaky is None:
            notes.append(f"{side}: no {METRICS} beside the predictions, so it is not known what the model has seen.")
        if model.leaky:
            notes.append(f"{side} is {LEAKY}: it may have learned from other images of these lesions.")
        if model.unseen is False:
            notes.append(f"{side} has seen these images: its figures are too good.")
    names = [row.metric for row in rows]
    if "melanoma_f1" in names and "melanoma_recall_at_precision" not in names:
        notes.append("A's own calls of melanoma are never right: there is no precision at which to compare recall.")
    if a.split_sha256 and b.split_sha256 and a.split_sha256 != b.split_sha256:
        notes.append("A and B were trained on different splits: the difference may come from the data.")
    return tuple(notes)


def _check_same_images(a: Predictions, b: Predictions) -> None:
    only_a, only_b = set(a.image_ids) - set(b.image_ids), set(b.image_ids) - set(a.image_ids)
    if only_a or only_b:
        raise DataError(
            f"the images differ: {len(only_a)} only in {a.model.predictions}, {len(only_b)} only in "
            f"{b.model.predictions}; evaluate both models on the same part of the same dataset"
        )
    for what, of_a, of_b in (("diagnosis", a.diagnoses, b.diagnoses), ("lesion", a.lesion_ids, b.lesion_ids)):
        for image, value_a, value_b in zip(a.image_ids, of_a, of_b, strict=True):
            if value_a != value_b:
                raise DataError(
                    f"the {what} of {image} is {value_a} in {a.model.predictions} and {value_b} in "
                    f"{b.model.predictions}; evaluate both models on the same dataset"
                )

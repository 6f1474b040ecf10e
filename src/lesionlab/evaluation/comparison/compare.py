"""Paired comparison of two evaluations of the same images, with intervals and p values."""

import math
from collections import Counter
from collections.abc import Mapping
from functools import partial

import numpy as np
from pydantic import Field

from lesionlab import RESEARCH_ONLY
from lesionlab.base_models import StrictModel
from lesionlab.errors import DataError
from lesionlab.evaluation.comparison.metrics import Better, Metric, performance_metrics, uncertainty_metrics
from lesionlab.evaluation.predictions import EvaluatedModel, Predictions
from lesionlab.evaluation.predictions_file import METRICS
from lesionlab.evaluation.wording import LEAKY, UNDEFINED, counted, number
from lesionlab.metrics import Estimate
from lesionlab.metrics.comparison import paired_bootstrap
from lesionlab.taxonomy import LABELS


class ComparedMetric(StrictModel):
    """One metric of both models.

    Attributes:
        metric: Name of the metric.
        a: Value of A.
        b: Value of B.
        difference: B - A, with the paired bootstrap interval by lesion.
        test: `DeLong` or `McNemar`; None without a test.
        p_value: P value of the test, two-sided, assuming independent images.
        verdict: The better model and the difference. It follows from the interval, not from the p value.
        sentence: The row in words.
    """

    metric: str
    a: Estimate
    b: Estimate
    difference: Estimate
    test: str | None = None
    p_value: float | None = None
    verdict: str
    sentence: str


class Comparison(StrictModel):
    """Two models on the same images.

    Attributes:
        notice: The research-only notice.
        a: The first model.
        b: The second model.
        n_images: Number of images.
        n_lesions: Number of lesions.
        resamples: Number of bootstrap resamples behind the intervals.
        seed: Seed of the resamples.
        left_out: Number of images that are not compared, by label: it determines no class of one of the tasks.
        metrics: The compared metrics.
        notes: Remarks on the validity of the comparison.
    """

    notice: str = RESEARCH_ONLY
    a: EvaluatedModel
    b: EvaluatedModel
    n_images: int
    n_lesions: int
    resamples: int
    seed: int
    left_out: dict[str, int] = Field(default_factory=dict)
    metrics: tuple[ComparedMetric, ...]
    notes: tuple[str, ...]


def compare_predictions(a: Predictions, b: Predictions, *, resamples: int = 1000, seed: int = 0) -> Comparison:
    """Compare two models on the same images.

    A model of more diagnoses is compared as one of fewer with its view of these (see `lesionlab.taxonomy.views`), on
    the images whose label both tasks have.

    Args:
        a: Predictions of the first model.
        b: Predictions of the second model.
        resamples: Bootstrap resamples of lesions behind the intervals, at least 1.
        seed: Seed of the resamples.

    Raises:
        DataError: The images, lesions or diagnoses differ, or the tasks have no common target.
    """
    a, b, left_out = _in_common(a, b)
    _check_same_images(a, b)
    metrics = performance_metrics(a, b)
    if not metrics:
        raise DataError(
            f"task {a.task.name} of A and task {b.task.name} of B have no common target; compare two models of one "
            "task, or either with a model of single diagnoses"
        )
    leaky = bool(a.model.leaky or b.model.leaky)
    metrics += uncertainty_metrics(a, b)
    rows = tuple(_compared(metric, a, b, resamples, seed, leaky=leaky) for metric in metrics)
    return Comparison(
        a=a.model,
        b=b.model,
        n_images=len(a.image_ids),
        n_lesions=len(set(a.lesion_ids)),
        resamples=resamples,
        seed=seed,
        left_out=left_out,
        metrics=rows,
        notes=(
            *_notes(a.model, b.model, rows),
            *([_left_out_in_words(left_out)] * bool(left_out)),
            *(["The predictions of A and B are identical."] * _identical(a, b)),
        ),
    )


def _in_common(a: Predictions, b: Predictions) -> tuple[Predictions, Predictions, dict[str, int]]:
    """Return both for the task with fewer diagnoses, and the number of images without a class of one task by label.

    Binary tasks stay as they are: their target is compared.
    """
    if a.task == b.task:
        return a, b, {}
    labels = dict(zip((*a.image_ids, *b.image_ids), (*a.diagnoses, *b.diagnoses), strict=True))
    others = Counter(one for one in labels.values() if not (a.task.determines(one) and b.task.determines(one)))
    if len(labels) == others.total():
        raise DataError(f"no image has a class of task {a.task.name} and of task {b.task.name}; nothing is compared")
    if others:
        a, b = (side.select([label not in others for label in side.diagnoses]) for side in (a, b))
    if not (a.task.binary or b.task.binary):
        fewer = min(a.task, b.task, key=lambda task: len(task.classes))
        a, b = (side if side.task == fewer else side.viewed_as(fewer) for side in (a, b))
    return a, b, {label: others[label] for label in LABELS if others[label]}


def _compared(
    metric: Metric, a: Predictions, b: Predictions, resamples: int, seed: int, *, leaky: bool
) -> ComparedMetric:
    of_a, of_b = partial(metric.compute, a), partial(metric.compute, b)
    found = paired_bootstrap(of_a, of_b, a.lesion_ids, trials=metric.trials, resamples=resamples, seed=seed)
    difference = found.difference
    if difference.value == 0 and _identical(a, b):  # zero by construction, not by chance
        difference = Estimate(value=0.0, low=0.0, high=0.0)
    verdict = _verdict(difference, metric.better) + (f" [{LEAKY}]" if leaky else "")
    p_value = None if metric.p_value is None or math.isnan(metric.p_value) else metric.p_value
    tested = "" if p_value is None else f"; {metric.test}'s test p {p_in_words(p_value)}"
    return ComparedMetric(
        metric=metric.name,
        a=found.a,
        b=found.b,
        difference=difference,
        test=None if p_value is None else metric.test,
        p_value=p_value,
        verdict=verdict,
        sentence=f"{metric.meaning}: A {number(found.a.value)}, B {number(found.b.value)}; {verdict}{tested}.",
    )


def _left_out_in_words(left_out: Mapping[str, int]) -> str:
    labels = ", ".join(f"{label} {count:,}" for label, count in left_out.items())
    images = counted(sum(left_out.values()), "image")
    return f"Not compared: {images} with a label that determines no class of one of the tasks ({labels})."


def _identical(a: Predictions, b: Predictions) -> bool:
    """Return whether both are predictions of one model; two perfect models may have equal probabilities as well."""
    pairs = ((a.probabilities, b.probabilities), (a.predicted, b.predicted))
    return a.model.name == b.model.name and all(np.array_equal(*pair) for pair in pairs)


def _verdict(difference: Estimate, better: Better) -> str:
    value, low, high = difference.value, difference.low, difference.high
    if value is None:
        return f"the difference is {UNDEFINED} on these images"
    if low is None or high is None:
        return f"difference without an interval: {value:+.3f}"
    if low <= 0 <= high:
        return f"no significant difference: {value:+.3f} ({low:+.3f} to {high:+.3f})"
    if better == "neither":
        return f"B differs by {value:+.3f} ({low:+.3f} to {high:+.3f})"
    name = "B" if (low > 0) == (better == "higher") else "A"
    if low < 0:
        value, low, high = -value, -high, -low
    return f"{name} is better: {value:.3f} ({low:.3f} to {high:.3f})"


def p_in_words(p_value: float) -> str:
    """Return `= 0.012`, or `< 0.001` below that."""
    return "< 0.001" if p_value < 0.001 else f"= {p_value:.3f}"


def _notes(a: EvaluatedModel, b: EvaluatedModel, rows: tuple[ComparedMetric, ...]) -> tuple[str, ...]:
    metrics = counted(len(rows), "metric")
    notes = [
        "Differences are B - A with 95% intervals by lesion. The verdicts follow from the intervals.",
        f"{metrics} compared without correction: for equal models 5% of the intervals exclude zero by chance.",
    ]
    if any(row.test for row in rows):
        notes.append("The p values assume independent images; images of one lesion are not independent.")
    for side, model in (("A", a), ("B", b)):
        if model.leaky is None:
            notes.append(f"{side}: no {METRICS} beside the predictions, so its training data are unknown.")
        if model.leaky:
            notes.append(f"{side} is {LEAKY}: its training data may contain other images of these lesions.")
        if model.unseen is False:
            notes.append(f"{side} was fitted on these lesions: its figures are too optimistic.")
    names = [row.metric for row in rows]
    if "melanoma_f1" in names and "melanoma_recall_at_precision" not in names:
        notes.append("No melanoma prediction of A is correct: recall at equal precision is not compared.")
    if a.split_sha256 and b.split_sha256 and a.split_sha256 != b.split_sha256:
        notes.append("A and B were trained on different splits: the difference may be due to the data.")
    return tuple(notes)


def _check_same_images(a: Predictions, b: Predictions) -> None:
    only_a, only_b = set(a.image_ids) - set(b.image_ids), set(b.image_ids) - set(a.image_ids)
    if only_a or only_b:
        raise DataError(
            f"the images differ: {len(only_a)} only in {a.model.predictions}, {len(only_b)} only in "
            f"{b.model.predictions}; evaluate both models on the same subset of the same dataset"
        )
    for label, of_a, of_b in (("diagnosis", a.diagnoses, b.diagnoses), ("lesion", a.lesion_ids, b.lesion_ids)):
        for image, value_a, value_b in zip(a.image_ids, of_a, of_b, strict=True):
            if value_a != value_b:
                raise DataError(
                    f"the {label} of {image} is {value_a} in {a.model.predictions} and {value_b} in "
                    f"{b.model.predictions}; evaluate both models on the same dataset"
                )

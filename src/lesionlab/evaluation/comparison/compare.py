"""Two evaluations of the same images side by side: what differs by more than chance, in words.

What the two models were asked decides what can be compared. With one task it is every metric of the task; a model
of seven diagnoses and a binary one meet in the question that both can answer.
"""

import math

from pydantic import BaseModel, ConfigDict

from lesionlab import RESEARCH_ONLY
from lesionlab.errors import DataError
from lesionlab.evaluation.comparison.metric import Better, Metric
from lesionlab.evaluation.comparison.performance import performance
from lesionlab.evaluation.comparison.uncertainty import trust
from lesionlab.evaluation.predictions_file import METRICS, Model, Predictions
from lesionlab.evaluation.wording import LEAKY, UNDEFINED, counted, number
from lesionlab.metrics import Estimate
from lesionlab.metrics.comparison import paired_bootstrap


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
    metrics = performance(a, b)
    if not metrics:
        raise DataError(
            f"A was asked for {a.task.name}, B for {b.task.name}: they share no question; compare two models of one "
            "task, or either with a model of the seven diagnoses"
        )
    leaky = bool(a.model.leaky or b.model.leaky)
    rows = tuple(_compared(metric, a, b, resamples, seed, leaky=leaky) for metric in (*metrics, *trust(a, b)))
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


def _compared(
    metric: Metric, a: Predictions, b: Predictions, resamples: int, seed: int, *, leaky: bool
) -> ComparedMetric:
    found = paired_bootstrap(metric.measure_of(a), metric.measure_of(b), a.lesion_ids, resamples=resamples, seed=seed)
    verdict = _verdict(found.difference, metric.better) + (f" [{LEAKY}]" if leaky else "")
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


def _verdict(difference: Estimate, better: Better) -> str:
    value, low, high = difference.value, difference.low, difference.high
    if value is None or low is None or high is None:
        return f"the difference is {UNDEFINED} on these images"
    if low <= 0 <= high:
        return f"no difference can be shown: {value:+.3f} ({low:+.3f} to {high:+.3f})"
    if better == "neither":
        return f"B differs by {value:+.3f} ({low:+.3f} to {high:+.3f})"
    name = "B" if (low > 0) == (better == "higher") else "A"
    if low < 0:
        value, low, high = -value, -high, -low
    return f"{name} is better: {value:.3f} ({low:.3f} to {high:.3f})"


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

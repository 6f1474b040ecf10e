"""Acceptance criteria of a promotion: the candidate against the present version, in pairs, overall and by source."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from lesionlab.base_models import StrictModel
from lesionlab.evaluation.comparison import Comparison, compare_predictions
from lesionlab.evaluation.predictions import Predictions
from lesionlab.evaluation.wording import interval, number
from lesionlab.metrics import Estimate

# Metrics of a comparison that a promotion depends on, as far as both models have them.
HIGHER: Final = (
    "balanced_accuracy",
    "malignant_auc",
    "melanoma_auc",
    "malignant_sensitivity_at_95",
    "malignant_specificity_at_95",
)
LOWER: Final = ("ece",)
ALL: Final = "all images"


class CriterionResult(StrictModel):
    """One metric on all images or on those of one source.

    Attributes:
        images: `all images`, or the source.
        metric: Name of the metric.
        present: The present version.
        candidate: The candidate.
        difference: Candidate minus present, in pairs, with its 95% interval by lesion.
        outcome: `accepted`, `rejected`, or `not defined` on these images.
        reason: The outcome in words.
    """

    images: str
    metric: str
    present: Estimate
    candidate: Estimate
    difference: Estimate
    outcome: Literal["accepted", "rejected", "not defined"]
    reason: str


def check_promotion(
    present: Predictions,
    candidate: Predictions,
    sources: Mapping[str, str],
    *,
    margin: float,
    resamples: int = 1000,
) -> tuple[CriterionResult, ...]:
    """Return the result of each criterion.

    On all images the candidate must be shown to be no worse than the present version by more than the margin: the 95%
    interval of the difference lies within it. On a single source, where intervals are wide, it must not be shown to be
    worse, with a difference beyond the margin.

    Args:
        present: Predictions of the present version.
        candidate: Predictions of the candidate on the same images.
        sources: Source of each image by its identifier.
        margin: Largest tolerated loss in a metric, such as 0.02.
        resamples: Bootstrap resamples of lesions.

    Raises:
        DataError: The images differ, or the tasks have no common target.
    """
    rows = _rows(ALL, compare_predictions(present, candidate, resamples=resamples), margin)
    of_images = [sources.get(image_id, "unknown") for image_id in present.image_ids]
    names = sorted(set(of_images))
    for name in names if len(names) > 1 else ():
        chosen = [source == name for source in of_images]
        compared = compare_predictions(present.select(chosen), candidate.select(chosen), resamples=resamples)
        rows += _rows(name, compared, margin)
    return tuple(rows)


def accepted(rows: Sequence[CriterionResult]) -> bool:
    """Return whether all criteria are met, and at least one on all images is defined."""
    return any(row.images == ALL and row.outcome == "accepted" for row in rows) and not any(
        row.outcome == "rejected" for row in rows
    )


def _rows(images: str, comparison: Comparison, margin: float) -> list[CriterionResult]:
    rows = []
    for found in comparison.metrics:
        if found.metric not in (*HIGHER, *LOWER):
            continue
        outcome, reason = _outcome(found.difference, margin, overall=images == ALL, higher=found.metric in HIGHER)
        rows.append(
            CriterionResult(
                images=images,
                metric=found.metric,
                present=found.a,
                candidate=found.b,
                difference=found.difference,
                outcome=outcome,
                reason=reason,
            )
        )
    return rows


def _outcome(
    difference: Estimate, margin: float, *, overall: bool, higher: bool
) -> tuple[Literal["accepted", "rejected", "not defined"], str]:
    value, low, high = difference.value, difference.low, difference.high
    if value is None or low is None or high is None:
        return "not defined", "the difference has no interval on these images"
    loss, most, least = (-value, -low, -high) if higher else (value, high, low)
    shown = f"difference {value:+.3f} ({low:+.3f} to {high:+.3f})"
    if overall and most > margin:
        return "rejected", f"{shown}: a loss of more than {margin:g} is not excluded"
    if not overall and least > 0 and loss > margin:
        return "rejected", f"{shown}: worse by more than {margin:g}"
    return "accepted", shown


def in_words(estimate: Estimate) -> str:
    """Return a value with its interval."""
    around = f" ({interval(estimate)})" if interval(estimate) else ""
    return number(estimate.value) + around

"""The tables of a report, as rows for its template: confusion matrix, operating points, confirmation of the truth."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from lesionlab.bundle import OperatingPoint as StoredPoint
from lesionlab.evaluation.results import EvaluatedSubset, measure, of_sought
from lesionlab.metrics import (
    Estimate,
    OperatingPointMetrics,
    lesion_weights,
    measure_operating_point,
    predictive_values,
)
from lesionlab.metrics.confusion import confusion_matrix, precision, recall
from lesionlab.taxonomy import Target

# From a screening population to a clinic that is referred to.
ASSUMED_PREVALENCES = (0.01, 0.05, 0.2)

DX_TYPES = {
    "histo": "histopathology",
    "follow_up": "follow-up",
    "consensus": "expert consensus",
    "confocal": "confocal microscopy",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of the confusion matrix: its count and its share of the row, None in a row without images."""

    count: int
    share: float | None


@dataclass(frozen=True, slots=True)
class PointRow:
    """An operating point of the bundle: what it states, and what it does on the images of this report.

    Attributes:
        stated: As in the bundle.
        here: Measured on the evaluated part.
        sensitivity: That of `here` with its interval by lesion.
        specificity: That of `here` with its interval by lesion.
        ppv: That of `here` with its interval by lesion.
        npv: That of `here` with its interval by lesion.
        elsewhere: Assumed prevalence with the PPV and NPV that follow from the sensitivity and specificity here.
    """

    stated: StoredPoint
    here: OperatingPointMetrics
    sensitivity: Estimate
    specificity: Estimate
    ppv: Estimate
    npv: Estimate
    elsewhere: tuple[tuple[float, float, float], ...]

    @property
    def name(self) -> str:
        """The point in words."""
        return self.stated.purpose

    @property
    def short_name(self) -> str:
        """The same where it is plain what is looked for."""
        return f"{100 * self.stated.target_sensitivity:g}% sensitivity"

    def measured(self, subset: Literal["validation", "test", "other"]) -> StoredPoint:
        """Return the point as a bundle keeps it, with what was measured here."""
        drawn = {"sensitivity": self.sensitivity, "specificity": self.specificity, "ppv": self.ppv, "npv": self.npv}
        intervals = {n: (e.low, e.high) for n, e in drawn.items() if e.low is not None and e.high is not None}
        return self.stated.model_copy(update=asdict(self.here) | {"intervals": intervals, "measured_on": subset})


@dataclass(frozen=True, slots=True)
class GroupRow:
    """The images whose diagnosis was confirmed in one way.

    Attributes:
        name: The way.
        images: Their number.
        lesions: Number of lesions that they show.
        classes: Number of the task's classes among them.
        balanced_accuracy: Mean recall over those classes.
        auc: What is looked for against the rest; undefined where only one of them occurs.
    """

    name: str
    images: int
    lesions: int
    classes: int
    balanced_accuracy: Estimate
    auc: Estimate


def positives_and_scores(case: EvaluatedSubset, finding: Target | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return whether each image shows a finding, bool [images], and its probability of doing so, float [images].

    Args:
        case: Images and answers.
        finding: One of the task's `findings`; default: the first.
    """
    findings = case.task.targets
    classes = findings[finding] if finding is not None else next(iter(findings.values()))
    sought = np.array([code in classes for code in case.task.classes])
    return sought[case.labels], case.probabilities[:, sought].sum(axis=1)


def confusion_cells(case: EvaluatedSubset) -> list[list[Cell]]:
    """Return the cells of the confusion matrix, rows actual and columns predicted, in the task's order."""
    rows = case.summary.confusion_matrix
    return [[Cell(count, count / sum(row) if sum(row) else None) for count in row] for row in rows]


def operating_point_rows(case: EvaluatedSubset, points: Sequence[StoredPoint]) -> list[PointRow]:
    """Return the bundle's operating points with what each does on the evaluated part.

    Those that look for something that the images do not tell are left out.
    """
    draws = lesion_weights([record.lesion_id for record in case.records], case.summary.resamples, case.summary.seed)
    rows = []
    for stated in points:
        if stated.target not in case.task.targets:
            continue
        positive, scores = positives_and_scores(case, stated.target)
        here = measure_operating_point(stated.threshold, positive, scores)
        elsewhere = tuple(
            (prevalence, *predictive_values(here.sensitivity, here.specificity, prevalence))
            for prevalence in ASSUMED_PREVALENCES
            if not math.isnan(here.sensitivity + here.specificity)
        )
        called = (scores >= stated.threshold).astype(np.int64)
        matrices = confusion_matrix(positive.astype(np.int64), called, 2, draws)
        found, right = recall(matrices), precision(matrices)
        rows.append(
            PointRow(
                stated=stated,
                here=here,
                sensitivity=Estimate.from_resamples(here.sensitivity, found[:, 1]),
                specificity=Estimate.from_resamples(here.specificity, found[:, 0]),
                ppv=Estimate.from_resamples(here.ppv, right[:, 1]),
                npv=Estimate.from_resamples(here.npv, right[:, 0]),
                elsewhere=elsewhere,
            )
        )
    return rows


def confirmation_rows(case: EvaluatedSubset) -> list[GroupRow]:
    """Return the metrics by how the diagnosis was confirmed, the largest group first; none where it is unknown."""
    ways = np.array([record.dx_type or "" for record in case.records])
    found, counts = np.unique(ways, return_counts=True)
    if not any(found):
        return []
    return [_group(case, str(way), ways == way) for way in found[np.argsort(-counts, kind="stable")]]


def _group(case: EvaluatedSubset, way: str, members: np.ndarray) -> GroupRow:
    lesions = [record.lesion_id for record, member in zip(case.records, members, strict=True) if member]
    labels, probabilities = case.labels[members], case.probabilities[members]
    resamples, seed = case.summary.resamples, case.summary.seed
    summary = measure(labels, probabilities, lesions, case.task, resamples=resamples, seed=seed)
    return GroupRow(
        name=DX_TYPES.get(way, way) or "not stated",
        images=summary.n_images,
        lesions=summary.n_lesions,
        classes=sum(count > 0 for count in summary.support.values()),
        balanced_accuracy=summary.overall["balanced_accuracy"],
        auc=of_sought(summary, case.task, "auc"),
    )

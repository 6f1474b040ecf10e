"""The tables of a report: confusion matrix and operating points."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from lesionlab.bundle import OperatingPoint
from lesionlab.evaluation.results import EvaluatedSubset
from lesionlab.metrics import (
    Estimate,
    OperatingPointMetrics,
    exact_interval,
    lesion_weights,
    measure_operating_point,
    predictive_values,
)
from lesionlab.metrics.confusion import confusion_matrix, precision, recall
from lesionlab.metrics.estimate import count_trials
from lesionlab.taxonomy import Target

# From screening to a referral clinic.
ASSUMED_PREVALENCES = (0.01, 0.05, 0.2)


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of the confusion matrix: its count, and its share of the row; None in a row without images."""

    count: int
    share: float | None


@dataclass(frozen=True, slots=True)
class PointRow:
    """An operating point of the bundle with its performance on the evaluated subset.

    Attributes:
        stored: The operating point of the bundle.
        here: Performance on the evaluated subset.
        sensitivity: With interval by lesion.
        specificity: With interval by lesion.
        ppv: With interval by lesion.
        npv: With interval by lesion.
        elsewhere: Assumed prevalences with PPV and NPV, computed from sensitivity and specificity.
    """

    stored: OperatingPoint
    here: OperatingPointMetrics
    sensitivity: Estimate
    specificity: Estimate
    ppv: Estimate
    npv: Estimate
    elsewhere: tuple[tuple[float, float, float], ...]

    @property
    def name(self) -> str:
        """Name with the target."""
        return self.stored.purpose

    def measured(self, subset: Literal["validation", "test", "other"]) -> OperatingPoint:
        """Return the point as a bundle stores it, with the performance on the evaluated subset."""
        drawn = {"sensitivity": self.sensitivity, "specificity": self.specificity, "ppv": self.ppv, "npv": self.npv}
        intervals = {n: (e.low, e.high) for n, e in drawn.items() if e.low is not None and e.high is not None}
        return self.stored.model_copy(update=asdict(self.here) | {"intervals": intervals, "measured_on": subset})


def positives_and_scores(evaluated: EvaluatedSubset, target: Target | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return whether each image is positive for a target, bool [N], and its target probability, float [N].

    Args:
        evaluated: Images and predictions.
        target: One of the task's targets; default: the first.
    """
    targets = evaluated.task.targets
    chosen = next(iter(targets)) if target is None else target
    is_target = np.array([code in targets[chosen] for code in evaluated.task.classes])
    scores = evaluated.target_scores.get(chosen)
    return is_target[evaluated.labels], evaluated.probabilities[:, is_target].sum(axis=1) if scores is None else scores


def confusion_cells(evaluated: EvaluatedSubset) -> list[list[Cell]]:
    """Return the cells of the confusion matrix, rows actual and columns predicted, in the task's order."""
    rows = evaluated.summary.confusion_matrix
    return [[Cell(count, count / sum(row) if sum(row) else None) for count in row] for row in rows]


def operating_point_rows(evaluated: EvaluatedSubset, points: Sequence[OperatingPoint]) -> list[PointRow]:
    """Return the bundle's operating points with their performance on the evaluated subset.

    Points whose target the labels do not determine are left out.
    """
    draws = lesion_weights(evaluated.lesion_ids, evaluated.summary.resamples, evaluated.summary.seed)
    rows = []
    for stored in points:
        if stored.target not in evaluated.task.targets:
            continue
        positive, scores = positives_and_scores(evaluated, stored.target)
        here = measure_operating_point(stored.threshold, positive, scores)
        elsewhere = tuple(
            (prevalence, *predictive_values(here.sensitivity, here.specificity, prevalence))
            for prevalence in ASSUMED_PREVALENCES
            if not math.isnan(here.sensitivity + here.specificity)
        )
        predicted = (scores >= stored.threshold).astype(np.int64)
        matrices = confusion_matrix(positive.astype(np.int64), predicted, 2, draws)
        recalls, precisions = recall(matrices), precision(matrices)
        trials = count_trials(evaluated.lesion_ids, positive, predicted == 1)
        rows.append(
            PointRow(
                stored=stored,
                here=here,
                sensitivity=_rate(here.sensitivity, recalls[:, 1], trials["recall"]),
                specificity=_rate(here.specificity, recalls[:, 0], trials["specificity"]),
                ppv=_rate(here.ppv, precisions[:, 1], trials["precision"]),
                npv=_rate(here.npv, precisions[:, 0], trials["npv"]),
                elsewhere=elsewhere,
            )
        )
    return rows


def _rate(value: float, drawn: np.ndarray, lesions: int) -> Estimate:
    return Estimate.from_resamples(value, drawn, exact_interval(value, lesions))

"""Prevalence correction: probabilities for class frequencies other than those of the calibration.

Source: Saerens et al., Neural Computation 14, 2002: if the appearance of each class is the same and only the prior
changes, each probability is multiplied by the ratio of the new frequency to the old one, and the row is normalised.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from lesionlab.bundle import BundleInfo
from lesionlab.errors import UsageError
from lesionlab.metrics import predictive_values
from lesionlab.metrics.arrays import FloatArray
from lesionlab.taxonomy import TASKS, Task

MALIGNANT = "malignant"
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class PriorShift:
    """A change from the class frequencies that probabilities were calibrated at to others.

    Attributes:
        ratio: New frequency divided by old frequency, [C].
        frequencies: The new frequencies, [C].
    """

    ratio: FloatArray
    frequencies: FloatArray

    def applied(self, probabilities: FloatArray) -> FloatArray:
        """Return probabilities [..., C] at the new frequencies."""
        weighted = probabilities * self.ratio
        shifted: FloatArray = weighted / weighted.sum(axis=-1, keepdims=True)
        return shifted


def parse_prevalence(texts: Iterable[str]) -> dict[str, float]:
    """Read prevalences such as `malignant=0.02`.

    Raises:
        UsageError: A text has another form.
    """
    shares: dict[str, float] = {}
    for text in texts:
        name, _, share = text.partition("=")
        try:
            shares[name.strip()] = float(share)
        except ValueError:
            raise UsageError(f"prevalence {text}: write it as malignant=0.02") from None
    return shares


def prior_shift(info: BundleInfo, prevalence: Mapping[str, float]) -> PriorShift:
    """Return the prior shift to a stated prevalence.

    Args:
        info: The model.
        prevalence: Frequency by class, or of `malignant` for all malignant classes. The other classes share the
            remainder in the proportions that the probabilities were calibrated at.

    Raises:
        UsageError: The class frequencies of the model are unknown, or the prevalence is invalid.
    """
    task = TASKS[info.task]
    old = np.array(info.class_frequencies)
    if not old.size:
        raise UsageError(
            f"the class frequencies of {info.identity} are unknown, so the prevalence cannot be corrected; "
            "export its run again"
        )
    new = _frequencies(task, old, prevalence)
    return PriorShift(new / old, new)


def at_prevalence(info: BundleInfo, shift: PriorShift) -> BundleInfo:
    """Return the description of a model with predictive values at the new frequencies."""
    task = TASKS[info.task]
    points = []
    for point in info.operating_points:
        classes = task.targets[point.target]
        share = float(shift.frequencies[[task.classes.index(code) for code in classes]].sum())
        ppv, npv = predictive_values(point.sensitivity, point.specificity, share)
        changed = {"ppv": ppv, "npv": npv, "prevalence": share, "intervals": _kept(point.intervals)}
        points.append(point.model_copy(update=changed))
    return info.model_copy(update={"operating_points": tuple(points)})


def _kept(intervals: Mapping[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    """Drop the intervals of figures that depend on the prevalence."""
    return {name: ends for name, ends in intervals.items() if name not in ("ppv", "npv")}


def _frequencies(task: Task, old: FloatArray, prevalence: Mapping[str, float]) -> FloatArray:
    known = (*task.classes, MALIGNANT) if task.tells_malignancy else task.classes
    for name, value in prevalence.items():
        if name not in known:
            raise UsageError(f"prevalence of {name!r}: the classes are {', '.join(known)}")
        if not 0 < value < 1:
            raise UsageError(f"a prevalence of {value:g} for {name}: give a share between 0 and 1, such as 0.02")
    together = MALIGNANT in prevalence and MALIGNANT not in task.classes
    if together and len(prevalence) > 1:
        raise UsageError(f"give the prevalence of {MALIGNANT} or of single classes, not of both")
    if together:
        members = np.isin(np.array(task.classes), task.malignant)
        share = np.where(members, prevalence[MALIGNANT], 1 - prevalence[MALIGNANT])
        return np.asarray(share * old / np.where(members, old[members].sum(), old[~members].sum()))
    named = np.array([code in prevalence for code in task.classes])
    stated = np.array([prevalence.get(code, 0.0) for code in task.classes])
    left = 1 - stated.sum()
    if left < -_TOLERANCE or (named.all() and not math.isclose(left, 0, abs_tol=_TOLERANCE)):
        raise UsageError(f"the stated prevalences sum to {stated.sum():g}; all classes together make 1")
    if not named.all() and left <= _TOLERANCE:
        raise UsageError(f"the stated prevalences sum to {stated.sum():g}, which leaves nothing for the other classes")
    rest = old[~named].sum()
    return np.where(named, stated, left * old / rest) if rest else stated

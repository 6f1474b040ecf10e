"""Measures of predictions for lesions, and their differences in the same bootstrap resamples of lesions."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lesionlab.bundle import BundleInfo
from lesionlab.metrics import Estimate
from lesionlab.metrics.arrays import BoolArray, FloatArray, IntArray, mean_of_defined, weighted_mean
from lesionlab.metrics.calibration import negative_log_likelihood, target_calibration_error
from lesionlab.metrics.comparison import Measure, paired_bootstrap
from lesionlab.metrics.ranking import roc_auc
from lesionlab.taxonomy import TASKS

RESAMPLES = 2000


def share_of(members: BoolArray, correct: BoolArray) -> Measure:
    """Return the share of some rows that are correct."""
    return lambda weights: weighted_mean(correct[members], weights[..., members])


def measures(labels: IntArray, probabilities: FloatArray, info: BundleInfo) -> dict[str, Measure]:
    """Return the measures of the probabilities of lesions, [N, C], by name."""
    task = TASKS[info.task]
    predicted = info.decision_rule.scores(probabilities).argmax(axis=1)
    recalls = {
        code: share_of(labels == c, predicted == c) for c, code in enumerate(task.classes) if (labels == c).any()
    }
    found: dict[str, Measure] = {
        "balanced_accuracy": lambda weights: mean_of_defined(np.stack([r(weights) for r in recalls.values()], axis=-1)),
        "nll": lambda weights: negative_log_likelihood(labels, probabilities, weights),
    }
    for target, codes in task.targets.items():
        columns = [task.classes.index(code) for code in codes]
        found |= of_target(target, np.isin(labels, columns), probabilities[:, columns].sum(axis=1), info)
    for code, recall in recalls.items():
        column = task.classes.index(code)
        found[f"{code}_recall"] = recall
        found[f"{code}_auc"] = area(labels == column, probabilities[:, column])
    return found


def area(positive: BoolArray, scores: FloatArray) -> Measure:
    """Return the area under the ROC curve."""
    return lambda weights: roc_auc(positive, scores, weights)


def of_target(target: str, positive: BoolArray, scores: FloatArray, info: BundleInfo) -> dict[str, Measure]:
    """Return the measures of the probability of a target."""
    point = next((p for p in info.operating_points if p.target == target and p.name == "95% sensitivity"), None)
    found: dict[str, Measure] = {
        f"{target}_auc": area(positive, scores),
        f"{target}_ece": lambda weights: target_calibration_error(positive, scores, weights),
    }
    if point is not None:
        above = scores >= point.threshold
        found[f"{target}_sensitivity_at_95"] = share_of(positive, above)
        found[f"{target}_specificity_at_95"] = share_of(~positive, ~above)
    return found


def mean_of(several: Sequence[Mapping[str, Measure]]) -> dict[str, Measure]:
    """Return the mean of each measure over several sets of predictions for the same lesions."""

    def mean(name: str) -> Measure:
        return lambda weights: np.mean([one[name](weights) for one in several], axis=0)

    return {name: mean(name) for name in several[0]}


def compared(base: Mapping[str, Measure], other: Mapping[str, Measure], lesions: Sequence[str]) -> dict[str, Any]:
    """Return each measure of two sets of predictions for the same lesions, and the difference other - base."""
    rows = {}
    for name in base:
        pair = paired_bootstrap(base[name], other[name], lesions, resamples=RESAMPLES)
        rows[name] = {"base": rounded(pair.a), "value": rounded(pair.b), "difference": rounded(pair.difference)}
    return rows


def rounded(estimate: Estimate) -> dict[str, float | None]:
    """Return an estimate with four digits."""
    ends = {"value": estimate.value, "low": estimate.low, "high": estimate.high}
    return {name: None if value is None else round(value, 4) for name, value in ends.items()}

"""Coverage of prediction sets, selective prediction and net benefit."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from lesionlab.bundle import BundleInfo, PredictionSets, Subgroup
from lesionlab.bundle.evaluation import NetBenefitPoint, RobustnessPoint, SelectivePoint, SetCoverage
from lesionlab.evaluation.results import EvaluatedSubset
from lesionlab.evaluation.subgroups import subgroups
from lesionlab.metrics import Estimate, lesion_weights
from lesionlab.metrics.arrays import BoolArray, FloatArray, IntArray, divide
from lesionlab.metrics.bootstrap import chunks
from lesionlab.metrics.selective import net_benefit, selective_scores, treat_all

COVERAGES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
# Probabilities of malignancy at which an excision may be considered.
THRESHOLDS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)


@dataclass(frozen=True)
class Uncertainty:
    """Results beside the metrics; each may be empty.

    Attributes:
        prediction_sets: Coverage of the model's prediction sets.
        selective: Metrics on the most confident predictions.
        decision_curve: Net benefit by threshold on the target probability.
        robustness: Metrics under image corruptions, if requested.
        subgroups: Metrics by subgroup.
    """

    prediction_sets: tuple[SetCoverage, ...] = ()
    selective: tuple[SelectivePoint, ...] = ()
    decision_curve: tuple[NetBenefitPoint, ...] = ()
    robustness: tuple[RobustnessPoint, ...] = ()
    subgroups: tuple[Subgroup, ...] = ()

    def to_json(self) -> dict[str, list[dict[str, object]]]:
        """Return the entries of `metrics.json`."""
        return {name: [row.model_dump(mode="json") for row in rows] for name, rows in vars(self).items()}


def measure_uncertainty(evaluated: EvaluatedSubset, info: BundleInfo) -> Uncertainty:
    """Measure everything except robustness, with intervals by lesion."""
    return Uncertainty(
        prediction_sets=set_coverages(evaluated, info),
        selective=selective_points(evaluated, info),
        decision_curve=decision_points(evaluated),
        subgroups=subgroups(evaluated),
    )


def set_coverages(evaluated: EvaluatedSubset, info: BundleInfo) -> tuple[SetCoverage, ...]:
    """Return the coverage of the model's prediction sets, overall and by class; empty without sets.

    Each lesion counts once, with the mean over its images: the guarantee is for one image per lesion.
    """
    sets, labels = info.prediction_sets, evaluated.labels
    if sets is None or evaluated.task.classes != info.classes:
        return ()
    weights, shares = _resamples(evaluated), _shares(evaluated)
    rows = []
    for kind, members in _members(sets, evaluated.probabilities).items():
        covered, sizes = members[np.arange(len(labels)), labels], members.sum(axis=1)
        for index, code in ((None, "all"), *enumerate(evaluated.task.classes)):
            chosen = np.ones(len(labels), dtype=np.bool_) if index is None else labels == index
            if chosen.any():
                rows.append(
                    SetCoverage(
                        kind=kind,
                        diagnosis=code,
                        nominal_coverage=sets.coverage,
                        guaranteed=index is None
                        if kind == "marginal"
                        else sets.class_conditional.get(code) is not None,
                        n_images=int(chosen.sum()),
                        covered=_estimate(_mean_of(covered, chosen, shares), weights),
                        mean_size=float(np.average(sizes[chosen], weights=shares[chosen])),
                    )
                )
    return tuple(rows)


def selective_points(evaluated: EvaluatedSubset, info: BundleInfo) -> tuple[SelectivePoint, ...]:
    """Return accuracy and balanced accuracy of the most confident predictions, at coverages from 1 to 0.5.

    The confidence is the score of the predicted class in the decision rule.
    """
    weights, classes = _resamples(evaluated), len(evaluated.task.classes)
    same = evaluated.task.classes == info.classes
    scores = info.decision_rule.scores(evaluated.probabilities) if same else evaluated.probabilities
    confidence = scores.max(axis=1)

    def measure(index: int, coverage: float, w: IntArray) -> FloatArray:
        return selective_scores(evaluated.labels, evaluated.predicted, confidence, coverage, classes, w)[index]

    return tuple(
        SelectivePoint(
            coverage=coverage,
            accuracy=_estimate(partial(measure, 0, coverage), weights),
            balanced_accuracy=_estimate(partial(measure, 1, coverage), weights),
        )
        for coverage in COVERAGES
    )


def decision_points(evaluated: EvaluatedSubset) -> tuple[NetBenefitPoint, ...]:
    """Return the net benefit by threshold on the target probability; empty without positives or negatives."""
    positive = evaluated.is_target[evaluated.labels]
    if not positive.any() or positive.all():
        return ()
    scores = evaluated.probabilities[:, evaluated.is_target].sum(axis=1)
    weights, thresholds = _resamples(evaluated), np.array(THRESHOLDS)
    baseline = treat_all(float(positive.mean()), thresholds)
    once = net_benefit(positive, scores, thresholds)
    drawn = np.empty((0, len(thresholds)))
    if len(weights):
        drawn = np.concatenate([net_benefit(positive, scores, thresholds, part) for part in chunks(weights)])
    benefits = [Estimate.from_resamples(float(value), column) for value, column in zip(once, drawn.T, strict=True)]
    return tuple(
        NetBenefitPoint(threshold=threshold, model=benefit, treat_all=float(of_all))
        for threshold, benefit, of_all in zip(THRESHOLDS, benefits, baseline, strict=True)
    )


def _mean_of(values: BoolArray, chosen: BoolArray, shares: FloatArray) -> Callable[[IntArray], FloatArray]:
    counted = shares[chosen]
    return lambda w: divide(w[..., chosen] @ (counted * values[chosen]), w[..., chosen] @ counted)


def _shares(evaluated: EvaluatedSubset) -> FloatArray:
    """Return 1 over the number of images of each image's lesion, [N]."""
    _, lesion, counts = np.unique(evaluated.lesion_ids, return_inverse=True, return_counts=True)
    shares: FloatArray = 1.0 / counts[lesion]
    return shares


def _members(sets: PredictionSets, probabilities: FloatArray) -> dict[str, BoolArray]:
    return {
        "marginal": sets.marginal_members(probabilities),
        "class-conditional": sets.class_conditional_members(probabilities),
    }


def _resamples(evaluated: EvaluatedSubset) -> NDArray[np.int32]:
    return lesion_weights(evaluated.lesion_ids, evaluated.summary.resamples, evaluated.summary.seed)


def _estimate(measure: Callable[[IntArray], FloatArray], weights: NDArray[np.int32]) -> Estimate:
    once = np.ones(weights.shape[1], dtype=np.int32)
    drawn = [measure(part) for part in chunks(weights)] if len(weights) else [np.array([])]
    return Estimate.from_resamples(float(measure(once)), np.concatenate(drawn))

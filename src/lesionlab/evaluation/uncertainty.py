"""What a number is good for: coverage of prediction sets, leaving out doubtful images, acting on a probability."""

from collections.abc import Callable
from dataclasses import dataclass

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
# The risks of malignancy at which a lesion may be thought worth cutting out.
THRESHOLDS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)


@dataclass(frozen=True)
class Uncertainty:
    """What was measured beside the metrics; each may be empty.

    Attributes:
        prediction_sets: How often the model's prediction sets held the true class.
        selective: Figures on the most certain images.
        decision_curve: Net benefit of acting on the probability of what is looked for.
        robustness: How the figures fall when images get worse; measured where it is asked for.
        subgroups: The figures by what is known of the images beside the diagnosis.
    """

    prediction_sets: tuple[SetCoverage, ...] = ()
    selective: tuple[SelectivePoint, ...] = ()
    decision_curve: tuple[NetBenefitPoint, ...] = ()
    robustness: tuple[RobustnessPoint, ...] = ()
    subgroups: tuple[Subgroup, ...] = ()

    def to_json(self) -> dict[str, list[dict[str, object]]]:
        """Return it as `metrics.json` holds it."""
        return {name: [row.model_dump(mode="json") for row in rows] for name, rows in vars(self).items()}


def measure_uncertainty(case: EvaluatedSubset, info: BundleInfo) -> Uncertainty:
    """Measure all of it, with intervals by lesion."""
    return Uncertainty(
        set_coverages(case, info), selective_points(case, info), decision_points(case), subgroups=subgroups(case)
    )


def set_coverages(case: EvaluatedSubset, info: BundleInfo) -> tuple[SetCoverage, ...]:
    """Return how often the model's prediction sets hold the true class, in all and by class; empty without sets.

    Each lesion counts once, with the mean over its images: the promise is one for one image of each lesion.
    """
    sets = info.prediction_sets
    if sets is None or case.task.classes != info.classes:
        return ()
    weights, shares = _resamples(case), _shares(case)
    rows = []
    for kind, members in _members(sets, case.probabilities).items():
        held, sizes = members[np.arange(len(case.labels)), case.labels], members.sum(axis=1)
        for index, code in ((None, "all"), *enumerate(case.task.classes)):
            chosen = np.ones(len(held), dtype=np.bool_) if index is None else case.labels == index
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
                        covered=_estimate(_mean_of(held, chosen, shares), weights),
                        mean_size=float(np.average(sizes[chosen], weights=shares[chosen])),
                    )
                )
    return tuple(rows)


def selective_points(case: EvaluatedSubset, info: BundleInfo) -> tuple[SelectivePoint, ...]:
    """Return accuracy and balanced accuracy on the most certain images, from all of them to half.

    An answer is as certain as its score in the model's own decision rule: a rule that lifts rare classes would else be
    most certain of the frequent one.
    """
    weights, classes = _resamples(case), len(case.task.classes)
    same = case.task.classes == info.classes
    certainty = (info.decision_rule.scores(case.probabilities) if same else case.probabilities).max(axis=1)

    def scores(which: int, coverage: float) -> Callable[[IntArray], FloatArray]:
        return lambda w: selective_scores(case.labels, case.predicted, certainty, coverage, classes, w)[which]

    return tuple(
        SelectivePoint(
            coverage=coverage,
            accuracy=_estimate(scores(0, coverage), weights),
            balanced_accuracy=_estimate(scores(1, coverage), weights),
        )
        for coverage in COVERAGES
    )


def decision_points(case: EvaluatedSubset) -> tuple[NetBenefitPoint, ...]:
    """Return the net benefit of acting on the probability of what is looked for; empty where there is none of it."""
    positive = case.sought[case.labels]
    if not positive.any() or positive.all():
        return ()
    scores = case.probabilities[:, case.sought].sum(axis=1)
    weights, thresholds = _resamples(case), np.array(THRESHOLDS)
    baseline = treat_all(float(positive.mean()), thresholds)
    once = net_benefit(positive, scores, thresholds)
    drawn = np.empty((0, len(thresholds)))
    if len(weights):
        drawn = np.concatenate([net_benefit(positive, scores, thresholds, part) for part in chunks(weights)])
    found = [Estimate.from_resamples(float(value), column) for value, column in zip(once, drawn.T, strict=True)]
    return tuple(
        NetBenefitPoint(threshold=threshold, model=benefit, treat_all=float(worth))
        for threshold, benefit, worth in zip(THRESHOLDS, found, baseline, strict=True)
    )


def _mean_of(values: BoolArray, chosen: BoolArray, shares: FloatArray) -> Callable[[IntArray], FloatArray]:
    counted = shares[chosen]
    return lambda w: divide(w[..., chosen] @ (counted * values[chosen]), w[..., chosen] @ counted)


def _shares(case: EvaluatedSubset) -> FloatArray:
    """Return one over the number of images of each image's lesion, [N]."""
    _, lesion, counts = np.unique(
        [record.lesion_id for record in case.records], return_inverse=True, return_counts=True
    )
    shares: FloatArray = 1.0 / counts[lesion]
    return shares


def _members(sets: PredictionSets, probabilities: FloatArray) -> dict[str, BoolArray]:
    return {
        "marginal": sets.marginal_members(probabilities),
        "class-conditional": sets.class_conditional_members(probabilities),
    }


def _resamples(case: EvaluatedSubset) -> NDArray[np.int32]:
    summary = case.summary
    return lesion_weights([record.lesion_id for record in case.records], summary.resamples, summary.seed)


def _estimate(measure: Callable[[IntArray], FloatArray], weights: NDArray[np.int32]) -> Estimate:
    once = np.ones(weights.shape[1], dtype=np.int32)
    drawn = [measure(part) for part in chunks(weights)] if len(weights) else [np.array([])]
    return Estimate.from_resamples(float(measure(once)), np.concatenate(drawn))

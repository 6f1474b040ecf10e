"""Coverage of prediction sets, selective prediction and net benefit."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from lesionlab.bundle import BundleInfo, PredictionSets, Subgroup
from lesionlab.bundle.evaluation import NetBenefitPoint, RobustnessPoint, SelectivePoint, SetCoverage
from lesionlab.evaluation.label_mapping import rule_of
from lesionlab.evaluation.results import EvaluatedSubset
from lesionlab.evaluation.subgroups import subgroups
from lesionlab.evaluation.tables import positives_and_scores
from lesionlab.metrics import Estimate, exact_interval, lesion_weights
from lesionlab.metrics.arrays import BoolArray, FloatArray, IntArray, divide, weighted_mean
from lesionlab.metrics.bootstrap import chunks
from lesionlab.metrics.confusion import confusion_matrix, recall
from lesionlab.metrics.estimate import Interval, count_lesions, mean_interval, recall_intervals
from lesionlab.metrics.selective import most_confident, net_benefit, selective_scores, treat_all

COVERAGES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
# Probabilities of malignancy at which an excision may be considered.
THRESHOLDS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)


@dataclass(frozen=True)
class Uncertainty:
    """Results beside the metrics; each may be empty.

    Attributes:
        prediction_sets: Coverage of the model's prediction sets.
        prediction_sets_by_source: The same for the images of each source; empty for a single source.
        selective: Metrics on the most confident predictions.
        decision_curve: Net benefit by threshold on the target probability.
        robustness: Metrics under image corruptions, if requested.
        subgroups: Metrics by subgroup.
    """

    prediction_sets: tuple[SetCoverage, ...] = ()
    prediction_sets_by_source: tuple[SetCoverage, ...] = ()
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
        prediction_sets_by_source=source_coverages(evaluated, info),
        selective=selective_points(evaluated, info),
        decision_curve=decision_points(evaluated),
        subgroups=subgroups(evaluated),
    )


def set_coverages(evaluated: EvaluatedSubset, info: BundleInfo) -> tuple[SetCoverage, ...]:
    """Return the coverage of the model's prediction sets, overall and by class; empty without sets.

    Each lesion counts once, with the mean over its images: the guarantee is for one image per lesion.
    """
    labels = evaluated.labels
    groups = {"all": np.ones(len(labels), dtype=np.bool_)}
    groups |= {code: labels == index for index, code in enumerate(evaluated.task.classes)}
    return tuple(_coverages(evaluated, info, groups))


def source_coverages(evaluated: EvaluatedSubset, info: BundleInfo) -> tuple[SetCoverage, ...]:
    """Return the coverage of the prediction sets by source of the images; empty for a single source.

    No kind of set guarantees it: the calibration images are a mixture of sources.
    """
    sources = np.array([record.source for record in evaluated.records])
    groups = {str(source): sources == source for source in np.unique(sources)}
    if len(groups) < 2:
        return ()
    return tuple(
        row.model_copy(update={"diagnosis": "all", "source": row.diagnosis, "guaranteed": False})
        for row in _coverages(evaluated, info, groups)
    )


def _coverages(evaluated: EvaluatedSubset, info: BundleInfo, groups: dict[str, BoolArray]) -> Iterator[SetCoverage]:
    sets, labels = info.prediction_sets, evaluated.labels
    if sets is None or evaluated.task.classes != info.classes:
        return
    weights, shares = _resamples(evaluated), _shares(evaluated)
    for kind, members in _members(sets, evaluated.probabilities).items():
        covered, sizes = members[np.arange(len(labels)), labels], members.sum(axis=1)
        for name, chosen in groups.items():
            if chosen.any():
                exact = _exact_mean(count_lesions(evaluated.lesion_ids, chosen))
                yield SetCoverage(
                    kind=kind,
                    diagnosis=name,
                    nominal_coverage=sets.coverage,
                    guaranteed=name == "all" if kind == "marginal" else sets.class_conditional.get(name) is not None,
                    n_images=int(chosen.sum()),
                    covered=_estimate(_mean_of(covered, chosen, shares), weights, exact),
                    mean_size=float(np.average(sizes[chosen], weights=shares[chosen])),
                )


def selective_points(evaluated: EvaluatedSubset, info: BundleInfo) -> tuple[SelectivePoint, ...]:
    """Return the figures of the most confident predictions, at coverages from 1 to 0.5.

    The confidence is the score of the predicted class in the decision rule.
    """
    scores = rule_of(info, evaluated.task).scores(evaluated.probabilities)
    confidence, weights = scores.max(axis=1), _resamples(evaluated)
    return tuple(_selective_point(evaluated, confidence, coverage, weights) for coverage in COVERAGES)


def _selective_point(
    evaluated: EvaluatedSubset, confidence: FloatArray, coverage: float, weights: NDArray[np.int32]
) -> SelectivePoint:
    labels, predicted, lesions = evaluated.labels, evaluated.predicted, np.array(evaluated.lesion_ids)
    classes = len(evaluated.task.classes)
    kept = most_confident(confidence, coverage)
    recalls = recall(confusion_matrix(labels[kept], predicted[kept], classes))
    by_class = mean_interval(recall_intervals(labels[kept], recalls, lesions[kept]))

    def measure(index: int, w: IntArray) -> FloatArray:
        return selective_scores(labels, predicted, confidence, coverage, classes, w)[index]

    def deferred(members: BoolArray) -> Estimate:
        exact = _exact_mean(count_lesions(lesions, members))
        return _estimate(lambda w: weighted_mean(~kept[members], w[..., members]), weights, exact)

    return SelectivePoint(
        coverage=coverage,
        accuracy=_estimate(partial(measure, 0), weights, _exact_mean(count_lesions(lesions, kept))),
        balanced_accuracy=_estimate(partial(measure, 1), weights, lambda _: by_class),
        # Nothing is deferred at full coverage.
        deferred={name: deferred(members) for name, members in _groups(evaluated).items()} if coverage < 1 else {},
    )


def _groups(evaluated: EvaluatedSubset) -> dict[str, BoolArray]:
    """Return masks of the images of each class that occurs, and of the malignant and benign images, [N]."""
    task, labels = evaluated.task, evaluated.labels
    groups = {code: labels == index for index, code in enumerate(task.classes)}
    if task.tells_malignancy and not task.binary:
        malignant = evaluated.is_target[labels]
        groups = {"malignant": malignant, "benign": ~malignant} | groups
    return {name: members for name, members in groups.items() if members.any()}


def decision_points(evaluated: EvaluatedSubset) -> tuple[NetBenefitPoint, ...]:
    """Return the net benefit by threshold on the target probability; empty without positives or negatives."""
    positive, scores = positives_and_scores(evaluated)
    if not positive.any() or positive.all():
        return ()
    weights, thresholds = _resamples(evaluated), np.array(THRESHOLDS)
    baseline = treat_all(float(positive.mean()), thresholds)
    once = net_benefit(positive, scores, thresholds)
    drawn = np.empty((0, len(thresholds)))
    if len(weights):
        drawn = np.concatenate([net_benefit(positive, scores, thresholds, part) for part in chunks(weights)])
    lesions, odds = count_lesions(evaluated.lesion_ids), thresholds / (1 - thresholds)
    return tuple(
        NetBenefitPoint(
            threshold=threshold,
            # A false positive costs the odds of the threshold, a true positive gains 1.
            model=Estimate.from_resamples(value, column, exact_interval(value, lesions, lowest=-cost)),
            treat_all=of_all,
        )
        for threshold, value, column, cost, of_all in zip(
            THRESHOLDS, once.tolist(), drawn.T, odds.tolist(), baseline.tolist(), strict=True
        )
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


def _exact_mean(lesions: int) -> Callable[[float], Interval]:
    return lambda value: exact_interval(value, lesions)


def _estimate(
    measure: Callable[[IntArray], FloatArray], weights: NDArray[np.int32], exact: Callable[[float], Interval]
) -> Estimate:
    value = float(measure(np.ones(weights.shape[1], dtype=np.int32)))
    drawn = [measure(part) for part in chunks(weights)] if len(weights) else [np.array([])]
    return Estimate.from_resamples(value, np.concatenate(drawn), exact(value))

"""Figures by source and by confirmation of the diagnosis, and the AUC within source."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from lesionlab.bundle import GroupMetrics, GroupPoint, OperatingPoint, WithinSourceAuc
from lesionlab.data.groups import UNKNOWN, group_value
from lesionlab.evaluation.results import EvaluatedSubset
from lesionlab.evaluation.tables import positives_and_scores
from lesionlab.metrics import Estimate, exact_interval, lesion_weights
from lesionlab.metrics.arrays import BoolArray, FloatArray, IntArray
from lesionlab.metrics.bootstrap import chunks
from lesionlab.metrics.calibration import target_calibration_error
from lesionlab.metrics.confusion import confusion_matrix, recall
from lesionlab.metrics.estimate import count_trials
from lesionlab.metrics.ranking import roc_auc, within_group_auc
from lesionlab.taxonomy import Target


@dataclass(frozen=True)
class GroupResults:
    """Figures by group; each may be empty (see `EvaluationSummary`)."""

    by_source: tuple[GroupMetrics, ...] = ()
    by_confirmation: tuple[GroupMetrics, ...] = ()
    within_source_auc: tuple[WithinSourceAuc, ...] = ()

    def to_json(self) -> dict[str, list[dict[str, object]]]:
        """Return the entries of `metrics.json`."""
        return {name: [row.model_dump(mode="json") for row in rows] for name, rows in vars(self).items()}

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences on the targets whose pooled AUC and AUC within source differ."""
        return tuple(row.sentence for row in self.within_source_auc if row.differs)


def measure_groups(evaluated: EvaluatedSubset, points: Sequence[OperatingPoint]) -> GroupResults:
    """Measure the predictions by source and by confirmation, with intervals by lesion.

    Args:
        evaluated: Images and predictions.
        points: The model's thresholds.
    """
    sources = _values(evaluated, "source")
    return GroupResults(
        by_source=_by_group(evaluated, points, sources),
        by_confirmation=_by_group(evaluated, points, _values(evaluated, "dx_type")),
        within_source_auc=_within_source(evaluated, sources),
    )


def measure_group(part: EvaluatedSubset, points: Sequence[OperatingPoint], value: str) -> GroupMetrics:
    """Measure the main target on some images, with intervals by lesion.

    Args:
        part: The images and predictions.
        points: The model's thresholds.
        value: Name of the group.
    """
    positive, scores = positives_and_scores(part)
    draws, trials = _draws(part), count_trials(part.lesion_ids, positive, positive)
    return GroupMetrics(
        value=value,
        n_images=len(positive),
        n_lesions=len(set(part.lesion_ids)),
        n_positive=int(positive.sum()),
        auc=_estimate(lambda w: roc_auc(positive, scores, w), draws, trials["auc"])[0],
        ece=_estimate(lambda w: target_calibration_error(positive, scores, w), draws)[0],
        operating_points=tuple(_point(part, point, draws) for point in points if point.target in part.task.targets),
    )


def _values(evaluated: EvaluatedSubset, attribute: Literal["source", "dx_type"]) -> npt.NDArray[np.str_]:
    return np.array([group_value(record, attribute) for record in evaluated.records], dtype=np.str_)


def _by_group(
    evaluated: EvaluatedSubset, points: Sequence[OperatingPoint], values: npt.NDArray[np.str_]
) -> tuple[GroupMetrics, ...]:
    """Return the figures of each group, the largest first, `unknown` last; empty if all are unknown."""
    names, counts = np.unique(values, return_counts=True)
    if names.tolist() == [UNKNOWN]:
        return ()
    largest_first = sorted(zip(names.tolist(), counts.tolist(), strict=True), key=lambda g: (g[0] == UNKNOWN, -g[1]))
    return tuple(measure_group(_part(evaluated, values == name), points, name) for name, _ in largest_first)


def _point(part: EvaluatedSubset, point: OperatingPoint, draws: npt.NDArray[np.int32]) -> GroupPoint:
    positive, scores = positives_and_scores(part, point.target)
    actual, predicted = positive.astype(np.int64), (scores >= point.threshold).astype(np.int64)
    trials = count_trials(part.lesion_ids, positive, predicted == 1)
    specificity, sensitivity = _estimate(
        lambda w: recall(confusion_matrix(actual, predicted, 2, w)), draws, trials["specificity"], trials["recall"]
    )
    return GroupPoint(
        name=point.name,
        target=point.target,
        threshold=point.threshold,
        sensitivity=sensitivity,
        specificity=specificity,
    )


def _within_source(evaluated: EvaluatedSubset, sources: npt.NDArray[np.str_]) -> tuple[WithinSourceAuc, ...]:
    """Return the AUC of each target, pooled and within source; empty with fewer than two known sources."""
    known = sources != UNKNOWN
    if len(set(sources[known].tolist())) < 2:
        return ()
    part = _part(evaluated, known)
    return tuple(_within_source_of(part, sources[known], target) for target in part.task.targets)


def _within_source_of(part: EvaluatedSubset, sources: npt.NDArray[np.str_], target: Target) -> WithinSourceAuc:
    positive, scores = positives_and_scores(part, target)
    _, index = np.unique(sources, return_inverse=True)
    share = np.bincount(index, weights=positive)[index] / np.bincount(index)[index]

    def measure(w: IntArray) -> FloatArray:
        pooled, within = roc_auc(positive, scores, w), within_group_auc(positive, scores, index, w)
        return np.stack([pooled, within, roc_auc(positive, share, w), pooled - within], axis=-1)

    pairs = count_trials(part.lesion_ids, positive, positive)["auc"]
    pooled, within, source_only, difference = _estimate(measure, _draws(part), pairs)
    return WithinSourceAuc(
        target=target, pooled=pooled, within_source=within, source_only=source_only, difference=difference
    )


def _part(evaluated: EvaluatedSubset, members: BoolArray) -> EvaluatedSubset:
    """Return some of the images. The summary remains that of all images; only its seed and resamples are used."""
    return replace(
        evaluated,
        records=tuple(np.array(evaluated.records, dtype=object)[members]),
        labels=evaluated.labels[members],
        probabilities=evaluated.probabilities[members],
        predicted=evaluated.predicted[members],
        target_scores={target: scores[members] for target, scores in evaluated.target_scores.items()},
    )


def _draws(part: EvaluatedSubset) -> npt.NDArray[np.int32]:
    return lesion_weights(part.lesion_ids, part.summary.resamples, part.summary.seed)


def _estimate(measure: Callable[[IntArray], FloatArray], draws: npt.NDArray[np.int32], *trials: int) -> list[Estimate]:
    """Return the figures of a function of weights with their intervals; its result is [...] or [..., K].

    Where a figure has no spread, its interval is exact for its number of trials (see `exact_interval`), none without.
    """
    once = np.atleast_1d(measure(np.ones(draws.shape[1], np.int64)))
    drawn = np.concatenate([measure(chunk) for chunk in chunks(draws)]).reshape(-1, len(once))
    known = (*trials, *(0,) * (len(once) - len(trials)))
    return [
        Estimate.from_resamples(value, column, exact_interval(value, of_value))
        for value, column, of_value in zip(once.tolist(), drawn.T, known, strict=True)
    ]

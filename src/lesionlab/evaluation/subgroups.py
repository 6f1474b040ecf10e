"""Metrics by subgroup: sex, age, site, confirmation, source and skin tone."""

from collections.abc import Callable
from typing import get_args

import numpy as np

from lesionlab.bundle import Subgroup
from lesionlab.data.groups import UNKNOWN, GroupBy, group_value
from lesionlab.evaluation.results import EvaluatedSubset
from lesionlab.evaluation.tables import positives_and_scores
from lesionlab.images.skin_tone import skin_tone_of_file
from lesionlab.metrics import Estimate, exact_interval, lesion_weights
from lesionlab.metrics.arrays import BoolArray, FloatArray, IntArray
from lesionlab.metrics.bootstrap import chunks
from lesionlab.metrics.confusion import balanced_accuracy, confusion_matrix, recall
from lesionlab.metrics.estimate import Interval, count_trials, mean_interval, recall_intervals
from lesionlab.metrics.ranking import roc_auc

MIN_LESIONS = 30  # with fewer, figures are marked as unreliable


def subgroups(evaluated: EvaluatedSubset) -> tuple[Subgroup, ...]:
    """Return the metrics of each subgroup, by property, the values in alphabetical order.

    The intervals come from a bootstrap by lesion within the subgroup. Properties without any known value are left out.
    The skin tone is the class stated with the data; where no image has one, it is estimated from the images.
    """
    found: list[Subgroup] = []
    for group in get_args(GroupBy):
        values = np.array([group_value(record, group) for record in evaluated.records])
        if group == "skin_tone" and set(values.tolist()) == {UNKNOWN}:
            values = np.array([skin_tone_of_file(location) for location in evaluated.locations])
        names = sorted(set(values.tolist()), key=lambda name: (name == UNKNOWN, name))
        if names != [UNKNOWN]:
            found += [_measured(evaluated, group, name, values == name) for name in names]
    return tuple(found)


def _measured(evaluated: EvaluatedSubset, group: GroupBy, value: str, members: BoolArray) -> Subgroup:
    lesions = [lesion for lesion, member in zip(evaluated.lesion_ids, members, strict=True) if member]
    draws = lesion_weights(lesions, evaluated.summary.resamples, evaluated.summary.seed)
    labels, predicted = evaluated.labels[members], evaluated.predicted[members]
    positive, scores = (values[members] for values in positives_and_scores(evaluated))

    def estimate(measure: Callable[[IntArray], FloatArray], exact: Callable[[float], Interval]) -> Estimate | None:
        value = float(measure(np.ones(len(labels), np.int64)))
        drawn = np.concatenate([measure(chunk) for chunk in chunks(draws)])
        return None if np.isnan(value) else Estimate.from_resamples(value, drawn, exact(value))

    classes = len(evaluated.task.classes)
    recalls = recall(confusion_matrix(labels, predicted, classes))
    pairs = count_trials(lesions, positive, positive)["auc"]
    return Subgroup(
        group=group,
        value=value,
        n_images=len(labels),
        n_lesions=len(set(lesions)),
        balanced_accuracy=estimate(
            lambda w: balanced_accuracy(confusion_matrix(labels, predicted, classes, w)),
            lambda _: mean_interval(recall_intervals(labels, recalls, lesions)),
        ),
        malignant_auc=estimate(lambda w: roc_auc(positive, scores, w), lambda value: exact_interval(value, pairs)),
    )

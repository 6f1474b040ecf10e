"""The shortcut test: how well properties beside the lesion predict its malignancy."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import numpy as np

from lesionlab.base_models import FrozenModel
from lesionlab.curation.report.logistic import fit_logistic, predict_logit
from lesionlab.curation.report.measure import ImageMeasures
from lesionlab.data.groups import UNKNOWN, group_value
from lesionlab.data.manifest import ImageRecord
from lesionlab.data.stratify import lesion_folds
from lesionlab.metrics import Estimate, exact_interval, lesion_weights
from lesionlab.metrics.arrays import BoolArray, FloatArray
from lesionlab.metrics.bootstrap import chunks
from lesionlab.metrics.estimate import count_trials
from lesionlab.metrics.ranking import within_group_auc

Property = Literal["source", "border", "file", "patient"]

MIN_LESIONS = 10  # of each kind; with fewer, the AUC would be arbitrary
_FOLDS = 5
_RESAMPLES = 1000
_MOST_VALUES = 40  # the other values of a column count as one
_WIDEST = 4.0  # standard deviations


class Shortcut(FrozenModel):
    """How well one property predicts the target without the lesion.

    Attributes:
        property: `source`; `border`, the colours of the outer ring of a thumbnail; `file`, size in pixels and bytes,
            format and JPEG quality; `patient`, age, sex and site.
        auc: Out of fold, by lesion: over the pairs of images of one fold, with its interval by lesion. None if it was
            not measured.
        reason: Why it was not measured.
    """

    property: Property
    auc: Estimate | None = None
    reason: str | None = None


def measure_shortcuts(
    records: Sequence[ImageRecord], measures: Sequence[ImageMeasures], positive: BoolArray, seed: int = 0
) -> tuple[Shortcut, ...]:
    """Predict a target from each property by logistic regression, and measure the out-of-fold AUC.

    Args:
        records: The images, [N].
        measures: Of the same images, [N].
        positive: Whether each image is positive, [N].
        seed: Seed of folds and bootstrap.
    """
    lesions = [record.lesion_id for record in records]
    trials = count_trials(lesions, positive, positive) if len(records) else {"auc": 0}
    few = f"fewer than {MIN_LESIONS} lesions of a kind" if trials["auc"] < MIN_LESIONS else None
    columns: dict[Property, list[list[str] | FloatArray]] = {
        "source": [[record.source for record in records]],
        "border": [np.array([one.border for one in measures])],
        "file": [np.array([one.file for one in measures]), [one.format for one in measures]],
        "patient": [
            [group_value(record, "age") for record in records],
            [group_value(record, "sex") for record in records],
            [group_value(record, "site") for record in records],
        ],
    }
    found = []
    for name, values in columns.items():
        reason = few or _no_difference(name, values)
        auc = None if reason else _out_of_fold_auc(_design(values), positive, lesions, trials["auc"], seed)
        found.append(Shortcut(property=name, auc=auc, reason=reason))
    return tuple(found)


def _no_difference(name: Property, columns: Sequence[list[str] | FloatArray]) -> str | None:
    if any(len(np.unique(np.asarray(column), axis=0)) > 1 for column in columns):
        return None
    stated = all(isinstance(column, list) and set(column) == {UNKNOWN} for column in columns)
    return (
        "not stated" if stated else f"the same for all images: {columns[0][0]}" if name == "source" else "no variation"
    )


def _design(columns: Sequence[list[str] | FloatArray]) -> FloatArray:
    """Return the features of a regression, [N, K]: one indicator per value, or standardised numbers and their squares.

    No label takes part, so that all images may be used for the scales.
    """
    parts = []
    for column in columns:
        if isinstance(column, list):
            values = [value for value, _ in Counter(column).most_common(_MOST_VALUES)]
            parts.append((np.array(column)[:, None] == np.array(values)).astype(np.float64))
        else:
            deviation = column.std(axis=0)
            scaled = ((column - column.mean(axis=0)) / np.where(deviation > 0, deviation, 1)).clip(-_WIDEST, _WIDEST)
            parts += [scaled, scaled**2]
    return np.concatenate(parts, axis=1)


def _out_of_fold_auc(features: FloatArray, positive: BoolArray, lesions: list[str], trials: int, seed: int) -> Estimate:
    """Return the AUC within folds: scores of different folds come from different models.

    A pooled AUC is biased downward where a property has few values: without the positives of a fold, a model predicts
    fewer of them in this fold.
    """
    folds = np.array(lesion_folds(lesions, positive.astype(int).tolist(), _FOLDS, seed))
    scores = np.zeros(len(positive))
    for fold in range(_FOLDS):
        held_out = folds == fold
        coefficients = fit_logistic(features[~held_out], positive[~held_out])
        scores[held_out] = predict_logit(features[held_out], coefficients).round(9)  # equal features are ties
    value = float(within_group_auc(positive, scores, folds))
    draws = lesion_weights(lesions, _RESAMPLES, seed)
    drawn = np.concatenate([within_group_auc(positive, scores, folds, chunk) for chunk in chunks(draws)])
    return Estimate.from_resamples(value, drawn, exact_interval(value, trials))

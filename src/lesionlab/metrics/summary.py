"""All metrics of a set of predictions, with intervals."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lesionlab.base_models import StrictModel
from lesionlab.errors import DataError, UsageError
from lesionlab.metrics import calibration, confusion, ranking
from lesionlab.metrics.arrays import BoolArray, FloatArray, IntArray, mean_of_defined
from lesionlab.metrics.bootstrap import chunks, lesion_weights
from lesionlab.metrics.estimate import (
    NO_INTERVAL,
    Estimate,
    Interval,
    count_trials,
    exact_f1_interval,
    exact_interval,
    mean_interval,
)
from lesionlab.taxonomy import DIAGNOSIS, Target

# Tolerance of the sum of a float16 softmax over a few classes.
_SUM_TOLERANCE = 5e-3

# Metrics of a class against the rest that are means over lesions, or over pairs of them.
_RATES = ("recall", "specificity", "precision", "auc")


class MetricsSummary(StrictModel):
    """Metrics of a set of predictions.

    Attributes:
        resamples: Number of bootstrap resamples behind the intervals.
        overall: Metrics by name. `malignant_auc` ranks by the summed probability of the malignant classes.
            `malignant_recall` (sensitivity), `malignant_specificity` and `malignant_precision` measure whether the
            predicted class is malignant; they use no threshold (see `lesionlab.metrics.operating_point`).
            `ece` concerns the probability of the predicted class, `classwise_ece` that of every class. Of P(malignant)
            and P(melanoma): `malignant_ece`, `malignant_calibration_in_the_large` (mean probability minus observed
            share), `malignant_brier` and its parts `malignant_brier_reliability`, `_resolution` and `_uncertainty`, and
            the same for `melanoma_` (see `lesionlab.metrics.calibration`).
        per_class: Metrics of each class against the rest, by class, then by name.
        confusion_matrix: Counts of images; rows actual, columns predicted, both in the order of `support`.
    """

    n_images: int
    n_lesions: int
    resamples: int
    seed: int
    overall: dict[str, Estimate]
    per_class: dict[str, dict[str, Estimate]]
    support: dict[str, int]
    confusion_matrix: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class _Predictions:
    labels: IntArray
    probabilities: FloatArray
    predicted: IntArray
    malignant: BoolArray  # [C]
    melanoma: int | None  # index of the class `mel`
    target_scores: dict[Target, FloatArray]  # P(malignant) and P(melanoma), [N]


def evaluate_predictions(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    lesion_ids: Sequence[str],
    *,
    predicted: npt.ArrayLike | None = None,
    codes: Sequence[str] = DIAGNOSIS.classes,
    malignant: Collection[str] = DIAGNOSIS.malignant,
    target_scores: Mapping[Target, npt.ArrayLike] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> MetricsSummary:
    """Measure predictions, with 95% percentile intervals from a bootstrap by lesion (see `bootstrap`).

    Images have equal weight in each metric. An interval is None if fewer than half of the resamples define the
    metric; if they all give one value, it is exact (see `estimate`), or None for metrics without an exact interval. The
    interval of `ece` is biased upward (see `calibration.expected_calibration_error`).

    Args:
        labels: Index of each image's class in `codes`, [N].
        probabilities: [N, C], each row summing to 1.
        lesion_ids: Lesion of each image, length N.
        predicted: Index of the class predicted for each image, [N]; None for the most probable one.
        codes: Codes of the C classes in order: those of a task.
        malignant: The malignant ones among them. `melanoma_auc` needs the class `mel`.
        target_scores: Probability of a target, [N], where it is not the sum over its classes: a model may have further
            ones.
        resamples: Number of resamples; 0 gives no intervals.
        seed: Seed of the resamples; the same for two models to be compared.

    Raises:
        DataError: The shapes of labels, probabilities and lesions differ, or values are out of range.
        UsageError: The number of resamples is negative.
    """
    if resamples < 0:
        raise UsageError(f"the number of resamples is {resamples}: give 0 or more")
    predictions = _checked(labels, probabilities, lesion_ids, predicted, codes, malignant, target_scores or {})
    once = np.ones(len(lesion_ids), dtype=np.int32)
    values, class_values = _measure(predictions, once)
    draws = lesion_weights(lesion_ids, resamples, seed)
    parts = [_measure(predictions, chunk) for chunk in chunks(draws)]

    exact, class_exact = _exact_intervals(
        predictions, np.unique(lesion_ids, return_inverse=True)[1], values, class_values
    )

    def estimate(value: FloatArray, drawn: list[FloatArray], exact: Interval) -> Estimate:
        return Estimate.from_resamples(float(value), np.concatenate(drawn), exact)

    matrix = _confusion(predictions, once)
    return MetricsSummary(
        n_images=len(lesion_ids),
        n_lesions=len(set(lesion_ids)),
        resamples=resamples,
        seed=seed,
        overall={
            name: estimate(value, [part[0][name] for part in parts], exact.get(name, NO_INTERVAL))
            for name, value in values.items()
        },
        per_class={
            code: {
                name: estimate(
                    value[index],
                    [part[1][name][:, index] for part in parts],
                    class_exact[index].get(name, NO_INTERVAL),
                )
                for name, value in class_values.items()
            }
            for index, code in enumerate(codes)
        },
        support=dict(zip(codes, confusion.support(matrix).tolist(), strict=True)),
        confusion_matrix=tuple(tuple(row) for row in matrix.tolist()),
    )


def _confusion(predictions: _Predictions, weights: IntArray) -> IntArray:
    classes = predictions.probabilities.shape[1]
    return confusion.confusion_matrix(predictions.labels, predictions.predicted, classes, weights)


def _measure(predictions: _Predictions, weights: IntArray) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
    """Return the overall metrics, [...], and the metrics of each class, [..., C]."""
    labels, probabilities, malignant = predictions.labels, predictions.probabilities, predictions.malignant
    matrix = _confusion(predictions, weights)
    auc, average_precision = ranking.one_vs_rest_areas(labels, probabilities, weights)
    either = confusion.collapse(matrix, malignant)
    overall = {
        "accuracy": confusion.accuracy(matrix),
        "balanced_accuracy": confusion.balanced_accuracy(matrix),
        "macro_f1": confusion.macro_f1(matrix),
        "weighted_f1": confusion.weighted_f1(matrix),
        "macro_auc": mean_of_defined(auc),
        "malignant_auc": ranking.roc_auc(malignant[labels], predictions.target_scores["malignant"], weights),
        "malignant_recall": confusion.recall(either)[..., 1],
        "malignant_specificity": confusion.specificity(either)[..., 1],
        "malignant_precision": confusion.precision(either)[..., 1],
        "melanoma_auc": (
            np.full(weights.shape[:-1], np.nan)
            if predictions.melanoma is None
            else ranking.roc_auc(labels == predictions.melanoma, predictions.target_scores["melanoma"], weights)
        ),
        "ece": calibration.expected_calibration_error(labels, probabilities, weights),
        "classwise_ece": calibration.classwise_calibration_error(labels, probabilities, weights),
        **_target_calibration("malignant", malignant, predictions, weights),
        **_target_calibration("melanoma", np.arange(len(malignant)) == predictions.melanoma, predictions, weights),
        "brier": calibration.brier_score(labels, probabilities, weights),
        "nll": calibration.negative_log_likelihood(labels, probabilities, weights),
    }
    per_class = {
        "precision": confusion.precision(matrix),
        "recall": confusion.recall(matrix),
        "f1": confusion.f1(matrix),
        "specificity": confusion.specificity(matrix),
        "auc": auc,
        "average_precision": average_precision,
    }
    return overall, per_class


def _target_calibration(
    target: Target, classes: BoolArray, predictions: _Predictions, weights: IntArray
) -> dict[str, FloatArray]:
    """Return the calibration metrics of the probability of some classes, [...]; nan without such a class."""
    positive, scores = classes[predictions.labels], predictions.target_scores[target]
    parts = calibration.brier_parts(positive, scores, weights)
    found = {
        "ece": calibration.target_calibration_error(positive, scores, weights),
        "calibration_in_the_large": calibration.calibration_in_the_large(positive, scores, weights),
        "brier": parts.score,
        "brier_reliability": parts.reliability,
        "brier_resolution": parts.resolution,
        "brier_uncertainty": parts.uncertainty,
    }
    undefined = np.full(weights.shape[:-1], np.nan)
    return {f"{target}_{name}": value if classes.any() else undefined for name, value in found.items()}


def _exact_intervals(
    predictions: _Predictions, lesions: IntArray, overall: dict[str, FloatArray], per_class: dict[str, FloatArray]
) -> tuple[dict[str, Interval], list[dict[str, Interval]]]:
    """Return the intervals of metrics that are the same in all resamples: the overall ones and those of each class.

    Metrics without such an interval are missing. The Brier score of an image lies between 0 and 2; images of another
    kind may raise the calibration error or cancel it.
    """
    labels, predicted, malignant = predictions.labels, predictions.predicted, predictions.malignant
    by_class: list[dict[str, Interval]] = []
    for index in range(len(malignant)):
        trials = count_trials(lesions, labels == index, predicted == index)
        values = {name: float(of_classes[index]) for name, of_classes in per_class.items()}
        rates = {name: exact_interval(values[name], trials[name]) for name in _RATES}
        by_class.append(rates | {"f1": exact_f1_interval(values["f1"], trials["f1"])})
    either = count_trials(lesions, malignant[labels], malignant[predicted])
    images = len(np.unique(lesions))
    f1 = [one["f1"] for one in by_class]
    found = {
        "accuracy": exact_interval(float(overall["accuracy"]), images),
        "balanced_accuracy": mean_interval([one["recall"] for one in by_class]),
        "macro_f1": mean_interval(f1),
        "weighted_f1": mean_interval(f1, np.bincount(labels, minlength=len(malignant))),
        "macro_auc": mean_interval([one["auc"] for one in by_class]),
        "brier": exact_interval(float(overall["brier"]), images, highest=2),
    }
    for prefix in ("", "malignant_", "melanoma_"):
        low, high = exact_interval(float(overall[f"{prefix}ece"]), images, lowest=-1)
        found[f"{prefix}ece"] = max(0.0, low), high
    for target in ("malignant", "melanoma"):
        bias, score = (f"{target}_{name}" for name in ("calibration_in_the_large", "brier"))
        found[bias] = exact_interval(float(overall[bias]), images, lowest=-1)
        found[score] = exact_interval(float(overall[score]), images)
    found |= {f"malignant_{n}": exact_interval(float(overall[f"malignant_{n}"]), either[n]) for n in _RATES}
    if predictions.melanoma is not None:
        pairs = count_trials(lesions, labels == predictions.melanoma, predicted == predictions.melanoma)["auc"]
        found["melanoma_auc"] = exact_interval(float(overall["melanoma_auc"]), pairs)
    return found, by_class


def _checked(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    lesion_ids: Sequence[str],
    predicted: npt.ArrayLike | None,
    codes: Sequence[str],
    malignant: Collection[str],
    target_scores: Mapping[Target, npt.ArrayLike],
) -> _Predictions:
    classes, images = np.asarray(labels), len(lesion_ids)
    table = np.asarray(probabilities, dtype=np.float64)
    if not images:
        raise DataError("there are no images to measure: give at least one prediction")
    if classes.shape != (images,) or table.shape != (images, len(codes)):
        raise DataError(
            f"labels {list(classes.shape)}, probabilities {list(table.shape)} and {images} lesions of "
            f"{len(codes)} classes do not match: give one label and one row for each image"
        )
    if not np.issubdtype(classes.dtype, np.integer) or classes.min() < 0 or classes.max() >= len(codes):
        raise DataError(f"the labels are not indices of the {len(codes)} classes: give integers from 0")
    sums = table.sum(axis=1)
    # The negated comparison is also true for nan.
    wrong = ~((table >= 0).all(axis=1) & (np.abs(sums - 1) <= _SUM_TOLERANCE))
    if wrong.any():
        raise DataError(
            f"row {wrong.argmax()} of the probabilities has a negative value or nan, or does not sum to 1 "
            f"({wrong.sum()} such rows): give the output of a softmax"
        )
    chosen = table.argmax(axis=1) if predicted is None else np.asarray(predicted)
    if chosen.shape != (images,) or chosen.min() < 0 or chosen.max() >= len(codes):
        raise DataError(
            f"the predictions are not indices of the {len(codes)} classes: give one for each of the {images} images"
        )
    of_target: dict[Target, Collection[str]] = {"malignant": malignant, "melanoma": ("mel",)}
    members = {target: np.array([code in held for code in codes]) for target, held in of_target.items()}
    scores = {target: table[:, held].sum(axis=1) for target, held in members.items()}
    scores |= {target: np.asarray(values, dtype=np.float64) for target, values in target_scores.items()}
    if any(values.shape != (images,) for values in scores.values()):
        raise DataError(f"the probabilities of a target are not those of the {images} images: give one for each image")
    return _Predictions(
        labels=classes,
        probabilities=table,
        predicted=chosen,
        malignant=members["malignant"],
        melanoma=list(codes).index("mel") if "mel" in codes else None,
        target_scores=scores,
    )

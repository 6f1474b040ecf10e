"""Everything in a bundle that is fitted to the outputs of its graph for the validation images."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from lesionlab.bundle import (
    BundleInfo,
    Calibration,
    DecisionRule,
    DriftMeasures,
    LesionFusion,
    OperatingPoint,
    PatientEffects,
    PredictionSets,
    Reference,
    SensitivityCurve,
    ValidationStatistics,
)
from lesionlab.bundle.features import ood_scores
from lesionlab.data import ImageRecord, Manifest, images_of_task
from lesionlab.errors import DataError
from lesionlab.export.calibrate import fit_calibration
from lesionlab.export.dermoscopy import with_threshold
from lesionlab.export.fusion import fit_fusion
from lesionlab.export.measure import Measurements
from lesionlab.export.operating_points import Validation, choose_points, sensitivity_curves
from lesionlab.export.patient import fit_patient_effects, patient_of
from lesionlab.export.prediction_sets import fit_prediction_sets
from lesionlab.export.reference import ABSTENTION_SHARE
from lesionlab.recipes import InferenceSettings, Recipe
from lesionlab.taxonomy import TASKS, Task

# Share of the validation images below the limit of confidence. Images of other cameras are several times as often.
CONFIDENCE_SHARE = 0.005


class Fitted(TypedDict):
    """Values that are fitted on the validation subset, by their names in the bundle."""

    calibration: Calibration
    decision_rule: DecisionRule
    prediction_sets: PredictionSets | None
    patient_effects: PatientEffects | None
    operating_points: tuple[OperatingPoint, ...]
    sensitivity_curves: tuple[SensitivityCurve, ...]
    fusion: LesionFusion | None


def fit_on_validation(
    logits: NDArray[np.float64], train: Manifest, validation: Manifest, inference: InferenceSettings, task: Task
) -> Fitted:
    """Fit the calibration, the decision rule, the prediction sets, the patient effects, the thresholds and the fusion.

    Images whose label allows several classes are not used.

    Args:
        logits: Logits of the validation images, [N, C].
        train: The training images, for class frequencies and patient data.
        validation: The validation images.
        inference: Settings of the calibration and the decision rule.
        task: The task of the model.

    Raises:
        DataError: A logit is not a finite number.
    """
    if not np.isfinite(logits).all():
        raise DataError(
            "the network's outputs for validation images are not finite numbers: the training diverged; train again "
            "with a lower optimizer.learning_rate"
        )
    logits = logits[[task.determines(record.diagnosis) for record in validation]]
    (train, _), (validation, _) = images_of_task(train, task), images_of_task(validation, task)
    labels = np.array([task.index(record.diagnosis) for record in validation])
    lesions = [record.lesion_id for record in validation]
    counts = np.array(list(class_counts(train, task).values()))
    # A class without training images counts as one with one image.
    frequencies = np.maximum(counts, 1) / counts.sum()
    calibration = fit_calibration(logits, labels, lesions, frequencies, inference.calibration)
    probabilities = calibration.probabilities(logits)
    sets = fit_prediction_sets(labels, probabilities, lesions, task.classes)
    effects = fit_patient_effects(train.records, validation.records, probabilities, task)
    rule = _decision_rule(counts, inference.prior_exponent)
    images = Validation(labels, probabilities, lesions)
    with_patients = None if effects is None else _with_patient_data(images, validation, effects)
    confidence = rule.scores(probabilities).max(axis=1)
    limit = float(np.quantile(confidence, CONFIDENCE_SHARE, method="lower"))
    # Below 1, which a perfect validation subset reaches: a model that always abstains has no use.
    limit = min(math.floor(limit * 1e6) / 1e6, 1 - 1e-6)
    rule = rule.model_copy(update={"min_confidence": limit, "abstention_share": CONFIDENCE_SHARE})
    return {
        "calibration": calibration,
        "decision_rule": rule,
        "prediction_sets": sets,
        "patient_effects": effects,
        "operating_points": choose_points(images, task, with_patients),
        "sensitivity_curves": sensitivity_curves(images, task, with_patients),
        "fusion": fit_fusion(labels, probabilities, lesions, np.array(calibration.mean_probabilities)),
    }


def refit(
    info: BundleInfo, reference: Reference | None, measured: Measurements, train: Manifest, validation: Manifest
) -> tuple[BundleInfo, Reference | None]:
    """Return the description and the reference statistics of a bundle, fitted again to outputs of its graph.

    Metrics of the test set are removed: they belong to the earlier fit.

    Args:
        info: The description.
        reference: The reference statistics; the limit of the OOD score and the validation statistics are replaced.
        measured: Outputs and quality measures of the validation images.
        train: The training images.
        validation: The validation images.
    """
    task = TASKS[info.task]
    fitted = fit_on_validation(measured.logits.astype(np.float64), train, validation, inference_of(info), task)
    if reference is not None:
        space = reference.features
        if space is not None and len(measured.features):
            limit = np.quantile(ood_scores(space, measured.features), 1 - ABSTENTION_SHARE, method="higher")
            reference = replace(reference, features=replace(space, limit=np.asarray(limit, np.float32)))
        reference = replace(reference, validation=validation_statistics(measured, reference, fitted, task))
    info = info.model_copy(update={**fitted, "metrics": {}})
    if info.dermoscopy is not None and measured.dermoscopic is not None:
        info = info.model_copy(update={"dermoscopy": with_threshold(info.dermoscopy, measured.dermoscopic)})
    return info, reference


def inference_of(info: BundleInfo) -> InferenceSettings:
    """Return the inference settings of a bundle's recipe; the default ones for an imported model, which has none."""
    return InferenceSettings() if info.imported is not None else Recipe.model_validate(info.recipe).inference


def without_patients(images: Manifest) -> Manifest:
    """Return images without patient data.

    Effects of patient data are counted on training images; counted on those that they are fitted to, they would be too
    strong.
    """
    return replace(images, records=tuple(replace(r, age=None, sex=None, site=None) for r in images))


def validation_statistics(
    measured: Measurements, reference: Reference, fitted: Fitted, task: Task
) -> ValidationStatistics:
    """Return the distribution of the drift measures over the validation images.

    Args:
        measured: Outputs and quality measures of the validation images.
        reference: Reference statistics with the feature space of the OOD score.
        fitted: Calibration and decision rule.
        task: The task of the model.
    """
    calibration, rule = fitted["calibration"], fitted["decision_rule"]
    probabilities = calibration.probabilities(measured.logits.astype(np.float64))
    scores = rule.scores(probabilities)
    distances = (
        np.zeros(len(scores)) if reference.features is None else ood_scores(reference.features, measured.features)
    )
    target = [task.classes.index(code) for code in task.malignant]
    columns = (*measured.quality.T, distances, probabilities[:, target].sum(axis=1), scores.max(axis=1))
    measures = [DriftMeasures(*row) for row in np.stack(columns, axis=1).tolist()]
    shares = np.bincount(scores.argmax(axis=1), minlength=len(task.classes)) / len(scores)
    return ValidationStatistics.of(measures, shares)


def class_counts(train: Manifest, task: Task) -> dict[str, int]:
    """Return the number of images of each class of a task; labels that allow several do not count."""
    labels = [record.diagnosis for record in train if task.determines(record.diagnosis)]
    counts = np.bincount([task.index(label) for label in labels], minlength=len(task.classes))
    return dict(zip(task.classes, counts.tolist(), strict=True))


def label_origins(records: Sequence[ImageRecord]) -> dict[str, int]:
    """Return the number of images by origin of the label, the most frequent first, if readers made any."""
    counts = Counter(record.label_origin or "with the data" for record in records)
    return dict(counts.most_common()) if any(record.label_origin for record in records) else {}


def reader_count(records: Sequence[ImageRecord]) -> int:
    """Return the number of readers who made the labels of images."""
    return len({name for record in records for name in (record.label_readers or "").split("; ") if name})


def _decision_rule(counts: NDArray[np.int64], exponent: float) -> DecisionRule:
    """Return the rule that divides by a power of the class frequency; a class without training images is unchanged."""
    if exponent == 0:
        return DecisionRule()
    weights = np.where(counts > 0, (np.maximum(counts, 1) / counts.sum()) ** -exponent, 1.0)
    return DecisionRule(exponent=exponent, weights=tuple(weights.round(6).tolist()))


def _with_patient_data(images: Validation, validation: Manifest, effects: PatientEffects) -> Validation:
    """Return the images whose patient data change the probabilities, with the changed probabilities."""
    patients = [patient_of(record) for record in validation]
    known = np.array([effects.log_ratio(patient).ndim > 0 for patient in patients], dtype=np.bool_)
    adjusted = [effects.adjusted(row, patient) for row, patient in zip(images.probabilities, patients, strict=True)]
    return Validation(images.labels, np.array(adjusted), images.lesion_ids).select(known)

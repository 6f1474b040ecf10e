"""From a finished run to a bundle: graph, calibration and operating points, through the path that users take."""

import datetime as dt
import hashlib
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from lesionlab.bundle import (
    Bundle,
    BundleInfo,
    Calibration,
    DecisionRule,
    DriftMeasures,
    LesionCrop,
    OperatingPoint,
    PatientEffects,
    PredictionSets,
    Reference,
    SensitivityCurve,
    TrainingData,
    TrainingTime,
    ValidationStatistics,
)
from lesionlab.bundle.features import ood_scores
from lesionlab.bundle.store import save_bundle
from lesionlab.data import ImageRecord, Manifest
from lesionlab.errors import DataError, UsageError
from lesionlab.export.calibrate import fit_calibration
from lesionlab.export.graph import Crop, export_graph
from lesionlab.export.measure import Measured, measure_images
from lesionlab.export.operating_points import choose_points, sensitivity_curves
from lesionlab.export.patient import fit_patient_effects
from lesionlab.export.prediction_sets import fit_prediction_sets
from lesionlab.export.reference import REFUSED, make_reference
from lesionlab.export.training_images import index_training_images
from lesionlab.images import Preprocessing
from lesionlab.recipes import InferenceSettings, Recipe, change_inference
from lesionlab.runs import RunFolder, earlier_runs, training_seconds
from lesionlab.segmentation import SegmentationModel
from lesionlab.taxonomy import TASKS, Task
from lesionlab.training.cache import segmentation_folder
from lesionlab.training.network import parameter_count
from lesionlab.training.trained import trained_network

logger = logging.getLogger(__name__)

# Training images behind what the model refuses; more change nothing but the time.
MAX_SEEN = 10_000


class Fitted(TypedDict):
    """What is fitted on the validation part, by the bundle's own names."""

    calibration: Calibration
    decision_rule: DecisionRule
    prediction_sets: PredictionSets | None
    patient_effects: PatientEffects | None
    operating_points: tuple[OperatingPoint, ...]
    sensitivity_curves: tuple[SensitivityCurve, ...]


def export_run(
    run: RunFolder,
    *,
    others: Sequence[RunFolder] = (),
    changes: Sequence[str] = (),
    out: Path | None = None,
    data_root: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Bundle:
    """Export the best weights of a run, or of several together, as one bundle.

    Temperature and thresholds are fitted on what the exported graph answers for the image files of the
    validation part, so that they belong to the model as it will be used. What the model refuses follows from the
    training images, once through the same graph, and so do the cases that are shown beside an answer.

    Args:
        run: A finished run.
        others: Finished runs of the same data and split, with which it makes an ensemble: their logits are averaged.
        changes: Settings of the recipe's table `inference` to change, such as `inference.tta=flips`.
        out: Folder or `.zip` file to write; None writes `bundle/` in the run folder.
        data_root: Where the images are now, if they have moved.
        progress: Called with the number of images done and the number in all.

    Raises:
        DataError: A run is not finished, or the runs do not fit together.
        RecipeError: A change is none of inference, or is wrong.
        UsageError: An ensemble without a place of its own.
        ImageError: An image cannot be read.
    """
    if others and out is None:
        raise UsageError("an ensemble belongs to no run: name a place for it with --out")
    record, recipe = run.record(), change_inference(run.recipe(), changes)
    task = TASKS[recipe.task]
    networks = [trained_network(member, recipe.inference.start_share) for member in (run, *others)]
    for other in others:
        _check_fits(run, other)
    segmentation = _segmentation(run, recipe)
    crop = Crop(segmentation, recipe.crop.margin, recipe.picture.size) if segmentation else None
    graph = export_graph(networks, recipe.input.size, recipe.inference, crop)
    manifest = run.manifest(data_root)
    parts = {name: manifest.select(ids) for name, ids in run.split().parts(record.fold).items() if ids}
    draft = BundleInfo(
        name=recipe.name if not others else f"{recipe.name}-ensemble-of-{len(networks)}",
        created=dt.datetime.now(dt.UTC).date().isoformat(),
        task=recipe.task,
        classes=task.classes,
        preprocessing=Preprocessing(**recipe.picture.model_dump()),
        crop=_description(segmentation, recipe) if segmentation else None,
        graph_sha256=hashlib.sha256(graph).hexdigest(),
        parameters=sum(map(parameter_count, networks)),
        calibration=Calibration(temperature=1.0, images=1, ece_before=0.0, ece_after=0.0),
        training_data=TrainingData(
            manifest_sha256=record.manifest_sha256,
            split_sha256=record.split_sha256,
            leaky=record.leaky,
            lesions_known=record.lesions_known,
            images={name: len(part) for name, part in parts.items()},
            lesions={name: part.lesion_count for name, part in parts.items()},
            classes=_class_counts(parts["train"], task),
            sources=tuple(sorted({r.source for r in manifest})),
        ),
        training_time=_training_time([run, *others]),
        recipe=recipe.model_dump(mode="json"),
        versions=record.environment | {"starting weights": record.weights},
        licence=recipe.licence,
    )
    path = out or run.bundle
    validation = parts["validation"]
    seen = _some_of(parts["train"])
    measured = measure_images(
        Bundle(draft, graph, path), [manifest.location(record) for record in (*seen, *validation)], progress
    )
    of_train, of_validation = measured[: len(seen)], measured[len(seen) :]
    fitted = fit_on_validation(
        of_validation.logits.astype(np.float64), parts["train"], validation, recipe.inference, task
    )
    reference = make_reference(networks, of_train, of_validation)
    reference = replace(reference, validation=validation_statistics(of_validation, reference, fitted, task))
    cases = None
    if recipe.inference.training_images and reference.features is not None:
        cases = index_training_images(seen, of_train.features, reference.features)
    bundle = save_bundle(path, draft.model_copy(update=dict(fitted)), graph, reference=reference, training_images=cases)
    info = bundle.info
    calibration = info.calibration
    logger.info(
        "bundle %s: %s scaling, temperature %.3f (validation ECE %.3f before, %.3f after), %.1f MB",
        path,
        calibration.method,
        calibration.temperature,
        calibration.ece_before,
        calibration.ece_after,
        len(graph) / 1e6,
    )
    if reference.head is None:
        logger.info("no class activation maps: they need a linear head on the mean of the last feature map")
    return bundle


def _training_time(runs: list[RunFolder]) -> TrainingTime:
    earlier = earlier_runs(runs)
    return TrainingTime(
        seconds=training_seconds(runs), earlier_seconds=None if earlier is None else training_seconds(earlier)
    )


def _segmentation(run: RunFolder, recipe: Recipe) -> SegmentationModel | None:
    """Return the segmentation model of a run that sees crops: the one that it was trained with and no other."""
    if not recipe.crop.segmentation:
        return None
    found, trained_with = SegmentationModel.load(segmentation_folder(recipe.crop)), run.record().environment
    if found.info.identity != trained_with.get("segmentation"):
        raise DataError(
            f"{run.path} was trained with the segmentation model {trained_with.get('segmentation')}, and "
            f"crop.segmentation={recipe.crop.segmentation} is {found.info.identity} now; put the old one in its place"
        )
    return found


def _description(segmentation: SegmentationModel, recipe: Recipe) -> LesionCrop:
    info = segmentation.info
    return LesionCrop(
        segmentation=info.identity,
        threshold=info.threshold,
        margin=recipe.crop.margin,
        size=recipe.input.size,
        dice=info.metrics.get("dice"),
    )


def _check_fits(run: RunFolder, other: RunFolder) -> None:
    """Refuse a run that would make an ensemble of two questions, two inputs, or lesions that one member has seen."""
    first, second = run.record(), other.record()
    if (first.split_sha256, first.fold) != (second.split_sha256, second.fold):
        raise DataError(
            f"{other.path} was trained with another split than {run.path}: each knows lesions that the other is "
            "calibrated on; train both with one split"
        )
    one, two = run.recipe(), other.recipe()
    for name, same in (
        ("task", one.task == two.task),
        ("input", one.input == two.input),
        ("crop", one.crop == two.crop),
        ("inference", one.inference == two.inference),
    ):
        if not same:
            raise DataError(f"{other.path} has another {name} than {run.path}: one graph cannot hold both")


def _some_of(train: Manifest) -> list[ImageRecord]:
    """Return the training images, each once, of many just an even choice."""
    files: dict[str, ImageRecord] = {}
    for record in train:
        files.setdefault(record.path, record)
    return list(files.values())[:: math.ceil(len(files) / MAX_SEEN)]


def fit_on_validation(
    logits: NDArray[np.float64], train: Manifest, validation: Manifest, inference: InferenceSettings, task: Task
) -> Fitted:
    """Return the calibration, the decision rule and the operating points, fitted on the validation part.

    Args:
        logits: Of the validation images, [N, C].
        train: The training images; their counts alone are read.
        validation: The validation images.
        inference: Which calibration, and which rule.
        task: What the model tells apart.
    """
    labels = np.array([task.index(record.diagnosis) for record in validation])
    calibration = fit_calibration(logits, labels, [r.lesion_id for r in validation], inference.calibration)
    probabilities = calibration.probabilities(logits)
    sets = fit_prediction_sets(labels, probabilities, [r.lesion_id for r in validation], task.classes)
    effects = fit_patient_effects(train.records, validation.records, probabilities, task)
    decision = _decision(np.array(list(_class_counts(train, task).values())), inference.prior_exponent)
    certainty = decision.scores(probabilities).max(axis=1)
    limit = float(np.quantile(certainty, REFUSED, method="lower"))
    decision = decision.model_copy(update={"min_confidence": math.floor(limit * 1e6) / 1e6})
    return {
        "calibration": calibration,
        "decision_rule": decision,
        "prediction_sets": sets,
        "patient_effects": effects,
        "operating_points": choose_points(labels, probabilities, task),
        "sensitivity_curves": sensitivity_curves(labels, probabilities, task),
    }


def validation_statistics(measured: Measured, reference: Reference, fitted: Fitted, task: Task) -> ValidationStatistics:
    """Return what the validation images were like, as new ones will be measured.

    Args:
        measured: What the graph makes of them.
        reference: What their distance is measured from.
        fitted: What turns the graph's outputs into answers.
        task: What the model tells apart.
    """
    calibration, decision = fitted["calibration"], fitted["decision_rule"]
    probabilities = calibration.probabilities(measured.logits.astype(np.float64))
    scores = decision.scores(probabilities)
    away = np.zeros(len(scores)) if reference.features is None else ood_scores(reference.features, measured.features)
    sought = [task.classes.index(code) for code in task.malignant]
    columns = (*measured.pictures.T, away, probabilities[:, sought].sum(axis=1), scores.max(axis=1))
    measures = [DriftMeasures(*row) for row in np.stack(columns, axis=1).tolist()]
    shares = np.bincount(scores.argmax(axis=1), minlength=len(task.classes)) / len(scores)
    return ValidationStatistics.of(measures, shares)


def _class_counts(train: Manifest, task: Task) -> dict[str, int]:
    counts = np.bincount([task.index(record.diagnosis) for record in train], minlength=len(task.classes))
    return dict(zip(task.classes, counts.tolist(), strict=True))


def _decision(counts: NDArray[np.int64], exponent: float) -> DecisionRule:
    """Return the rule that lifts rare classes; one that training never saw is not lifted."""
    if exponent == 0:
        return DecisionRule()
    weights = np.where(counts > 0, (np.maximum(counts, 1) / counts.sum()) ** -exponent, 1.0)
    return DecisionRule(exponent=exponent, weights=tuple(weights.round(6).tolist()))

"""Export of a finished run as a bundle: graph, calibration, operating points and reference statistics."""

import datetime as dt
import hashlib
import logging
import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np

from lesionlab.bundle import (
    Bundle,
    BundleInfo,
    Calibration,
    LesionCrop,
    SeenImages,
    TrainingData,
    TrainingTime,
)
from lesionlab.bundle.store import save_bundle
from lesionlab.data import ImageRecord, Manifest
from lesionlab.errors import DataError, UsageError
from lesionlab.export.dermoscopy import read_negatives, with_detector
from lesionlab.export.fit import class_counts, fit_on_validation, label_origins, reader_count, validation_statistics
from lesionlab.export.graph import Crop, export_graph
from lesionlab.export.measure import measure_images
from lesionlab.export.reference import make_reference
from lesionlab.export.training_images import index_training_images
from lesionlab.images import Preprocessing
from lesionlab.recipes import Recipe, change_inference
from lesionlab.runs import RunFolder, earlier_runs, training_seconds
from lesionlab.segmentation import SegmentationModel
from lesionlab.taxonomy import TASKS
from lesionlab.training.cache import segmentation_folder
from lesionlab.training.network import parameter_count
from lesionlab.training.trained import trained_network

logger = logging.getLogger(__name__)

# For the reference statistics; more take longer and change nothing.
MAX_TRAINING_IMAGES = 10_000


def export_run(
    run: RunFolder,
    *,
    others: Sequence[RunFolder] = (),
    changes: Sequence[str] = (),
    out: Path | None = None,
    data_root: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Bundle:
    """Export the best weights of a run, or an ensemble of several runs, as one bundle.

    The calibration and the thresholds are fitted on the outputs of the exported graph for the image files of the
    validation subset. The abstention limits and the index of nearest images are computed from the training images
    with the same graph. A second index recognises the training and validation images in other datasets.

    Args:
        run: A finished run.
        others: Further members of an ensemble, finished runs of the same data and split; their logits are averaged.
        changes: Changes to the recipe's table `inference`, such as `inference.tta=flips`.
        out: Folder or `.zip` file to write; None writes `bundle/` in the run folder.
        data_root: Folder of the images, if they have moved.
        progress: Called with the number of images done and the total.

    Raises:
        DataError: A run is not finished, the runs are not compatible, or another process is working on the run.
        RecipeError: A change is invalid or not in the table `inference`.
        UsageError: An ensemble without `out`.
        ImageError: An image cannot be read.
    """
    if others and out is None:
        raise UsageError("an ensemble has no run folder: name an output folder with --out")
    record, recipe = run.record(), change_inference(run.recipe(), changes)
    task = TASKS[recipe.task]
    networks = [trained_network(member, recipe.inference.start_share) for member in (run, *others)]
    for other in others:
        _check_compatible(run, other)
    negatives = read_negatives(Path(recipe.inference.negatives)) if recipe.inference.negatives else None
    segmentation = _segmentation(run, recipe)
    crop = Crop(segmentation, recipe.crop.margin, recipe.graph_input.size) if segmentation else None
    graph = export_graph(networks, recipe.input.size, recipe.inference, crop)
    manifest = run.manifest(data_root)
    subsets = {name: manifest.select(ids) for name, ids in run.split().subsets(record.fold).items() if ids}
    used = [*subsets["train"], *subsets["validation"]]
    draft = BundleInfo(
        name=recipe.name if not others else f"{recipe.name}-ensemble-of-{len(networks)}",
        created=dt.datetime.now(dt.UTC).date().isoformat(),
        task=recipe.task,
        classes=task.classes,
        preprocessing=Preprocessing(**recipe.graph_input.model_dump()),
        crop=_lesion_crop(segmentation, recipe) if segmentation else None,
        graph_sha256=hashlib.sha256(graph).hexdigest(),
        parameters=sum(map(parameter_count, networks)),
        calibration=Calibration(temperature=1.0, images=1, ece_before=0.0, ece_after=0.0),
        training_data=TrainingData(
            manifest_sha256=record.manifest_sha256,
            split_sha256=record.split_sha256,
            leaky=record.leaky,
            lesions_known=record.lesions_known,
            images={name: len(subset) for name, subset in subsets.items()},
            lesions={name: subset.lesion_count for name, subset in subsets.items()},
            classes=class_counts(subsets["train"], task),
            sources=tuple(sorted({r.dataset for r in manifest})),
            label_origins=label_origins(used),
            label_readers=reader_count(used),
        ),
        training_time=_training_time([run, *others]),
        recipe=recipe.model_dump(mode="json"),
        versions=record.environment | {"starting weights": record.weights},
        licence=recipe.licence,
    )
    path = out or run.bundle
    train, validation = _training_images(subsets["train"]), subsets["validation"]
    exported = Bundle(draft, graph, path)
    if negatives is not None:
        of_train, of_validation = ([manifest.location(record) for record in subset] for subset in (train, validation))
        exported = with_detector(exported, of_train, of_validation, negatives, progress)
    measured = measure_images(exported, [manifest.location(record) for record in (*train, *validation)], progress)
    train_measured, validation_measured = measured[: len(train)], measured[len(train) :]
    fitted = fit_on_validation(
        validation_measured.logits.astype(np.float64), subsets["train"], validation, recipe.inference, task
    )
    reference = make_reference(networks, train_measured, validation_measured)
    reference = replace(reference, validation=validation_statistics(validation_measured, reference, fitted, task))
    training_images = None
    if recipe.inference.training_images and reference.features is not None:
        training_images = index_training_images(train, train_measured.features, reference.features)
    seen_images = SeenImages.of([subsets["train"], validation], record.manifest_sha256)
    with run.locked() if out is None else nullcontext():
        bundle = save_bundle(
            path,
            exported.info.model_copy(update=dict(fitted)),
            exported.graph,
            reference=reference,
            training_images=training_images,
            seen_images=seen_images,
        )
    info = bundle.info
    calibration = info.calibration
    logger.info(
        "bundle %s: %s scaling, temperature %.3f (validation ECE %.3f before, %.3f after: %s), %.1f MB",
        path,
        calibration.method,
        calibration.temperature,
        calibration.ece_before,
        calibration.ece_after,
        "calibration helps" if calibration.ece_after < calibration.ece_before else "calibration does not help",
        len(graph) / 1e6,
    )
    if reference.head is None:
        logger.info("no class activation maps: they need a linear head on the spatial mean of the last feature map")
    return bundle


def _training_time(runs: list[RunFolder]) -> TrainingTime:
    earlier = earlier_runs(runs)
    return TrainingTime(
        seconds=training_seconds(runs), earlier_seconds=None if earlier is None else training_seconds(earlier)
    )


def _segmentation(run: RunFolder, recipe: Recipe) -> SegmentationModel | None:
    """Return the segmentation model that a run was trained with; None for a run without lesion crop."""
    if not recipe.crop.segmentation:
        return None
    found, trained_with = SegmentationModel.load(segmentation_folder(recipe.crop)), run.record().environment
    if found.info.identity != trained_with.get("segmentation"):
        raise DataError(
            f"{run.path} was trained with the segmentation model {trained_with.get('segmentation')}, and "
            f"crop.segmentation={recipe.crop.segmentation} is now {found.info.identity}; restore the earlier model"
        )
    return found


def _lesion_crop(segmentation: SegmentationModel, recipe: Recipe) -> LesionCrop:
    info = segmentation.info
    return LesionCrop(
        segmentation=info.identity,
        threshold=info.threshold,
        margin=recipe.crop.margin,
        size=recipe.input.size,
        dice=info.metrics.get("dice"),
    )


def _check_compatible(run: RunFolder, other: RunFolder) -> None:
    """Check that two runs can be members of one ensemble: same split, task, input, crop and inference settings."""
    first, second = run.record(), other.record()
    if (first.split_sha256, first.fold) != (second.split_sha256, second.fold):
        raise DataError(
            f"{other.path} and {run.path} were trained with different splits, so that each has seen validation lesions "
            "of the other; train both with one split"
        )
    one, two = run.recipe(), other.recipe()
    for name, same in (
        ("task", one.task == two.task),
        ("input", one.input == two.input),
        ("crop", one.crop == two.crop),
        ("inference", one.inference == two.inference),
    ):
        if not same:
            raise DataError(f"{other.path} and {run.path} differ in {name}; an ensemble needs equal settings")


def _training_images(train: Manifest) -> list[ImageRecord]:
    """Return the distinct training images, evenly subsampled to at most `MAX_TRAINING_IMAGES`."""
    files: dict[str, ImageRecord] = {}
    for record in train:
        files.setdefault(record.path, record)
    return list(files.values())[:: math.ceil(len(files) / MAX_TRAINING_IMAGES)]

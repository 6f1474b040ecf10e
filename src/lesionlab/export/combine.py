"""Combination of a dermoscopic and a clinical network in one bundle, fitted on lesions with both images."""

import datetime as dt
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from lesionlab.bundle import (
    IMAGE_TYPES,
    Bundle,
    ClinicalFusion,
    FittedValues,
    ImageType,
    LesionFusion,
    save_bundle,
)
from lesionlab.bundle.fusion import combined_logits, evidence
from lesionlab.bundle.split_recovery import recover_split
from lesionlab.data import ImageRecord, Manifest, images_of_task
from lesionlab.errors import DataError, UsageError
from lesionlab.export.fit import fit_on_validation, inference_of, refit
from lesionlab.export.fusion import fit_weights
from lesionlab.export.measure import measure_images
from lesionlab.metrics.arrays import FloatArray
from lesionlab.runs import RunFolder
from lesionlab.taxonomy import TASKS

Subsets = Mapping[str, frozenset[str]]


def paired_images(dataset: Manifest, lesions: Collection[str], task: str) -> dict[ImageType, Manifest]:
    """Return one dermoscopic and one clinical image of each lesion, by type; the images have the ids of their lesions.

    Lesions without both, or with a label that determines no class of the task, are left out.

    Raises:
        DataError: There is no such pair.
    """
    found: dict[str, dict[str, ImageRecord]] = {kind: {} for kind in IMAGE_TYPES}
    for record in images_of_task(dataset, TASKS[task])[0]:
        if record.lesion_id in lesions and record.image_type in found:
            found[record.image_type].setdefault(record.lesion_id, replace(record, image_id=record.lesion_id))
    paired = set.intersection(*map(set, found.values()))
    if not paired:
        raise DataError(f"{dataset.root}: no lesion of the subset has a dermoscopic and a clinical image")
    return {
        kind: Manifest(dataset.root, tuple(record for name, record in found[kind].items() if name in paired))
        for kind in IMAGE_TYPES
    }


def subsets_of(clinical: Path, bundle: Bundle, dataset: Manifest) -> Subsets:
    """Return the training, validation and test lesions of a clinical model: a run folder, or a bundle.

    Args:
        clinical: Path of the model.
        bundle: Its bundle.
        dataset: The dataset that it was trained on.

    Raises:
        UsageError: The model was trained on other images.
    """
    run = RunFolder(clinical)
    if run.exists():
        manifest, split, fold = run.manifest(), run.split(), run.record().fold
    else:
        images = [record.image_id for record in dataset if record.image_type == bundle.info.image_type]
        recovered = recover_split(bundle.info, dataset.select(images)) if images else None
        if recovered is None:
            raise UsageError(f"{bundle.path}: this model was not trained on {dataset.root}; name its run folder")
        (manifest, split), fold = recovered, None
    lesion_of = {record.image_id: record.lesion_id for record in manifest}
    return {name: frozenset(lesion_of[i] for i in ids) for name, ids in split.subsets(fold).items()}


def combine_bundles(
    dermoscopic: Bundle,
    clinical: Bundle,
    dataset: Manifest,
    subsets: Subsets,
    out: Path,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Bundle:
    """Combine a dermoscopic and a clinical model in one bundle, for lesions with images of either type or of both.

    Calibration, thresholds, decision rule, prediction sets and limits are fitted three times on the validation lesions
    that have both images: for dermoscopic images alone, for clinical ones alone, and for both. No graph changes.

    Args:
        dermoscopic: Model for dermoscopic images.
        clinical: Model for clinical images, of the same task.
        dataset: Dermoscopic and clinical images.
        subsets: Lesions by subset; `train` and `validation` are used.
        out: Folder or `.zip` file to write.
        progress: Called with the number of images done and the total.

    Raises:
        UsageError: The models do not fit together, or the dermoscopic one was trained on validation lesions.
        DataError: No validation lesion has both images.
        ImageError: An image cannot be read.
    """
    _check_compatible(dermoscopic, clinical)
    task = TASKS[dermoscopic.info.task]
    train, validation = (paired_images(dataset, subsets[name], task.name) for name in ("train", "validation"))
    _check_unseen(dermoscopic, subsets["validation"])
    fitted: dict[ImageType, Bundle] = {}
    evidence_of: dict[ImageType, FloatArray] = {}
    total = sum(map(len, validation.values()))
    models: dict[ImageType, Bundle] = {"dermoscopic": dermoscopic, "clinical": clinical}
    for kind, bundle in models.items():
        done_before = total // 2 * len(fitted)

        def report(done: int, _total: int, before: int = done_before) -> None:
            if progress is not None:
                progress(before + done, total)

        images = validation[kind]
        measured = measure_images(bundle, [images.location(record) for record in images], report)
        info, reference = refit(bundle.info, bundle.reference, measured, train[kind], images)
        # There is one image of each type here: the correlation is that of the earlier validation lesions.
        info = info.model_copy(update={"fusion": bundle.info.fusion})
        fitted[kind] = replace(bundle, info=info, reference=reference, evaluation=None)
        probabilities = info.calibration.probabilities(measured.logits.astype(np.float64))
        evidence_of[kind] = evidence(probabilities, np.array(info.calibration.mean_probabilities))
    first, second = fitted["dermoscopic"], fitted["clinical"]
    images = validation["dermoscopic"]
    labels = np.array([task.index(record.diagnosis) for record in images])
    frequencies = np.array(first.info.calibration.mean_probabilities)
    weights = fit_weights(labels, evidence_of, frequencies)
    both: dict[str, object] = dict(
        fit_on_validation(
            combined_logits(evidence_of, frequencies, weights),
            train["dermoscopic"],
            images,
            inference_of(first.info),
            task,
        )
    )
    combined = ClinicalFusion(
        graph_sha256=second.info.graph_sha256,
        weights=weights,
        fitted=FittedValues.model_validate({name: both[name] for name in FittedValues.model_fields}),
        lesions=len(images),
    )
    update = {
        "name": f"{first.info.name}-and-clinical",
        "created": dt.datetime.now(dt.UTC).date().isoformat(),
        "fusion": (first.info.fusion or LesionFusion()).model_copy(update={"clinical": combined}),
    }
    return save_bundle(
        out,
        first.info.model_copy(update=update),
        first.graph,
        reference=first.reference,
        training_images=first.training_images,
        seen_images=first.seen_images,
        clinical=second,
    )


def _check_compatible(dermoscopic: Bundle, clinical: Bundle) -> None:
    for bundle, kind in ((dermoscopic, "dermoscopic"), (clinical, "clinical")):
        if bundle.info.image_types != (kind,):
            taken = " and ".join(bundle.info.image_types)
            raise UsageError(f"{bundle.path} takes {taken} images, and a model for {kind} ones is needed")
    if dermoscopic.info.task != clinical.info.task:
        raise UsageError(
            f"{dermoscopic.path} has the task {dermoscopic.info.task} and {clinical.path} {clinical.info.task}; "
            "combine models of one task"
        )


def _check_unseen(bundle: Bundle, validation: Collection[str]) -> None:
    index = bundle.training_images
    seen = set() if index is None else {name.decode() for name in index.lesion_id.tolist()} & set(validation)
    if seen:
        raise UsageError(
            f"{bundle.path} was trained on {len(seen)} validation lesions of the clinical model, such as {min(seen)}; "
            "train both with one split"
        )

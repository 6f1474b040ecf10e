"""`lesionlab data label-issues`."""

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lesionlab import RESEARCH_ONLY
from lesionlab.cli.console import new_table, note, progress_bar, require_extra, show, show_json, show_table, warn
from lesionlab.cli.hmnist import DatasetFolder
from lesionlab.cli.options import (
    Columns,
    Decisions,
    Force,
    Json,
    Metadata,
    Model,
    NewFolder,
    Unknown,
    existing,
    open_dataset,
    with_decisions,
)
from lesionlab.errors import DataError
from lesionlab.files import check_output, write_text

if TYPE_CHECKING:
    from lesionlab.bundle import Bundle
    from lesionlab.curation import LesionLabel
    from lesionlab.curation.page import ReviewItem
    from lesionlab.data import Manifest
    from lesionlab.metrics.arrays import FloatArray
    from lesionlab.taxonomy import Task

_COLUMNS = ("p_given", "p_suggested", "likely_error", "images", "confirmation", "source")
_SECOND_LOOK = (
    "A place in this list is a reason for a second look, not evidence of an error: models are wrong about difficult "
    "and rare lesions more often than labels are. A label that histology confirmed is less likely to be wrong."
)


_MAY_HAVE_LEARNT = "and may have learnt the errors of their labels"


class Features(StrEnum):
    """The network whose features are used."""

    IMAGENET = "imagenet"
    MODEL = "model"


def label_issues(
    folder: DatasetFolder,
    out: NewFolder,
    predictions: Annotated[
        Path | None,
        typer.Option(
            callback=existing,
            help="Out-of-fold predictions: a folder of `lesionlab cross-validate`, or a predictions.csv of images that "
            "the model was not fitted to. Default: cross-validation on features of a frozen network.",
            show_default=False,
        ),
    ] = None,
    features: Annotated[
        Features,
        typer.Option(help="Frozen network: EfficientNet-Lite0 with ImageNet weights (extra train), or --model."),
    ] = Features.IMAGENET,
    model: Model = None,
    top: Annotated[int, typer.Option(min=1, help="Number of lesions to list.")] = 300,
    seed: Annotated[int, typer.Option(help="Seed of the cross-validation folds.")] = 0,
    metadata: Metadata = None,
    columns: Columns = None,
    unknown: Unknown = "error",
    decisions: Decisions = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """List lesions whose label is worth a second look; write labels.html and decisions.csv for review.

    Confident learning compares each label with the mean probabilities of the lesion's images, from models that were
    not fitted to the lesion. Nothing is changed: fill in the column `decision` (keep, relabel, exclude) and pass the
    file with --decisions to `lesionlab data split`, `train` and `evaluate`.
    """
    require_extra("lesionlab data label-issues", "evaluate", "jinja2")
    from lesionlab.curation import rank_labels, render_review
    from lesionlab.data.decisions import LABEL_COLUMNS, write_decisions

    check_output(out, [folder, *(metadata or ())], force=force)
    manifest = open_dataset(folder, columns, metadata, unknown)
    manifest = with_decisions(manifest, decisions)
    found = (
        _from_features(manifest, features, model, seed)
        if predictions is None
        else _from_predictions(manifest, predictions)
    )
    ranked = rank_labels(found.images.records, found.probabilities, found.task)
    listed = ranked[:top]
    likely = sum(one.likely_error for one in ranked)
    rows = [_row(one) for one in listed]
    write_decisions(out / "decisions.csv", (*LABEL_COLUMNS[:-1], *_COLUMNS, LABEL_COLUMNS[-1]), rows)
    counts = (
        f"{len(ranked):,} labels of lesions ({len(found.images):,} images), likely errors by confident learning: "
        f"{likely:,} ({likely / len(ranked):.1%}). The {len(listed):,} least probable labels are listed."
    )
    summary = [counts, found.origin, *found.warnings, _SECOND_LOOK, "Decisions: decisions.csv, column decision."]
    items = [_item(found.images, one) for one in listed]
    write_text(out / "labels.html", render_review(f"Labels: {manifest.root.resolve().name}", summary, items))
    for warning in found.warnings:
        warn(warning)
    if as_json:
        facts = {"labels": len(ranked), "images": len(found.images), "likely_errors": likely}
        origin = {"probabilities": found.origin, "warnings": found.warnings}
        show_json({**facts, **origin, "listed": rows, "notice": RESEARCH_ONLY})
        return
    _show_table(ranked, listed)
    show(f"{counts} {found.origin}")
    show(f"For review: {out / 'labels.html'} and {out / 'decisions.csv'}. {_SECOND_LOOK}")
    show(RESEARCH_ONLY)


@dataclass(frozen=True)
class _OutOfFold:
    """Probabilities for images, with their origin in words and what limits their use."""

    images: "Manifest"
    task: "Task"
    probabilities: "FloatArray"
    origin: str
    warnings: list[str]


def _from_predictions(manifest: "Manifest", path: Path) -> _OutOfFold:
    from lesionlab.data import images_of_task, left_out_in_words
    from lesionlab.evaluation.predictions_file import find_predictions, read_predictions

    found = read_predictions(find_predictions(path, "test"))
    row_of = {image_id: row for row, image_id in enumerate(found.image_ids)}
    common = [record.image_id for record in manifest if record.image_id in row_of]
    if not common:
        raise DataError(f"{found.model.predictions} has no image of {manifest.root}; predict these images")
    used, left_out = images_of_task(manifest.select(common), found.task)
    for text in (
        left_out_in_words(left_out, found.task),
        _counted(len(manifest) - len(common), "without a prediction"),
        _counted(len(row_of) - len(common), "with a prediction, but not in the dataset"),
    ):
        if text:
            note(text)
    if found.model.unseen is None:
        warnings = [f"It is unknown whether the model was fitted to these images, {_MAY_HAVE_LEARNT}."]
    elif not found.model.unseen or found.model.leaky:
        warnings = [f"LEAKY: the model was fitted to lesions of these images, {_MAY_HAVE_LEARNT}."]
    else:
        warnings = []
    rows = [row_of[record.image_id] for record in used]
    origin = f"Probabilities: predictions of {found.model.name}."
    return _OutOfFold(used, found.task, found.probabilities[rows], origin, warnings)


def _from_features(manifest: "Manifest", features: Features, model: Path | None, seed: int) -> _OutOfFold:
    from lesionlab.bundle import Bundle
    from lesionlab.curation import classes_of_labels, imagenet_features, model_features, predict_out_of_fold
    from lesionlab.curation.out_of_fold import FOLDS
    from lesionlab.data import images_of_task, left_out_in_words

    task = classes_of_labels(manifest, FOLDS)
    used, left_out = images_of_task(manifest, task)
    if left_out:
        note(left_out_in_words(left_out, task))
    warnings = []
    if not used.lesions_known:
        warnings.append("The dataset does not identify lesions: images of one lesion may be in several folds.")
    with progress_bar("computing features") as progress:
        if features is Features.IMAGENET:
            found, network = imagenet_features(used, progress), "EfficientNet-Lite0 with ImageNet weights"
        else:
            bundle = Bundle.load(model)
            found, network = model_features(used, bundle, progress), bundle.info.identity
    if features is Features.MODEL:
        warnings += seen_images(bundle, used)
    origin = f"Probabilities: {FOLDS}-fold cross-validation by lesion, logistic regression on features of {network}."
    return _OutOfFold(used, task, predict_out_of_fold(found, used.records, task, seed), origin, warnings)


def seen_images(bundle: "Bundle", manifest: "Manifest") -> list[str]:
    """Return a warning where a model may have been fitted to images of a dataset, else nothing."""
    if bundle.seen_images is None:
        return [f"It is unknown whether {bundle.info.name} was fitted to these images, {_MAY_HAVE_LEARNT}."]
    with progress_bar("searching for training images") as progress:
        seen, _ = bundle.seen_images.find(
            manifest, bundle.info.training_data.manifest_sha256, identifiers=True, progress=progress
        )
    return (
        [f"LEAKY: {bundle.info.name} was fitted to {len(seen):,} of these images, {_MAY_HAVE_LEARNT}."] if seen else []
    )


def _counted(images: int, which: str) -> str:
    return f"{images:,} image{'s' * (images > 1)} {which}" if images else ""


def _row(one: "LesionLabel") -> dict[str, Any]:
    return {
        "lesion_id": one.lesion_id,
        "given": one.given,
        "suggested": one.suggested,
        "p_given": round(one.probability, 4),
        "p_suggested": round(one.suggested_probability, 4),
        "likely_error": "yes" if one.likely_error else "no",
        "images": " ".join(record.image_id for record in one.records),
        "confirmation": " ".join(sorted({record.dx_type or "unknown" for record in one.records})),
        "source": " ".join(sorted({record.source for record in one.records})),
        "decision": "",
    }


def _item(manifest: "Manifest", one: "LesionLabel") -> "ReviewItem":
    from lesionlab.curation.page import ReviewItem, ShownImage

    images = tuple(
        ShownImage(
            manifest.location(record),
            record.image_id,
            (f"confirmation: {record.dx_type or 'unknown'}", f"source: {record.source}"),
        )
        for record in one.records
    )
    facts = (
        f"probability of {one.given} {one.probability:.3f}, of {one.suggested} {one.suggested_probability:.3f}",
        "among the likely errors of confident learning" if one.likely_error else "not among the likely errors",
    )
    return ReviewItem(f"Lesion {one.lesion_id}: given {one.given}, suggested {one.suggested}", images, facts)


def _show_table(ranked: "list[LesionLabel]", listed: "list[LesionLabel]") -> None:
    table = new_table("given", "lesions", "likely errors", "listed")
    likely = Counter(one.given for one in ranked if one.likely_error)
    shown = Counter(one.given for one in listed)
    for label, count in Counter(one.given for one in ranked).most_common():
        table.add_row(label, f"{count:,}", f"{likely[label]:,}", f"{shown[label]:,}")
    show_table(table)

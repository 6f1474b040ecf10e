"""Cross-validation by lesion: every image is predicted once, by a model that was not fitted on its lesion.

Each fold is the test subset of one model and the validation subset of another. With one fold per source, the images of
a source are the test subset, and the validation lesions come from the other sources. Neither the weights of a model,
nor the selected epoch, nor the calibration depend on its test images.
"""

import csv
import datetime as dt
import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any, Literal

import numpy as np
from rich.console import Console

from lesionlab import RESEARCH_ONLY
from lesionlab.base_models import StrictModel
from lesionlab.bundle import GroupMetrics, WithinSourceAuc
from lesionlab.data import Manifest, Split, draw_subset, leave_source_out, lesion_sources, make_split
from lesionlab.data.groups import UNKNOWN
from lesionlab.errors import DataError, UsageError
from lesionlab.evaluation import EvaluatedSubset, dataset_name
from lesionlab.evaluation.groups import measure_groups
from lesionlab.evaluation.predictions import Predictions
from lesionlab.evaluation.predictions_file import METRICS, PREDICTIONS, find_predictions, read_predictions
from lesionlab.evaluation.results import measure
from lesionlab.experiments.completion import RESAMPLES, Bar, complete_run, describe_platform, no_bar, require_same_run
from lesionlab.files import sha256_of_json, write_json, write_text
from lesionlab.metrics import Estimate, MetricsSummary
from lesionlab.recipes import Recipe, check_classes, usable_images
from lesionlab.runs import RunFolder, require_same_subsets
from lesionlab.training.start import starts_from_bundle
from lesionlab.training.tracking import Tracker

logger = logging.getLogger(__name__)

# Placeholder for the fold in the names of the runs that a recipe depends on.
FOLD_PLACEHOLDER = "{fold}"


class FoldOutcome(StrictModel):
    """Result of one fold.

    Attributes:
        fold: Number of the fold, from 0.
        folder: Run folder, relative to that of the cross-validation.
        bundle: Identity of the model.
        images: Number of images of each subset.
        epochs: Number of trained epochs.
        training_seconds: Duration of the training.
        figures: Overall figures on the images of the fold.
        source: The source that was held out; None for folds by lesion.
        by_source: Figures of the fold by source, with sensitivity and specificity at its model's thresholds.
    """

    fold: int
    folder: str
    bundle: str
    images: dict[str, int]
    epochs: int
    training_seconds: float
    figures: dict[str, Estimate]
    source: str | None = None
    by_source: tuple[GroupMetrics, ...] = ()


class FoldSpread(StrictModel):
    """Distribution of one figure over the folds.

    Attributes:
        mean: Mean.
        sd: Standard deviation, with the number of folds minus one degrees of freedom.
        lowest: Minimum.
        highest: Maximum.
    """

    mean: float
    sd: float
    lowest: float
    highest: float


class CrossValidation(MetricsSummary):
    """The content of a cross-validation's `metrics.json`: figures of the pooled predictions, and the folds.

    The keys are those of an evaluation's `metrics.json`, so that `lesionlab compare` reads both.

    Attributes:
        notice: Limits of use.
        bundle: Name of the recipe and the number of folds.
        task: The task of the models.
        dataset: Sources of the images.
        unseen: Whether no model was fitted on lesions of its test subset.
        leaky: Whether lesions may be shared between training and test.
        lesions_known: Whether the dataset identifies the lesion of each image.
        manifest_sha256: Hash of the manifest.
        split_sha256: Hash of the split into folds, or of the list of the hashes of the splits by source.
        date: Day of writing, ISO 8601.
        environment: Versions, platform, device and precision.
        recipe: All settings, with `{fold}` in place of a fold's number.
        planned: Number of folds in total.
        folds: Finished folds.
        spread: Each overall figure over the finished folds; empty for a single one.
        group_by: `source` if each source was held out in turn; None for folds by lesion.
        by_source: Figures of the pooled predictions by source, without operating points.
        by_confirmation: The same by confirmation of the diagnosis.
        within_source_auc: AUC of the pooled predictions, over all pairs and within source.
    """

    notice: str = RESEARCH_ONLY
    bundle: str
    task: str
    dataset: str
    unseen: bool = True
    leaky: bool
    lesions_known: bool
    manifest_sha256: str
    split_sha256: str
    date: str
    environment: dict[str, str]
    recipe: Recipe
    planned: int
    folds: tuple[FoldOutcome, ...]
    spread: dict[str, FoldSpread]
    group_by: Literal["source"] | None = None
    by_source: tuple[GroupMetrics, ...] = ()
    by_confirmation: tuple[GroupMetrics, ...] = ()
    within_source_auc: tuple[WithinSourceAuc, ...] = ()


@dataclass(frozen=True)
class _Fold:
    """A planned run.

    Attributes:
        recipe: The recipe with the starting weights and teachers of the fold.
        run: Its run folder.
        split: The split that it is trained with.
        fold: Its fold in a split with folds; None for a split of its own.
        source: The source that is held out; None for folds by lesion.
    """

    recipe: Recipe
    run: RunFolder
    split: Split
    fold: int | None
    source: str | None = None


def cross_validate(
    recipe: Recipe,
    manifest: Manifest,
    out: Path,
    *,
    folds: int = 5,
    group_by: Literal["source"] | None = None,
    console: Console | None = None,
    bar: Bar = no_bar,
    trackers: Sequence[Tracker] = (),
) -> CrossValidation:
    """Train and evaluate a recipe once per fold; write `metrics.json` and `predictions.csv` after each fold.

    The folder gets a run folder `fold-K` for each fold, and `split.json` for folds by lesion. Folds by source are in
    the order of the sources' names, and each run folder has its own split. Called again with the same arguments,
    finished folds are kept, and an interrupted training is resumed.

    A recipe that depends on other runs, in `model.start` or `distillation.teachers`, names those of the fold with
    `{fold}`. They must come from a cross-validation with the same folds.

    Args:
        recipe: The recipe. The seed of its split assigns lesions to folds; its fractions are ignored.
        manifest: The complete dataset.
        out: Output folder.
        folds: Number of folds, at least three: one for test, one for validation, the others for training. Ignored with
            `group_by`.
        group_by: `source` holds out each source in turn, with the validation fraction of the recipe from the others.
        console: Where to show the progress of the training; None for none.
        bar: Makes a progress bar with a title.
        trackers: Where to send settings and metrics of each training.

    Raises:
        UsageError: There are too few folds or sources, or the folder holds another cross-validation.
        DataError: The data cannot be used, images have no source, or a run that the recipe depends on does not exist or
            was trained with another split or fold.
    """
    manifest = usable_images(recipe, manifest)
    if recipe.data.images:
        manifest = draw_subset(manifest, recipe.data.images, recipe.seed)
    by_source = group_by == "source"
    plan = _folds_by_source(recipe, manifest, out) if by_source else _folds_by_lesion(recipe, manifest, out, folds)
    for one in plan:  # all checks come before the first training
        check_classes(one.recipe, manifest, one.split, one.fold)
        require_same_run(one.run, one.recipe, manifest, one.split, one.fold)
        if one.recipe.model.start and not starts_from_bundle(one.recipe.model.start):
            require_same_subsets(RunFolder(Path(one.recipe.model.start)), one.split, one.fold, "model.start")
        for teacher in one.recipe.distillation.teachers:
            require_same_subsets(RunFolder(Path(teacher)), one.split, one.fold, "distillation.teachers")
    if not by_source:
        plan[0].split.save(out / "split.json")
    outcomes: list[FoldOutcome] = []
    predictions: list[Predictions] = []
    for number, one in enumerate(plan):
        held_out = f": {one.source} held out" if one.source else ""
        logger.info("fold %d of %d%s", number + 1, len(plan), held_out)
        metrics = complete_run(
            one.run, one.recipe, manifest, one.split, fold=one.fold, console=console, bar=bar, trackers=trackers
        )
        outcomes.append(_outcome(number, one, metrics))
        predictions.append(read_predictions(find_predictions(one.run.path, "test")))
        result = _summary(recipe, manifest, plan, outcomes, predictions)
        finished = [find_predictions(done.run.path, "test") for done in plan[: number + 1]]
        write_text(out / PREDICTIONS, _merged_table(finished))
        write_json(out / METRICS, result.model_dump(mode="json"))
    return result


def _folds_by_lesion(recipe: Recipe, manifest: Manifest, out: Path, folds: int) -> list[_Fold]:
    shares = recipe.split
    split = make_split(
        manifest, test=0, seed=shares.seed, folds=folds, by_image=shares.by_image, rare=bool(manifest.parts)
    )
    return [_Fold(of_fold(recipe, k), RunFolder(out / f"fold-{k}"), split, k) for k in range(folds)]


def _folds_by_source(recipe: Recipe, manifest: Manifest, out: Path) -> list[_Fold]:
    if recipe.split.by_image:
        raise UsageError("split.by_image: folds by source never divide a lesion; set split.by_image=false")
    sources = sorted(set(lesion_sources(manifest).values()))
    if UNKNOWN in sources:
        count = sum(record.source == UNKNOWN for record in manifest)
        raise DataError(
            f"{manifest.root}: {count} images have no source; give it with --columns source=COLUMN, or --metadata"
        )
    if len(sources) == 1:
        raise UsageError(f"{manifest.root}: all images have the source {sources[0]}; folds by source need at least two")
    plan = []
    for k, source in enumerate(sources):
        split = leave_source_out(manifest, source, validation=recipe.split.validation, seed=recipe.split.seed)
        plan.append(_Fold(of_fold(recipe, k), RunFolder(out / f"fold-{k}"), split, None, source))
    return plan


def of_fold(recipe: Recipe, fold: int) -> Recipe:
    """Return a recipe with the starting weights and teachers of a fold."""
    start = recipe.model.start.replace(FOLD_PLACEHOLDER, str(fold)) if recipe.model.start else recipe.model.start
    teachers = tuple(teacher.replace(FOLD_PLACEHOLDER, str(fold)) for teacher in recipe.distillation.teachers)
    return recipe.model_copy(
        update={
            "model": recipe.model.model_copy(update={"start": start}),
            "distillation": recipe.distillation.model_copy(update={"teachers": teachers}),
        }
    )


def _outcome(number: int, one: _Fold, metrics: dict[str, Any]) -> FoldOutcome:
    history = one.run.read_history()
    return FoldOutcome(
        fold=number,
        folder=one.run.path.name,
        bundle=metrics["bundle"],
        images={subset: len(ids) for subset, ids in one.split.subsets(one.fold).items()},
        epochs=len(history),
        training_seconds=round(sum(row["seconds"] for row in history), 1),
        figures={name: Estimate.model_validate(value) for name, value in metrics["overall"].items()},
        source=one.source,
        by_source=tuple(GroupMetrics.model_validate(row) for row in metrics["by_source"]),
    )


def _summary(
    recipe: Recipe,
    manifest: Manifest,
    plan: Sequence[_Fold],
    outcomes: Sequence[FoldOutcome],
    predictions: Sequence[Predictions],
) -> CrossValidation:
    labels = np.concatenate([one.labels for one in predictions])
    probabilities = np.concatenate([one.probabilities for one in predictions])
    predicted = np.concatenate([one.predicted for one in predictions])
    by_id = {record.image_id: record for record in manifest}
    records = tuple(by_id[image_id] for one in predictions for image_id in one.image_ids)
    lesions, task = [record.lesion_id for record in records], predictions[0].task
    metrics = measure(labels, probabilities, lesions, task, predicted=predicted, resamples=RESAMPLES)
    groups = measure_groups(EvaluatedSubset(records, labels, probabilities, (), predicted, metrics, task), ())
    by_source = plan[0].source is not None
    hashes = [one.split.sha256 for one in plan]
    return CrossValidation(
        **dict(metrics),
        bundle=f"{recipe.name} ({f'{len(plan)} sources held out' if by_source else f'{len(plan)} folds'})",
        task=recipe.task,
        dataset=dataset_name(manifest),
        leaky=plan[0].split.leaky,
        lesions_known=manifest.lesions_known,
        manifest_sha256=manifest.sha256,
        split_sha256=sha256_of_json(hashes) if by_source else hashes[0],
        date=dt.datetime.now(dt.UTC).date().isoformat(),
        environment=describe_platform() | plan[len(outcomes) - 1].run.record().environment,
        recipe=recipe,
        planned=len(plan),
        folds=tuple(outcomes),
        spread=_spreads(outcomes),
        group_by="source" if by_source else None,
        by_source=groups.by_source,
        by_confirmation=groups.by_confirmation,
        within_source_auc=groups.within_source_auc,
    )


def _spreads(outcomes: Sequence[FoldOutcome]) -> dict[str, FoldSpread]:
    spreads: dict[str, FoldSpread] = {}
    for name in outcomes[0].figures:
        values = [one.figures[name].value for one in outcomes]
        defined = [value for value in values if value is not None]
        if len(defined) == len(values) > 1:
            spreads[name] = FoldSpread(mean=mean(defined), sd=stdev(defined), lowest=min(defined), highest=max(defined))
    return spreads


def _merged_table(files: Sequence[Path]) -> str:
    """Return the predictions of all folds as one CSV table with their common columns."""
    tables = []
    for file in files:
        with file.open(encoding="utf-8", newline="") as stream:
            tables.append(list(csv.DictReader(stream)))
    columns = [name for name in tables[0][0] if all(name in table[0] for table in tables)]
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(sorted((row for table in tables for row in table), key=lambda row: row["image_id"]))
    return out.getvalue()

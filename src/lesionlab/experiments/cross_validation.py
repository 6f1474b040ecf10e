"""Cross-validation by lesion: every image is predicted once, by a model that was not fitted on its lesion.

Each fold is the test subset of one model and the validation subset of another. Neither the weights of a model, nor the
selected epoch, nor the calibration depend on its test images.
"""

import csv
import datetime as dt
import io
import logging
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
from rich.console import Console

from lesionlab import RESEARCH_ONLY
from lesionlab.base_models import StrictModel
from lesionlab.data import Manifest, Split, draw_subset, make_split
from lesionlab.evaluation import dataset_name
from lesionlab.evaluation.predictions_file import METRICS, PREDICTIONS, Predictions, find_predictions, read_predictions
from lesionlab.evaluation.results import measure
from lesionlab.experiments.completion import RESAMPLES, Bar, complete_run, describe_platform, no_bar, require_same_run
from lesionlab.files import write_json, write_text
from lesionlab.metrics import Estimate, MetricsSummary
from lesionlab.recipes import Recipe, check_classes
from lesionlab.runs import RunFolder

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
    """

    fold: int
    folder: str
    bundle: str
    images: dict[str, int]
    epochs: int
    training_seconds: float
    figures: dict[str, Estimate]


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
        split_sha256: Hash of the split into folds.
        date: Day of writing, ISO 8601.
        environment: Versions, platform, device and precision.
        recipe: All settings, with `{fold}` in place of a fold's number.
        planned: Number of folds in total.
        folds: Finished folds.
        spread: Each overall figure over the finished folds; empty for a single one.
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


def cross_validate(
    recipe: Recipe,
    manifest: Manifest,
    out: Path,
    *,
    folds: int = 5,
    console: Console | None = None,
    bar: Bar = no_bar,
) -> CrossValidation:
    """Train and evaluate a recipe once per fold; write `metrics.json` and `predictions.csv` after each fold.

    The folder gets `split.json` and a run folder `fold-K` for each fold. Called again with the same arguments, finished
    folds are kept, and an interrupted training is resumed.

    A recipe that depends on other runs, in `model.start` or `distillation.teachers`, names those of the fold with
    `{fold}`. They must come from a cross-validation with the same folds, or the result is leaky.

    Args:
        recipe: The recipe. The seed of its split assigns lesions to folds; its fractions are ignored.
        manifest: The complete dataset.
        out: Output folder.
        folds: Number of folds, at least three: one for test, one for validation, the others for training.
        console: Where to show the progress of the training; None for none.
        bar: Makes a progress bar with a title.

    Raises:
        UsageError: There are too few folds, or the folder holds another cross-validation.
        DataError: The data cannot be used, or a run that the recipe depends on does not exist.
    """
    if recipe.data.images:
        manifest = draw_subset(manifest, recipe.data.images, recipe.seed)
    split = make_split(manifest, test=0, seed=recipe.split.seed, folds=folds, by_image=recipe.split.by_image)
    runs = [(of_fold(recipe, fold), RunFolder(out / f"fold-{fold}")) for fold in range(folds)]
    for fold, (own, run) in enumerate(runs):  # all checks come before the first training
        check_classes(own, manifest, split, fold)
        require_same_run(run, own, manifest, split, fold)
        for other in filter(None, (own.model.start, *own.distillation.teachers)):
            RunFolder(Path(other)).record()
    split.save(out / "split.json")
    outcomes: list[FoldOutcome] = []
    predictions: list[Predictions] = []
    for fold, (own, run) in enumerate(runs):
        logger.info("fold %d of %d", fold + 1, folds)
        metrics = complete_run(run, own, manifest, split, fold=fold, console=console, bar=bar)
        outcomes.append(_outcome(fold, run, split, metrics))
        predictions.append(read_predictions(find_predictions(run.path, "test")))
        environment = run.record().environment
        result = _summary(recipe, manifest, split, outcomes, predictions, environment)
        write_text(
            out / PREDICTIONS, _merged_table([find_predictions(run.path, "test") for _, run in runs[: fold + 1]])
        )
        write_json(out / METRICS, result.model_dump(mode="json"))
    return result


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


def _outcome(fold: int, run: RunFolder, split: Split, metrics: dict[str, Any]) -> FoldOutcome:
    history = run.read_history()
    return FoldOutcome(
        fold=fold,
        folder=run.path.name,
        bundle=metrics["bundle"],
        images={subset: len(ids) for subset, ids in split.subsets(fold).items()},
        epochs=len(history),
        training_seconds=round(sum(row["seconds"] for row in history), 1),
        figures={name: Estimate.model_validate(value) for name, value in metrics["overall"].items()},
    )


def _summary(
    recipe: Recipe,
    manifest: Manifest,
    split: Split,
    outcomes: Sequence[FoldOutcome],
    predictions: Sequence[Predictions],
    environment: dict[str, str],
) -> CrossValidation:
    metrics = measure(
        np.concatenate([one.labels for one in predictions]),
        np.concatenate([one.probabilities for one in predictions]),
        [lesion for one in predictions for lesion in one.lesion_ids],
        predictions[0].task,
        predicted=np.concatenate([one.predicted for one in predictions]),
        resamples=RESAMPLES,
    )
    return CrossValidation(
        **dict(metrics),
        bundle=f"{recipe.name} ({split.folds} folds)",
        task=recipe.task,
        dataset=dataset_name(manifest),
        leaky=split.leaky,
        lesions_known=manifest.lesions_known,
        manifest_sha256=manifest.sha256,
        split_sha256=split.sha256,
        date=dt.datetime.now(dt.UTC).date().isoformat(),
        environment=describe_platform() | environment,
        recipe=recipe,
        planned=split.folds or 0,
        folds=tuple(outcomes),
        spread=_spreads(outcomes),
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

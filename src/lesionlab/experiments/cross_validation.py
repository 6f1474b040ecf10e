"""Cross-validation by lesion: every image judged once, by a model that knows nothing of its lesion.

Each fold is the test part once and the validation part of another model once, so that neither the weights, nor the
epoch at which they were taken, nor the calibration of a model has seen what it is judged on.
"""

import csv
import datetime as dt
import io
import logging
import platform
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict
from rich.console import Console

from lesionlab import RESEARCH_ONLY, __version__
from lesionlab.data import Manifest, Split, draw_subset, make_split
from lesionlab.evaluation import dataset_name
from lesionlab.evaluation.predictions_file import METRICS, PREDICTIONS, Predictions, find_predictions, read_predictions
from lesionlab.evaluation.results import measure
from lesionlab.experiments.completion import RESAMPLES, Bar, complete_run, no_bar, require_same_run
from lesionlab.files import write_json, write_text
from lesionlab.metrics import Estimate, MetricsSummary
from lesionlab.recipes import Recipe, check_classes
from lesionlab.runs import RunFolder

logger = logging.getLogger(__name__)

# What a recipe may say in the names of the runs that it builds on.
PLACE_OF_FOLD = "{fold}"


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FoldOutcome(_Record):
    """What came out of one fold.

    Attributes:
        fold: Its number, from 0.
        folder: Its run folder, within that of the cross-validation.
        bundle: Identity of the model.
        images: Number of images in each part.
        epochs: Epochs trained.
        training_seconds: Time that they took.
        figures: Overall figures on the images of the fold.
    """

    fold: int
    folder: str
    bundle: str
    images: dict[str, int]
    epochs: int
    training_seconds: float
    figures: dict[str, Estimate]


class Spread(_Record):
    """One figure over the folds.

    Attributes:
        mean: Mean of the folds' figures.
        sd: Their standard deviation, with one degree of freedom less than folds.
        lowest: The least of them.
        highest: The greatest of them.
    """

    mean: float
    sd: float
    lowest: float
    highest: float


class CrossValidation(MetricsSummary):
    """The content of a cross-validation's `metrics.json`: the figures of all answers together, and the folds.

    It names things as the `metrics.json` of an evaluation does, so that `lesionlab compare` reads it.

    Attributes:
        notice: What the figures are not for.
        bundle: Name of the recipe, and that it stands for the models of several folds.
        task: What they tell apart.
        dataset: Sources of the images.
        unseen: Whether no model knows a lesion that it is judged on.
        leaky: Whether images of one lesion may stand on both sides of a split.
        lesions_known: Whether the dataset tells which images show one lesion.
        manifest_sha256: Hash of the manifest.
        split_sha256: Hash of the split into folds.
        date: Day on which it was written.
        environment: Versions, platform, device and precision.
        recipe: Every setting as it was run, `{fold}` in place of a fold's number.
        planned: Number of folds in all.
        folds: Those that are done.
        spread: Each overall figure over the folds that are done; empty before the second.
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
    spread: dict[str, Spread]


def cross_validate(
    recipe: Recipe,
    manifest: Manifest,
    out: Path,
    *,
    folds: int = 5,
    console: Console | None = None,
    bar: Bar = no_bar,
) -> CrossValidation:
    """Train and judge a recipe once for each fold; write `metrics.json` and `predictions.csv` after each of them.

    The folder gets `split.json` and a run folder `fold-K` for each fold. Called again with the same arguments, what is
    finished stays, and an interrupted training goes on.

    A recipe that builds on other runs, in `model.start` or `distillation.teachers`, names those of the fold with
    `{fold}`: they must come from a cross-validation with the same folds, or would know the lesions.

    Args:
        recipe: What to train. The seed of its split deals the lesions; its shares have no meaning here.
        manifest: The whole dataset.
        out: The folder.
        folds: Number of folds, three at least: one for the test, one for validation, the rest for training.
        console: Where to show the progress of the training; None shows none.
        bar: Called with a few words, gives a context whose value is told the things done and the things in all.

    Raises:
        UsageError: There are too few folds, or the folder holds another cross-validation.
        DataError: The data does not allow it, or a run that the recipe builds on does not exist.
    """
    if recipe.data.images:
        manifest = draw_subset(manifest, recipe.data.images, recipe.seed)
    split = make_split(manifest, test=0, seed=recipe.split.seed, folds=folds, by_image=recipe.split.by_image)
    runs = [(of_fold(recipe, fold), RunFolder(out / f"fold-{fold}")) for fold in range(folds)]
    for fold, (own, run) in enumerate(runs):  # before the first training, which may be hours before the last
        check_classes(own, manifest, split, fold)
        require_same_run(run, own, manifest, split, fold)
        for other in filter(None, (own.model.start, *own.distillation.teachers)):
            RunFolder(Path(other)).record()
    split.save(out / "split.json")
    outcomes: list[FoldOutcome] = []
    answers: list[Predictions] = []
    for fold, (own, run) in enumerate(runs):
        logger.info("fold %d of %d", fold + 1, folds)
        metrics = complete_run(run, own, manifest, split, fold=fold, console=console, bar=bar)
        outcomes.append(_outcome(fold, run, split, metrics))
        answers.append(read_predictions(find_predictions(run.path, "test")))
        environment = run.record().environment
        found = _together(recipe, manifest, split, outcomes, answers, environment)
        write_text(out / PREDICTIONS, _one_table([find_predictions(run.path, "test") for _, run in runs[: fold + 1]]))
        write_json(out / METRICS, found.model_dump(mode="json"))
    return found


def of_fold(recipe: Recipe, fold: int) -> Recipe:
    """Return a recipe whose starting weights and teachers are those of a fold."""
    start = recipe.model.start.replace(PLACE_OF_FOLD, str(fold)) if recipe.model.start else recipe.model.start
    teachers = tuple(teacher.replace(PLACE_OF_FOLD, str(fold)) for teacher in recipe.distillation.teachers)
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
        images={part: len(ids) for part, ids in split.parts(fold).items()},
        epochs=len(history),
        training_seconds=round(sum(row["seconds"] for row in history), 1),
        figures={name: Estimate.model_validate(value) for name, value in metrics["overall"].items()},
    )


def _together(
    recipe: Recipe,
    manifest: Manifest,
    split: Split,
    outcomes: Sequence[FoldOutcome],
    answers: Sequence[Predictions],
    environment: dict[str, str],
) -> CrossValidation:
    together = measure(
        np.concatenate([one.labels for one in answers]),
        np.concatenate([one.probabilities for one in answers]),
        [lesion for one in answers for lesion in one.lesion_ids],
        answers[0].task,
        predicted=np.concatenate([one.decisions for one in answers]),
        resamples=RESAMPLES,
    )
    return CrossValidation(
        **dict(together),
        bundle=f"{recipe.name} ({split.folds} folds)",
        task=recipe.task,
        dataset=dataset_name(manifest),
        leaky=split.leaky,
        lesions_known=manifest.lesions_known,
        manifest_sha256=manifest.sha256,
        split_sha256=split.sha256,
        date=dt.datetime.now(dt.UTC).date().isoformat(),
        environment={
            "lesionlab": __version__,
            "python": platform.python_version(),
            "platform": f"{platform.system()} {platform.machine()}",
            **environment,
        },
        recipe=recipe,
        planned=split.folds or 0,
        folds=tuple(outcomes),
        spread=_spreads(outcomes),
    )


def _spreads(outcomes: Sequence[FoldOutcome]) -> dict[str, Spread]:
    found: dict[str, Spread] = {}
    for name in outcomes[0].figures:
        values = [one.figures[name].value for one in outcomes]
        defined = [value for value in values if value is not None]
        if len(defined) == len(values) > 1:
            found[name] = Spread(mean=mean(defined), sd=stdev(defined), lowest=min(defined), highest=max(defined))
    return found


def _one_table(files: Sequence[Path]) -> str:
    """Return the predictions of the folds as one table; their columns are those that all have."""
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

"""Cross-validation by lesion: every image is predicted once, by a model that was not fitted on its lesion.

Each fold is the test subset of one model and the validation subset of another. With one fold per source, the images of
a source are the test subset, and the validation lesions come from the other sources. Neither the weights of a model,
nor the selected epoch, nor the calibration depend on its test images.
"""

import csv
import io
import logging
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from lesionlab.data import Manifest, draw_subset, without_copies
from lesionlab.errors import LesionlabError
from lesionlab.evaluation.predictions import Predictions
from lesionlab.evaluation.predictions_file import METRICS, PREDICTIONS, find_predictions, read_predictions
from lesionlab.experiments.completion import Bar, complete_run, no_bar, require_same_run
from lesionlab.experiments.fold_results import CrossValidation, FoldOutcome, outcome_of, summarize
from lesionlab.experiments.folds import Fold, folds_by_lesion, folds_by_source
from lesionlab.experiments.workers import Ended, opened_workers, run_here
from lesionlab.files import write_json, write_text
from lesionlab.recipes import Recipe, check_classes, usable_images
from lesionlab.runs import RunFolder, require_same_subsets
from lesionlab.training.cache import open_network_inputs
from lesionlab.training.start import starts_from_bundle
from lesionlab.training.tracking import Tracker, prepare_trackers

logger = logging.getLogger(__name__)


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
    jobs: int = 1,
    ray: str | None = None,
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
        jobs: Number of folds at a time, each in a process with its share of the cores.
        ray: Address of a Ray cluster for the folds, as in `opened_workers`; None for processes of this machine.

    Raises:
        UsageError: There are too few folds or sources, or the folder holds another cross-validation.
        DataError: The data cannot be used, images have no source, or a run that the recipe depends on does not exist or
            was trained with another split or fold.
        LesionlabError: A fold failed; the others are finished.
    """
    manifest = usable_images(recipe, manifest)
    if recipe.data.images:
        manifest = draw_subset(manifest, recipe.data.images, recipe.seed)
    by_source = group_by == "source"
    plan = folds_by_source(recipe, manifest, out) if by_source else folds_by_lesion(recipe, manifest, out, folds)
    for one in plan:  # all checks come before the first training
        check_classes(one.recipe, manifest, one.split, one.fold)
        require_same_run(one.run, one.recipe, manifest, one.split, one.fold)
        if one.recipe.model.start and not starts_from_bundle(one.recipe.model.start):
            require_same_subsets(RunFolder(Path(one.recipe.model.start)), one.split, one.fold, "model.start")
        for teacher in one.recipe.distillation.teachers:
            require_same_subsets(RunFolder(Path(teacher)), one.split, one.fold, "distillation.teachers")
    if not by_source:
        plan[0].split.save(out / "split.json")
    calls = [(number, plan, manifest, trackers) for number in range(len(plan))]
    jobs = min(jobs, len(plan))
    with opened_workers(jobs, ray) as workers:
        if workers is None:
            return _collect(recipe, manifest, out, plan, run_here(partial(_complete, console=console, bar=bar), calls))
        if not all(one.run.exists() and one.run.record().finished for one in plan):
            with bar("decoding images") as progress:  # once, and not once in each process
                open_network_inputs(without_copies(manifest), plan[0].recipe, progress)
            prepare_trackers(trackers, recipe.name)
        logger.info("%d folds, %d at a time", len(plan), jobs)
        return _collect(recipe, manifest, out, plan, workers.run(_complete, calls))


def _complete(
    number: int,
    plan: Sequence[Fold],
    manifest: Manifest,
    trackers: Sequence[Tracker],
    *,
    console: Console | None = None,
    bar: Bar = no_bar,
) -> dict[str, Any]:
    one = plan[number]
    held_out = f": {one.source} held out" if one.source else ""
    logger.info("fold %d of %d%s", number + 1, len(plan), held_out)
    return complete_run(
        one.run, one.recipe, manifest, one.split, fold=one.fold, console=console, bar=bar, trackers=trackers
    )


def _collect(
    recipe: Recipe, manifest: Manifest, out: Path, plan: Sequence[Fold], ends: Iterable[Ended]
) -> CrossValidation:
    """Write the figures of the finished folds, in the order of the folds, whenever one has ended."""
    outcomes: dict[int, FoldOutcome] = {}
    predictions: dict[int, Predictions] = {}
    failed: dict[int, str] = {}
    result: CrossValidation | None = None
    for end in ends:
        name = f"fold {end.index + 1} of {len(plan)}"
        if end.error:
            failed[end.index] = end.error
            logger.info("%s failed", name)
            continue
        logger.info("%s finished", name)
        one = plan[end.index]
        outcomes[end.index] = outcome_of(end.index, one, end.value)
        predictions[end.index] = read_predictions(find_predictions(one.run.path, "test"))
        done = sorted(outcomes)
        result = summarize(
            recipe, manifest, plan, [outcomes[number] for number in done], [predictions[number] for number in done]
        )
        finished = [find_predictions(plan[number].run.path, "test") for number in done]
        write_text(out / PREDICTIONS, _merged_table(finished))
        write_json(out / METRICS, result.model_dump(mode="json"))
    if failed or result is None:
        first = min(failed)
        raise LesionlabError(
            f"{len(failed)} of {len(plan)} folds failed, fold {first + 1}: {failed[first]}; the same command again "
            "runs what is missing"
        )
    return result


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

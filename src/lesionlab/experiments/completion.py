"""One run from whatever state it is in to its figures: trained, exported, judged."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from rich.console import Console

from lesionlab.bundle import Bundle
from lesionlab.data import Manifest, Split
from lesionlab.errors import DataError, UsageError
from lesionlab.evaluation import evaluate_run
from lesionlab.evaluation.figures.curves import write_curves
from lesionlab.evaluation.predictions_file import METRICS
from lesionlab.export import export_run
from lesionlab.recipes import Recipe
from lesionlab.runs import RunFolder
from lesionlab.training import train_recipe

RESAMPLES = 1000

Bar = Callable[[str], AbstractContextManager[Callable[[int, int], None]]]


@contextmanager
def no_bar(_: str) -> Iterator[Callable[[int, int], None]]:
    """Show nothing."""
    yield lambda done, total: None  # noqa: ARG005 # nobody watches


def complete_run(
    run: RunFolder,
    recipe: Recipe,
    manifest: Manifest,
    split: Split,
    *,
    fold: int | None = None,
    subset: str = "test",
    console: Console | None = None,
    bar: Bar = no_bar,
) -> dict[str, Any]:
    """Train, export and judge a run as far as that is not done yet, and return its `metrics.json`.

    A finished training is not repeated and a part that was judged is not read again; an interrupted training goes on.

    Args:
        run: The run folder, which need not exist.
        recipe: What to train.
        manifest: The images.
        split: Their parts.
        fold: Which fold of a split with folds.
        subset: The part to judge.
        console: Where to show the progress of the training; None shows none.
        bar: Called with a few words, gives a context whose value is told the things done and the things in all.

    Raises:
        UsageError: The folder holds another run.
        DataError: The data does not allow it, or a file of the run is damaged.
    """
    require_same_run(run, recipe, manifest, split, fold)
    if not (run.exists() and run.record().finished):
        with bar("decoding images") as decoding:
            train_recipe(
                recipe, manifest, run.path, split=split, fold=fold, console=console, decoding_progress=decoding
            )
        write_curves(run.read_history(), run.curves, monitor=recipe.training.monitor, leaky=run.record().leaky)
    if not run.bundle.exists():
        with bar("calibrating") as progress:
            export_run(run, data_root=manifest.root, progress=progress)
    metrics = _metrics(run, subset)
    if metrics is None or metrics.get("prediction_sha256") != Bundle.load(run.bundle).info.prediction_sha256:
        with bar("judging images") as progress:
            evaluate_run(run, subset=subset, data_root=manifest.root, resamples=RESAMPLES, progress=progress)
        metrics = _metrics(run, subset) or {}
    return metrics


def require_same_run(run: RunFolder, recipe: Recipe, manifest: Manifest, split: Split, fold: int | None = None) -> None:
    """Refuse a folder that holds another run than the one that is to be completed in it.

    Raises:
        UsageError: It holds a run of another recipe, dataset, split or fold.
    """
    if not run.exists():
        return
    found = run.record()
    same = (found.manifest_sha256, found.split_sha256, found.fold) == (manifest.sha256, split.sha256, fold)
    if run.recipe() != recipe or not same:
        raise UsageError(
            f"{run.path} holds a run of another recipe, dataset or split; move it away or choose another --out"
        )


def _metrics(run: RunFolder, subset: str) -> dict[str, Any] | None:
    """Return what was measured on a part, None if nothing was. `metrics.json` is written last."""
    path = run.evaluation / subset / METRICS
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is damaged ({error}); move it away and run the same command again") from error
    if not isinstance(found, dict):
        raise DataError(f"{path} is damaged; move it away and run the same command again")
    return found

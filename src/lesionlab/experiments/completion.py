"""Completion of a run from any state: training, export and evaluation."""

import json
import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from lesionlab import __version__
from lesionlab.bundle import Bundle
from lesionlab.data import Manifest, Split
from lesionlab.errors import DataError, UsageError
from lesionlab.evaluation import evaluate_run
from lesionlab.evaluation.figures.curves import write_curves
from lesionlab.evaluation.predictions_file import METRICS
from lesionlab.export import export_run
from lesionlab.export.dermoscopy import read_negatives
from lesionlab.recipes import Recipe
from lesionlab.runs import RunFolder
from lesionlab.training import train_recipe
from lesionlab.training.processes import ALONE, Processes
from lesionlab.training.tracking import Tracker, tracked

RESAMPLES = 1000

Bar = Callable[[str], AbstractContextManager[Callable[[int, int], None]]]


@contextmanager
def no_bar(_: str) -> Iterator[Callable[[int, int], None]]:
    """Make a progress bar that shows nothing."""
    yield lambda done, total: None  # noqa: ARG005 - the interface of a progress bar


def describe_platform() -> dict[str, str]:
    """Return the versions of lesionlab and Python, and the platform."""
    return {
        "lesionlab": __version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
    }


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
    trackers: Sequence[Tracker] = (),
) -> dict[str, Any]:
    """Train, export and evaluate a run as far as not done yet; return its `metrics.json`.

    Finished steps are not repeated, and an interrupted training is resumed.

    Args:
        run: The run folder; it need not exist.
        recipe: The recipe.
        manifest: The images.
        split: Their subsets.
        fold: Validation fold of a split with folds.
        subset: Subset to evaluate.
        console: Where to show the progress of the training; None for none.
        bar: Makes a progress bar with a title.
        trackers: Where to send settings and metrics of the training.

    Raises:
        UsageError: The folder holds another run.
        DataError: The data cannot be used, or a file of the run is damaged.
    """
    bundle = train_and_export(run, recipe, manifest, split, fold=fold, console=console, bar=bar, trackers=trackers)
    metrics = _metrics(run, subset)
    if metrics is None or metrics.get("prediction_sha256") != bundle.info.prediction_sha256:
        with bar("predicting") as progress:
            evaluate_run(run, subset=subset, data_root=manifest.root, resamples=RESAMPLES, progress=progress)
        metrics = _metrics(run, subset) or {}
    return metrics


def train_and_export(
    run: RunFolder,
    recipe: Recipe,
    manifest: Manifest,
    split: Split,
    *,
    fold: int | None = None,
    device: str | None = None,
    console: Console | None = None,
    bar: Bar = no_bar,
    trackers: Sequence[Tracker] = (),
    processes: Processes = ALONE,
) -> Bundle:
    """Complete the training, the learning curves and the bundle of a run.

    The arguments are those of `complete_run`, and `device` and `processes` those of `train_recipe`. The first process
    alone exports the bundle, shows progress and has trackers.
    """
    if not processes.is_first:
        console, bar, trackers = None, no_bar, ()
    if not processes.by_first(lambda: _is_trained(run, recipe, manifest, split, fold)):
        with bar("decoding images") as decoding, tracked(run, trackers) as callbacks:
            train_recipe(
                recipe,
                manifest,
                run.path,
                split=split,
                fold=fold,
                device=device,
                console=console,
                decoding_progress=decoding,
                callbacks=callbacks,
                processes=processes,
            )
    processes.by_first(lambda: _export(run, recipe, manifest, bar))
    return Bundle.load(run.bundle)


def _is_trained(run: RunFolder, recipe: Recipe, manifest: Manifest, split: Split, fold: int | None) -> bool:
    require_same_run(run, recipe, manifest, split, fold)
    if recipe.inference.negatives:
        read_negatives(Path(recipe.inference.negatives))  # an error belongs before the training
    return run.exists() and run.record().finished


def _export(run: RunFolder, recipe: Recipe, manifest: Manifest, bar: Bar) -> None:
    if run.bundle.exists():
        return
    write_curves(run.read_history(), run.curves, monitor=recipe.training.monitor, leaky=run.record().leaky)
    with bar("calibrating") as progress:
        export_run(run, data_root=manifest.root, progress=progress)


def require_same_run(run: RunFolder, recipe: Recipe, manifest: Manifest, split: Split, fold: int | None = None) -> None:
    """Check that a folder does not hold another run.

    Raises:
        UsageError: It holds a run of another recipe, dataset, split or fold.
    """
    if not run.exists():
        return
    record = run.record()
    same = (record.manifest_sha256, record.split_sha256, record.fold) == (manifest.sha256, split.sha256, fold)
    if run.recipe() != recipe or not same:
        raise UsageError(
            f"{run.path} holds a run of another recipe, dataset or split; move it away or choose another --out"
        )


def _metrics(run: RunFolder, subset: str) -> dict[str, Any] | None:
    """Return the metrics of a subset; None if there are none. An evaluation writes `metrics.json` last."""
    path = run.evaluation / subset / METRICS
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is damaged ({error}); move it away and run the same command again") from error
    if not isinstance(metrics, dict):
        raise DataError(f"{path} is damaged; move it away and run the same command again")
    return metrics

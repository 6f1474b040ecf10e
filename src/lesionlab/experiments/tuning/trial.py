"""One trial: a training whose epochs are reported to the study."""

import math
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import numpy as np
import optuna
import pytorch_lightning as pl
from rich.console import Console

from lesionlab.bundle.npz import npz_bytes, read_npz
from lesionlab.data import Manifest, Split
from lesionlab.errors import DataError, DivergenceError, MemoryExhaustedError, RecipeError
from lesionlab.experiments.tuning.space import SearchSpace
from lesionlab.files import replacing, try_lock
from lesionlab.metrics.arrays import FloatArray, IntArray
from lesionlab.runs import RunFolder
from lesionlab.training import train_recipe
from lesionlab.training.module import LesionModule

_PREDICTIONS = "validation.npz"
_LOCK = "lock"

# Repeated, such a trial would fail again.
CAUSED_BY_SETTINGS = (DivergenceError, RecipeError, MemoryExhaustedError)


class TrialRunner:
    """Trains the recipe of a trial, and returns the monitored metric of its best epoch.

    Args:
        space: The search space.
        manifest: The images.
        split: Their split; the test subset is not read.
        fold: The fold for validation, if the split has folds.
        folder: Folder of all trials.
        device: As in `train_recipe`.
        console: Where to show the progress; None for none.
        begun: Called when a trial exists in the study.
    """

    def __init__(
        self,
        space: SearchSpace,
        manifest: Manifest,
        split: Split,
        fold: int | None,
        folder: Path,
        device: str | None,
        console: Console | None,
        begun: Callable[[], None],
    ) -> None:
        self._space, self._manifest, self._split, self._fold = space, manifest, split, fold
        self._folder, self._device, self._console, self._begun = folder, device, console, begun
        self.number = -1

    def __call__(self, trial: optuna.Trial) -> float:
        """Run a trial, or resume it.

        Raises:
            TrialPruned: The trial is worse than the others.
            DivergenceError: Its loss is not a finite number.
            RecipeError: Its settings contradict each other.
        """
        self.number = trial.number
        self._begun()
        # A repeated trial has the attributes of the first attempt.
        name = trial.user_attrs.get("folder", f"trial-{trial.number:04}")
        (self._folder / name).mkdir(parents=True, exist_ok=True)
        with (self._folder / name / _LOCK).open("w", encoding="utf-8") as lock:
            if not try_lock(lock):  # a process that was taken for dead, and was only stopped
                name = f"trial-{trial.number:04}"
            trial.set_user_attr("folder", name)
            recipe = self._space.suggest(trial)
            run, metric = RunFolder(self._folder / name), recipe.training.monitor
            try:
                if not (run.exists() and run.record().finished):
                    train_recipe(
                        recipe,
                        self._manifest,
                        run.path,
                        split=self._split,
                        fold=self._fold,
                        device=self._device,
                        console=self._console,
                        callbacks=[EpochReport(run, metric, trial)],
                        decode_test=False,
                    )
            except (*CAUSED_BY_SETTINGS, optuna.TrialPruned):
                _finish(trial, run)
                raise
            history = _finish(trial, run)
            return best_value([row[f"validation_{metric}"] for row in history], minimize=metric == "loss")


def _finish(trial: optuna.Trial, run: RunFolder) -> list[dict[str, float]]:
    """Note the epochs of a trial that is not resumed, and return them."""
    history = run.read_history()
    trial.set_user_attr("epochs", len(history))
    trial.set_user_attr("seconds", round(sum(row["seconds"] for row in history), 1))
    # The weights of hundreds of trials fill a disk; those of the best one follow from its recipe.
    shutil.rmtree(run.last.parent, ignore_errors=True)
    return history


class EpochReport(pl.Callback):
    """Reports the monitored metric of each epoch, and ends a trial that the study prunes.

    It is called before the epoch is recorded: after a kill in between, the epoch is repeated with the same values. The
    trial ends when the next epoch begins, so that the history of a pruned trial is complete.

    Args:
        run: Folder of the trial.
        metric: The monitored metric.
        trial: The trial.
    """

    def __init__(self, run: RunFolder, metric: str, trial: optuna.Trial) -> None:
        self._run, self._trial = run, trial
        self._column, self._minimize = f"validation_{metric}", metric == "loss"
        self._prune = False

    def on_train_epoch_start(self, _trainer: pl.Trainer, _module: pl.LightningModule) -> None:
        """End a pruned trial."""
        if self._prune:
            raise optuna.TrialPruned

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Report the epoch, and keep the validation predictions of the best one."""
        module = cast(LesionModule, pl_module)
        epoch = module.stage.first_epoch + trainer.current_epoch + 1
        value = float(trainer.callback_metrics[self._column])
        earlier = [row[self._column] for row in self._run.read_history() if row["epoch"] < epoch]
        best = best_value([*earlier, value], minimize=self._minimize)
        if module.validated is not None and (value == best or not earlier) and best not in earlier:
            labels, probabilities = module.validated
            with replacing(self._run.path / _PREDICTIONS, binary=True) as stream:
                stream.write(npz_bytes({"labels": labels, "probabilities": probabilities}))
        self._trial.report(value, epoch)
        self._prune = self._trial.should_prune()


def read_validation(folder: Path) -> tuple[IntArray, FloatArray] | None:
    """Return the labels, [N], and probabilities, [N, C], of a trial's best epoch; None if they are not in this folder.

    Raises:
        DataError: The file is damaged.
    """
    path = folder / _PREDICTIONS
    with suppress(FileNotFoundError):
        try:
            arrays = read_npz(path.read_bytes())
            return arrays["labels"], arrays["probabilities"]
        except (KeyError, ValueError) as error:
            raise DataError(f"{path} is damaged ({error}); remove it") from error
    return None


def best_value(values: Sequence[float], *, minimize: bool) -> float:
    """Return the best of the values that are defined; nan without one."""
    defined: Any = [value for value in values if not math.isnan(value)]
    return float((np.min if minimize else np.max)(defined)) if defined else math.nan

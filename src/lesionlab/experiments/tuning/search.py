"""The search: trials in this process or in several, until the study has as many as it should."""

import logging
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import optuna
from optuna.trial import FrozenTrial
from rich.console import Console

from lesionlab.data import Manifest, Split, without_copies
from lesionlab.errors import LesionlabError
from lesionlab.evaluation.wording import number
from lesionlab.experiments.completion import Bar, no_bar
from lesionlab.experiments.tuning.report import TuningResult, summarize, write_results
from lesionlab.experiments.tuning.space import SearchSpace
from lesionlab.experiments.tuning.study import (
    StudySettings,
    Turn,
    ended_trials,
    fail_dead_trials,
    missing_trials,
    opened_study,
    repeat_failed,
)
from lesionlab.experiments.tuning.trial import CAUSED_BY_SETTINGS, TrialRunner
from lesionlab.experiments.workers import Workers, opened_workers
from lesionlab.recipes import check_classes
from lesionlab.training.cache import open_network_inputs
from lesionlab.training.train import fitted_images

logger = logging.getLogger(__name__)

_WAIT_SECONDS: Final = 1


@dataclass(frozen=True)
class Search:
    """All that a process needs to run trials.

    Attributes:
        space: The search space.
        manifest: The images.
        split: Their split.
        fold: The fold for validation, if the split has folds.
        folder: Output folder.
        settings: The study.
        device: As in `lesionlab.training.train_recipe`.
    """

    space: SearchSpace
    manifest: Manifest
    split: Split
    fold: int | None
    folder: Path
    settings: StudySettings
    device: str | None

    @property
    def identity(self) -> object:
        """What must not change between two starts, as JSON."""
        data = [self.manifest.sha256, self.split.sha256, self.fold]
        return [self.space.model_dump(mode="json"), data]


def tune(
    space: SearchSpace,
    manifest: Manifest,
    split: Split,
    folder: Path,
    settings: StudySettings,
    *,
    fold: int | None = None,
    device: str | None = None,
    console: Console | None = None,
    bar: Bar = no_bar,
    ray: str | None = None,
) -> TuningResult:
    """Search the settings with the best monitored validation metric; write `recipe.toml`, `trials.csv`, `report.html`.

    The recipe's own settings are the first trial, if the space contains them. Called again after an interruption, the
    search goes on with the trials that are missing; those that were interrupted are resumed. Images of the test subset
    are not read.

    Args:
        space: The recipe and the searched settings.
        manifest: The images.
        split: Their split.
        folder: Output folder. Each trial has a run folder in `trials/`, without weights.
        settings: The study.
        fold: The fold for validation, if the split has folds.
        device: As in `lesionlab.training.train_recipe`.
        console: Where to show the progress of a training; None for none.
        bar: Makes a progress bar with a title.
        ray: Address of a Ray cluster for the trials, as in `opened_workers`; None for processes of this machine.

    Raises:
        UsageError: The storage holds another study of this name.
        DataError: The data cannot be used.
        LesionlabError: The database cannot be opened, there is no cluster at the address, a process has ended, or no
            trial was completed.
    """
    check_classes(space.recipe, manifest, split, fold)
    search = Search(space, manifest, split, fold, folder, settings, device)
    folder.mkdir(parents=True, exist_ok=True)
    with opened_workers(settings.jobs, ray) as workers, opened(search) as study:
        if (present := space.present()) is not None and not study.get_trials(deepcopy=False):
            study.enqueue_trial(present, skip_if_exists=True)
        if missing_trials(study, settings.trials) > 0:
            with bar("decoding images") as progress:
                open_network_inputs(without_copies(fitted_images(manifest, split, fold)), space.recipe, progress)
        progress_log = ProgressLog(search, study)
        if workers is None:
            run_trials(search, study, console, progress_log)
        else:
            _run_workers(search, study, workers, progress_log)
        result = summarize(study, space, manifest, split, fold, folder)
    write_results(result, space, folder)
    return result


def opened(search: Search, worker: int = 0) -> AbstractContextManager[optuna.Study]:
    """Open the study of a search."""
    recipe = search.space.recipe
    return opened_study(
        search.settings,
        search.folder,
        minimize=recipe.training.monitor == "loss",
        identity=search.identity,
        seed=recipe.seed,
        worker=worker,
    )


class ProgressLog:
    """Logs each trial that has ended since the last call.

    Args:
        search: The search.
        study: Its study.
    """

    def __init__(self, search: Search, study: optuna.Study) -> None:
        self._search, self._study = search, study
        self._known = {trial.number for trial in ended_trials(study)}
        if self._known:
            logger.info("resuming the study after %d of %d trials", len(self._known), search.settings.trials)

    def __call__(self) -> None:
        """Log the new ones."""
        ended = ended_trials(self._study)
        for trial in ended:
            if trial.number not in self._known:
                self._known.add(trial.number)
                logger.info("%s", self._line(trial, len(self._known)))

    def _line(self, trial: FrozenTrial, count: int) -> str:
        metric = self._search.space.recipe.training.monitor.replace("_", " ")
        settings = ", ".join(f"{key}={value}" for key, value in trial.params.items())
        value = f"{metric} {number(trial.value)}, " if trial.value is not None else ""
        total = self._search.settings.trials
        return f"trial {trial.number} {trial.state.name.lower()} ({count}/{total}): {value}{settings}"


def run_trials(search: Search, study: optuna.Study, console: Console | None, ended: ProgressLog | None = None) -> None:
    """Run trials until none is missing; those of dead processes are repeated."""
    turn = Turn(search.folder / "turn.lock")
    runner = TrialRunner(
        search.space,
        search.manifest,
        search.split,
        search.fold,
        search.folder / "trials",
        search.device,
        console,
        turn.leave,
    )
    while True:
        turn.take()
        try:
            fail_dead_trials(study)
            if missing_trials(study, search.settings.trials) > 0:
                _run_one(study, runner)
                if ended is not None:
                    ended()
                continue
        finally:
            turn.leave()
        if len(ended_trials(study)) >= search.settings.trials:
            return
        time.sleep(_WAIT_SECONDS)  # until the running trials of other processes have ended, or are taken for dead


def _run_one(study: optuna.Study, runner: TrialRunner) -> None:
    try:
        study.optimize(runner, n_trials=1, catch=CAUSED_BY_SETTINGS)
    except optuna.exceptions.UpdateFinishedTrialError:
        logger.warning("trial %d was repeated by another process; its result here is not used", runner.number)
    except BaseException:
        if runner.number >= 0:
            repeat_failed(study, runner.number)
        raise


def _run_workers(search: Search, study: optuna.Study, workers: Workers, ended: ProgressLog) -> None:
    calls = [(search, worker) for worker in range(1, search.settings.jobs + 1)]
    for end in workers.run(_work, calls, ended):
        if end.error:  # the others run its trial again
            logger.warning("process %d of %d ended with an error: %s", end.index + 1, len(calls), end.error)
    ended()
    if len(ended_trials(study)) < search.settings.trials:
        raise LesionlabError(
            "all processes have ended before the last trial, with the errors above; run the same command again to "
            "resume the study"
        )


def _work(search: Search, worker: int) -> None:
    with opened(search, worker) as study:
        run_trials(search, study, None)

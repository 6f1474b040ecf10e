"""The Optuna study: its storage, which of its trials have ended, and what is repeated after a kill."""

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

import numpy as np
import optuna
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from lesionlab.base_models import StrictModel
from lesionlab.errors import LesionlabError, UsageError
from lesionlab.files import cannot_write, sha256_of_json, try_lock

_RETRIES: Final = 3
_MISSED_BEATS: Final = 6
_SQLITE_WAIT_SECONDS: Final = 60
_POLL_SECONDS: Final = 0.05
_IDENTITY: Final = "identity"


class StudySettings(StrictModel):
    """Where a study is stored and how it is run.

    Attributes:
        name: Name of the study in its storage.
        storage: URL of the database; empty for the SQLite file in the output folder.
        trials: Number of trials that the study has in the end.
        jobs: Number of processes.
        pruning: Whether a trial ends early whose best value so far is worse than the median of the others at this
            epoch.
        heartbeat: Seconds between two signs of life of a trial. After six of them without one, another process takes it
            for dead and repeats it.
    """

    name: str
    storage: str = ""
    trials: int
    jobs: int = 1
    pruning: bool = True
    heartbeat: int = 10


@contextmanager
def opened_study(
    settings: StudySettings, folder: Path, *, minimize: bool, identity: object, seed: int = 0, worker: int = 0
) -> Iterator[optuna.Study]:
    """Open a study, which is created if it does not exist.

    Args:
        settings: Its name and storage.
        folder: Folder of the SQLite file.
        minimize: Whether a low value is better.
        identity: Recipe, search space and data as JSON, which cannot change between two starts.
        seed: Seed of the sampler.
        worker: Number of this process among those that are started together.

    Raises:
        UsageError: The storage holds another study of this name, or its URL is invalid.
        LesionlabError: The database cannot be opened, or is lost in the block.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    url, shown = _url(settings.storage, folder)
    options = {"connect_args": {"timeout": _SQLITE_WAIT_SECONDS}} if url.startswith("sqlite") else {}
    pruners = optuna.pruners
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        # The values of repeated epochs of a resumed trial are the same as before.
        warnings.filterwarnings("ignore", message=".*is already reported")
        try:
            storage = RDBStorage(
                url,
                engine_kwargs={"pool_pre_ping": True, **options},
                heartbeat_interval=settings.heartbeat,
                grace_period=_MISSED_BEATS * settings.heartbeat,
                heartbeat_stale_trial_callback=_queue_again,
            )
            study = optuna.create_study(
                storage=storage,
                study_name=settings.name,
                direction="minimize" if minimize else "maximize",
                pruner=pruners.MedianPruner(n_warmup_steps=1) if settings.pruning else pruners.NopPruner(),
                load_if_exists=True,
            )
        except (ArgumentError, NoSuchModuleError, ImportError) as error:
            raise UsageError(f"--storage {shown} is not the URL of a database that works here: {error}") from error
        except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
            raise LesionlabError(f"the study in {shown} cannot be opened: {_first_line(error)}") from error
        try:
            _check_identity(study, settings, shown, sha256_of_json(identity))
            # Another seed at each start: the sampler would otherwise repeat the first trials of the study.
            sequence = np.random.SeedSequence([seed, len(study.get_trials(deepcopy=False)), worker])
            study.sampler = optuna.samplers.TPESampler(seed=int(sequence.generate_state(1)[0]))
            yield study
        except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
            raise LesionlabError(
                f"the study in {shown} was lost: {_first_line(error)}; run the same command again to resume it"
            ) from error
        finally:
            storage.remove_session()
            storage.engine.dispose()


def ended_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that count: completed, pruned, or failed and not repeated."""
    trials = study.get_trials(deepcopy=False)
    repeated = {number for trial in trials for number in trial.system_attrs.get("retry_history", ())}
    return [trial for trial in trials if trial.state.is_finished() and trial.number not in repeated]


def missing_trials(study: optuna.Study, total: int) -> int:
    """Return how many trials are neither ended nor running."""
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    return total - len(ended_trials(study)) - len(running)


def fail_dead_trials(study: optuna.Study) -> None:
    """Queue the trials again whose process has given no sign of life."""
    optuna.storages.fail_stale_trials(study)


def repeat_failed(study: optuna.Study, number: int) -> None:
    """Queue a trial again that an error ended which its settings did not cause, such as a full disk."""
    trial = study.get_trials()[number]
    if trial.state is TrialState.FAIL:
        _queue_again(study, trial)


def _queue_again(study: optuna.Study, trial: FrozenTrial) -> None:
    """Queue a trial with the same settings and the values of its epochs: its training is resumed after the last one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        RetryHeartbeatStaleTrialCallback(max_retry=_RETRIES, inherit_intermediate_values=True)(study, trial)


class Turn:
    """Lets one process of this machine at a time find that a trial is missing and begin it.

    Args:
        path: File for the lock.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream: IO[str] | None = None

    def take(self) -> None:
        """Wait until no other process has the turn."""
        try:
            self._stream = self._path.open("a", encoding="utf-8")
        except OSError as error:
            raise cannot_write(self._path, error) from error
        while not try_lock(self._stream):
            time.sleep(_POLL_SECONDS)

    def leave(self) -> None:
        """Let another process have the turn."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None


def _url(storage: str, folder: Path) -> tuple[str, str]:
    """Return the URL for SQLAlchemy, and one without the password."""
    if not storage:
        file = folder / "study.db"
        return f"sqlite:///{file.resolve()}", str(file)
    try:
        url = make_url(storage)
    except ArgumentError as error:
        raise UsageError(f"--storage {storage!r} is not a URL such as postgresql://user@host/database") from error
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    return url.render_as_string(hide_password=False), url.render_as_string()


def _first_line(error: Exception) -> str:
    return str(error.__cause__ or error).splitlines()[0]


def _check_identity(study: optuna.Study, settings: StudySettings, shown: str, identity: str) -> None:
    found = study.user_attrs.get(_IDENTITY)
    if found is None and not study.get_trials(deepcopy=False):
        study.set_user_attr(_IDENTITY, identity)
    elif found != identity:
        raise UsageError(
            f"{shown} holds a study {settings.name!r} of another recipe, search space, dataset or split; "
            "choose another --out or --study"
        )

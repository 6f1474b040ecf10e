"""Experiment trackers behind Lightning's loggers: MLflow, TensorBoard, Weights & Biases. Off unless asked for.

What is sent is the table in docs/tracking.md: settings, hashes and metrics. Images, predictions and weights are not.
"""

import json
import logging
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, cast, get_args

import pytorch_lightning as pl
from pytorch_lightning.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger

from lesionlab import __version__
from lesionlab.base_models import StrictModel
from lesionlab.errors import LesionlabError, UsageError
from lesionlab.files import write_json
from lesionlab.runs import HISTORY_COLUMNS, RunFolder
from lesionlab.training.module import LesionModule

logger = logging.getLogger(__name__)

Kind = Literal["mlflow", "tensorboard", "wandb"]
_PROJECT = "lesionlab"
_FOLDERS = {"mlflow": "mlruns", "tensorboard": "tensorboard", "wandb": "wandb"}
_RUN_IDS = "tracking.json"
_MESSAGE_LENGTH = 200
# Defaults without usage statistics, and without minutes of retries in each epoch while a server is away.
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "WANDB_ERROR_REPORTING": "false",
}


class Tracker(StrictModel):
    """A tracker.

    Attributes:
        kind: Its name.
        target: URL of a server, or folder; empty for the default of the tracker.
    """

    kind: Kind
    target: str = ""

    @property
    def is_url(self) -> bool:
        """Whether the target is a URL."""
        return "://" in self.target


def parse_tracker(text: str) -> Tracker:
    """Return the tracker of `mlflow`, `mlflow=http://host:5000`, `tensorboard=FOLDER`.

    Raises:
        UsageError: The tracker is unknown, or cannot have this target.
    """
    kind, _, target = text.partition("=")
    if kind not in get_args(Kind):
        raise UsageError(f"--track {text}: the trackers are {', '.join(get_args(Kind))}, each with =URL or =FOLDER")
    tracker = Tracker(kind=cast(Kind, kind), target=target)
    if tracker.is_url and kind == "tensorboard":
        raise UsageError(f"--track {text}: TensorBoard writes to a folder, and not to a URL")
    return tracker


@contextmanager
def tracked(run: RunFolder, trackers: Sequence[Tracker]) -> Iterator[list[pl.Callback]]:
    """Yield the callbacks that send a training to trackers; at the end its runs there are closed."""
    tracking = [Tracking(run, tracker) for tracker in trackers]
    try:
        yield [*tracking]
    except BaseException:
        for one in tracking:
            one.close("failed")
        raise
    for one in tracking:
        one.close("success")


def prepare_trackers(trackers: Sequence[Tracker], recipe_name: str) -> None:
    """Create the database and the experiment of MLflow, which trainings that begin together would create twice.

    Raises:
        LesionlabError: MLflow cannot be reached.
    """
    for tracker in trackers:
        if tracker.kind != "mlflow":
            continue
        _set_environment()
        from mlflow.tracking import MlflowClient

        try:
            uri, artifacts = _mlflow_store(tracker)
            client = MlflowClient(uri)
            if client.get_experiment_by_name(recipe_name) is None:
                client.create_experiment(recipe_name, artifact_location=artifacts)
        except Exception as error:  # MLflow's and those of its database have no common base
            raise LesionlabError(f"--track mlflow: {_first_line(error)}") from error


class Tracking(pl.Callback):
    """Sends the settings of a run, and the metrics of each epoch.

    A tracker that cannot be reached is an error at the start, and a warning later: the training goes on.

    Args:
        run: The run folder. It keeps the identifier of the run in the tracker, which a resumed training goes on with.
        tracker: The tracker.
    """

    def __init__(self, run: RunFolder, tracker: Tracker) -> None:
        self._run, self._tracker = run, tracker
        self._logger: Logger | None = None

    def on_fit_start(self, _trainer: pl.Trainer, _module: pl.LightningModule) -> None:
        """Open the run in the tracker, at the start of the first stage.

        Raises:
            LesionlabError: The tracker cannot be reached.
        """
        if self._logger is not None:
            return
        try:
            self._logger, resumed = self._open()
            if not resumed:
                self._logger.log_hyperparams(describe_run(self._run))
        except Exception as error:  # the trackers have no common base
            raise LesionlabError(f"--track {self._tracker.kind}: {_first_line(error)}") from error

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Send the metrics of an epoch."""
        module = cast(LesionModule, pl_module)
        values = {name: float(value) for name, value in trainer.callback_metrics.items() if name in HISTORY_COLUMNS}
        values["learning_rate"] = trainer.optimizers[0].param_groups[0]["lr"]
        known = {name: value for name, value in values.items() if value == value}  # noqa: PLR0124 - not nan
        step = module.stage.first_epoch + trainer.current_epoch + 1
        self._send(f"epoch {step}", lambda to: to.log_metrics(known, step=step))

    def close(self, status: str) -> None:
        """End the run in the tracker as `success` or `failed`."""
        self._send("the end of the training", lambda to: to.finalize(status))
        if isinstance(self._logger, WandbLogger):  # the next training of this process is another run
            self._send("the end of the training", lambda to: to.experiment.finish(exit_code=int(status != "success")))
        self._logger = None

    def _send(self, what: str, call: Any) -> None:
        if self._logger is None:
            return
        try:
            call(self._logger)
        except Exception as error:  # noqa: BLE001 - the trackers have no common base, and none may end a training
            logger.warning("%s cannot be reached, and misses %s: %s", self._tracker.kind, what, _first_line(error))

    def _open(self) -> tuple[Logger, bool]:
        """Return the logger, and whether it goes on with an earlier run."""
        _set_environment()
        ids = self._read_ids()
        key = f"{self._tracker.kind}={self._tracker.target}"
        found = ids.get(key)
        opened, identifier = _OPEN[self._tracker.kind](self._tracker, self._run, found)
        if identifier and identifier != found:
            write_json(self._run.path / _RUN_IDS, {**ids, key: identifier})
        return opened, found is not None

    def _read_ids(self) -> dict[str, str]:
        try:
            ids: dict[str, str] = json.loads((self._run.path / _RUN_IDS).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return ids


def _set_environment() -> None:
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def describe_run(run: RunFolder) -> dict[str, Any]:
    """Return the settings and hashes of a run under flat names: `optimizer.learning_rate`, `run.split_sha256`."""
    record = run.record()
    found: dict[str, Any] = {}
    for table, settings in run.recipe().model_dump(mode="json", exclude={"published"}).items():
        if isinstance(settings, dict):
            found |= {f"{table}.{key}": value for key, value in settings.items()}
        else:
            found[table] = settings
    kept = ("manifest_sha256", "split_sha256", "fold", "leaky", "lesions_known")
    found |= {f"run.{key}": getattr(record, key) for key in kept}
    found |= {f"environment.{key}": value for key, value in record.environment.items()}
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in found.items()} | {
        "environment.lesionlab": __version__
    }


def _mlflow_store(tracker: Tracker) -> tuple[str, str | None]:
    """Return the URI of the database or server, and of the folder for artifacts where lesionlab chooses it."""
    import mlflow  # noqa: F401 - which sets the levels of its own loggers

    for name in ("mlflow", "alembic"):  # the creation of a database, table by table
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("pytorch_lightning.loggers.mlflow").setLevel(logging.ERROR)
    uri = tracker.target if tracker.is_url else "" if tracker.target else os.environ.get("MLFLOW_TRACKING_URI", "")
    artifacts = None
    if not uri:
        folder = Path(tracker.target or _FOLDERS["mlflow"]).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        uri, artifacts = f"sqlite:///{folder / 'mlflow.db'}", (folder / "artifacts").as_uri()
    return uri, artifacts


def _open_mlflow(tracker: Tracker, run: RunFolder, run_id: str | None) -> tuple[Logger, str | None]:
    uri, artifacts = _mlflow_store(tracker)
    opened = MLFlowLogger(
        experiment_name=run.record().recipe_name,
        run_name=str(run.path),
        tracking_uri=uri,
        artifact_location=artifacts,
        run_id=run_id,
    )
    return opened, opened.run_id


def _open_tensorboard(tracker: Tracker, run: RunFolder, _run_id: str | None) -> tuple[Logger, str | None]:
    folder = tracker.target or _FOLDERS["tensorboard"]
    path = run.path.resolve()
    return TensorBoardLogger(folder, path.parent.name, path.name, default_hp_metric=False), None


def _open_wandb(tracker: Tracker, run: RunFolder, run_id: str | None) -> tuple[Logger, str | None]:
    import wandb

    identifier = run_id or secrets.token_hex(4)
    offline = bool(tracker.target) and not tracker.is_url
    folder = Path(tracker.target if offline else _FOLDERS["wandb"])
    folder.mkdir(parents=True, exist_ok=True)
    settings = wandb.Settings(**({"base_url": tracker.target} if tracker.is_url else {}), silent=True)
    opened = WandbLogger(
        name=str(run.path),
        project=_PROJECT,
        group=run.record().recipe_name,
        save_dir=folder,
        id=identifier,
        resume="allow",
        offline=offline,
        settings=settings,
    )
    _ = opened.experiment  # connects
    return opened, identifier


_OPEN = {"mlflow": _open_mlflow, "tensorboard": _open_tensorboard, "wandb": _open_wandb}


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:_MESSAGE_LENGTH]

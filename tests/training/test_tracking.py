"""Trackers receive the settings and metrics of a training; without a tracker nothing is sent."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from lesionlab.data import Manifest
from lesionlab.errors import LesionlabError, UsageError
from lesionlab.recipes import Recipe
from lesionlab.runs import RunFolder
from lesionlab.training import train_recipe
from lesionlab.training.callbacks import RunRecorder
from lesionlab.training.tracking import Tracker, parse_tracker, tracked

MakeRecipe = Callable[..., Recipe]
KillAtCall = Callable[[object, str, int], AbstractContextManager[None]]
METRICS = ("train_loss", "validation_loss", "validation_balanced_accuracy", "validation_macro_auc", "learning_rate")


@pytest.fixture(autouse=True)
def levels() -> Iterator[None]:
    """Restore the levels of the trackers' loggers."""
    loggers = [logging.getLogger(name) for name in ("mlflow", "alembic", "pytorch_lightning.loggers.mlflow")]
    before = [one.level for one in loggers]
    yield
    for one, level in zip(loggers, before, strict=True):
        one.setLevel(level)


def train(recipe: Recipe, manifest: Manifest, folder: Path, *trackers: str) -> RunFolder:
    run = RunFolder(folder)
    with tracked(run, [parse_tracker(text) for text in trackers]) as callbacks:
        return train_recipe(recipe, manifest, folder, callbacks=callbacks)


def test_a_tracker_is_named_with_its_target() -> None:
    assert parse_tracker("mlflow") == Tracker(kind="mlflow")
    assert parse_tracker("mlflow=http://host:5000") == Tracker(kind="mlflow", target="http://host:5000")
    assert parse_tracker("wandb=logs") == Tracker(kind="wandb", target="logs")
    with pytest.raises(UsageError, match="the trackers are mlflow, tensorboard, wandb"):
        parse_tracker("comet")
    with pytest.raises(UsageError, match="TensorBoard writes to a folder"):
        parse_tracker("tensorboard=http://host")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the trackers' own code
def test_mlflow_and_tensorboard_receive_a_run_that_was_resumed(
    phantoms: Manifest, make_recipe: MakeRecipe, kill_at_call: KillAtCall, tmp_path: Path
) -> None:
    from mlflow.tracking import MlflowClient
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    recipe = make_recipe("training.epochs=3")
    trackers = (f"mlflow={tmp_path / 'store'}", f"tensorboard={tmp_path / 'logs'}")
    with kill_at_call(RunRecorder, "on_train_epoch_end", 2):
        train(recipe, phantoms, tmp_path / "runs" / "one", *trackers)
    run = train(recipe, phantoms, tmp_path / "runs" / "one", *trackers)
    history = run.read_history()

    client = MlflowClient(f"sqlite:///{tmp_path / 'store' / 'mlflow.db'}")
    (experiment,) = client.search_experiments(filter_string="name = 'phantom-demo'")
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.info.status == "FINISHED"
    assert found.info.run_name == str(run.path)
    assert found.data.params["optimizer.learning_rate"] == "0.002"
    assert found.data.params["run.split_sha256"] == run.split().sha256
    assert found.data.params["run.leaky"] == "false"
    assert not any(str(phantoms.root) in value for value in found.data.params.values())
    for name in METRICS:
        sent = {point.step: point.value for point in client.get_metric_history(found.info.run_id, name)}
        assert sent == pytest.approx({int(row["epoch"]): row[name] for row in history}), name

    events = EventAccumulator(str(tmp_path / "logs" / "runs" / "one")).Reload()
    for name in METRICS:
        shown = {point.step: point.value for point in events.Scalars(name)}
        assert shown == pytest.approx({int(row["epoch"]): row[name] for row in history}, rel=1e-5), name


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_tracker_that_is_lost_does_not_end_the_training(
    phantoms: Manifest, make_recipe: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: Any, **__: Any) -> None:
        raise ConnectionError("the server is away")

    monkeypatch.setattr("pytorch_lightning.loggers.TensorBoardLogger.log_metrics", lost)
    recipe = make_recipe("training.epochs=1")
    run = train(recipe, phantoms, tmp_path / "run", f"tensorboard={tmp_path / 'logs'}")
    assert run.record().finished
    assert "tensorboard cannot be reached, and misses epoch 1: the server is away" in run.log.read_text()
    monkeypatch.setattr("pytorch_lightning.loggers.TensorBoardLogger.log_hyperparams", lost)
    with pytest.raises(LesionlabError, match="--track tensorboard: the server is away"):
        train(recipe, phantoms, tmp_path / "other", f"tensorboard={tmp_path / 'logs'}")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_wandb_offline_receives_a_run(
    phantoms: Manifest, make_recipe: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = train(make_recipe("training.epochs=1"), phantoms, tmp_path / "run", f"wandb={tmp_path / 'logs'}")
    (identifier,) = json.loads((run.path / "tracking.json").read_text()).values()
    (file,) = (tmp_path / "logs").rglob(f"*{identifier}*.wandb")
    content = file.read_bytes()
    for name in (*METRICS, "optimizer.learning_rate", run.split().sha256):
        assert name.encode() in content

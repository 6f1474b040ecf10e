"""A study on SQLite and on PostgreSQL goes on after its process was killed, and is shared by several processes."""

import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from lesionlab.data import Manifest
from lesionlab.runs import RunFolder
from tests.ray_nodes import TwoNodes

_LIMIT = 1500  # seconds; a minute on an idle machine
TINY = (
    "--set=model.backbone=test_efficientnet",
    "--set=model.pretrained=false",
    "--set=input.size=32",
    "--set=training.batch_size=16",
    "--range=optimizer.learning_rate=1e-4:1e-2:log",
)


def start(data: Path, out: Path, log: Path, *options: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "lesionlab", "tune", "phantom-demo", "--data", str(data), "--out", str(out)]
    with log.open("ab") as stream:
        return subprocess.Popen([*command, *TINY, *options], stdout=subprocess.DEVNULL, stderr=stream)


def trials_in(url: str) -> list[FrozenTrial]:
    """Return the trials of a study, and close the connections."""
    storage = RDBStorage(url)
    try:
        return optuna.load_study(study_name="phantom-demo", storage=storage).trials
    finally:
        storage.remove_session()
        storage.engine.dispose()


@pytest.mark.slow
@pytest.mark.timeout(2 * _LIMIT)
@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_killed_study_goes_on(
    database: str, phantoms: Manifest, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    out = tmp_path / "out"
    url = request.getfixturevalue("postgresql") if database == "postgresql" else f"sqlite:///{out / 'study.db'}"
    options = ["--trials=2", "--set=training.epochs=8", "--no-pruning", "--heartbeat=2"]
    options += [f"--storage={url}"] if database == "postgresql" else []
    killed = RunFolder(out / "trials/trial-0001")
    process = start(phantoms.root, out, tmp_path / "log", *options)
    deadline = time.monotonic() + _LIMIT
    while len(killed.read_history()) < 2:
        assert process.poll() is None, (tmp_path / "log").read_text(encoding="utf-8")
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    epochs = len(killed.read_history())
    again = start(phantoms.root, out, tmp_path / "log", *options)
    assert again.wait(_LIMIT) == 0, (tmp_path / "log").read_text(encoding="utf-8")
    trials = trials_in(url.replace("postgresql:", "postgresql+psycopg:"))
    assert [trial.state for trial in trials] == [TrialState.COMPLETE, TrialState.FAIL, TrialState.COMPLETE]
    assert trials[2].params == trials[1].params
    assert trials[2].user_attrs["folder"] == "trial-0001"
    assert 2 <= epochs < 8
    assert f"resuming {killed.path} after epoch {epochs} of 8" in killed.log.read_text(encoding="utf-8")
    assert len(killed.read_history()) == 8
    assert len((out / "trials.csv").read_text(encoding="utf-8").splitlines()) == 3


@pytest.mark.slow
@pytest.mark.timeout(2 * _LIMIT)
def test_two_processes_share_a_study(phantoms: Manifest, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = ("--trials=5", "--jobs=2", "--set=training.epochs=1")
    assert start(phantoms.root, out, tmp_path / "log", *options).wait(_LIMIT) == 0, (tmp_path / "log").read_text()
    trials = trials_in(f"sqlite:///{out / 'study.db'}")
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 5
    assert len({trial.params["optimizer.learning_rate"] for trial in trials}) == 5
    spans = sorted((trial.datetime_start, trial.datetime_complete) for trial in trials)
    assert any(later[0] < earlier[1] for earlier, later in pairwise(spans))  # type: ignore[operator]


@pytest.mark.slow
@pytest.mark.timeout(2 * _LIMIT)
@pytest.mark.filterwarnings("ignore")  # of Ray, on import and on leftovers of the processes that are killed here
def test_a_trial_on_a_cluster_is_repeated_when_its_worker_is_lost(
    two_nodes: TwoNodes, phantoms: Manifest, tmp_path: Path
) -> None:
    out, log = tmp_path / "out", tmp_path / "log"
    options = ("--trials=3", "--jobs=2", "--set=training.epochs=8", "--no-pruning", "--heartbeat=2")
    process = start(phantoms.root, out, log, *options, f"--ray={two_nodes.address}")
    first = RunFolder(out / "trials/trial-0000")
    while len(first.read_history()) < 2:
        assert process.poll() is None, log.read_text(encoding="utf-8")
        time.sleep(0.02)
    for worker in two_nodes.workers("_on_node"):
        worker.kill()
    assert process.wait(_LIMIT) == 0, log.read_text(encoding="utf-8")
    assert "Warning" not in log.read_text(encoding="utf-8")
    assert "resuming" in first.log.read_text(encoding="utf-8")
    states = [trial.state for trial in trials_in(f"sqlite:///{out / 'study.db'}")]
    assert states.count(TrialState.COMPLETE) == 3
    assert TrialState.FAIL in states
    assert len((out / "trials.csv").read_text(encoding="utf-8").splitlines()) == 4

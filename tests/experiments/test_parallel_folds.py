"""Folds in several processes: the results of one process, after a kill of any process, and with one fold that fails."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from lesionlab.data import Manifest
from lesionlab.runs import RunFolder
from tests.interrupts import INTERRUPTIBLE
from tests.ray_nodes import TwoNodes

_LIMIT = 1500  # seconds; two minutes on an idle machine
_EPOCHS = 12
_MORE_EPOCHS = 80  # so that no fold ends while another one is started again
pytestmark = [pytest.mark.slow, pytest.mark.timeout(2 * _LIMIT)]

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(phantoms: Manifest, tmp_path: Path) -> Start:
    """Return a function that starts `lesionlab cross-validate` in a process group of its own."""

    def run(out: str, *options: str) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-c", INTERRUPTIBLE, "cross-validate", "phantom-demo", "--data", str(phantoms.root)]
        command += ["--out", out, "--folds=3", f"--set=training.epochs={_EPOCHS}", "--set=training.batch_size=16"]
        command += ["--set=model.backbone=test_efficientnet", "--set=model.pretrained=false", "--set=input.size=32"]
        command += ["--set=training.precision=32-true", *options]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, cwd=tmp_path, start_new_session=True, **pipes)

    return run


def wait_for_epoch(run: RunFolder, process: "subprocess.Popen[bytes]") -> None:
    """Wait until a fold has been trained for one more epoch."""
    deadline, before = time.monotonic() + _LIMIT, len(run.read_history())
    while len(run.read_history()) <= before:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def finished(process: "subprocess.Popen[bytes]", code: int) -> tuple[str, str]:
    """Return standard output and standard error of a command that ends with this exit code."""
    output, errors = process.communicate(timeout=_LIMIT)
    assert process.returncode == code, errors
    assert b"Traceback" not in errors
    return output.decode(), errors.decode()


def results(out: Path) -> tuple[str, Any]:
    """Return the predictions, and the metrics without what differs between two runs."""
    metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    for fold in metrics["folds"]:
        del fold["training_seconds"]
    return (out / "predictions.csv").read_text(encoding="utf-8"), metrics


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_killed_and_failed_folds_are_resumed(start: Start, tmp_path: Path) -> None:
    out = tmp_path / "two"
    folds = [RunFolder(out / f"fold-{number}") for number in range(3)]

    # The command itself is killed.
    process = start("two", "--jobs=2")
    wait_for_epoch(folds[0], process)
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate()
    assert not psutil.wait_procs(children, timeout=60)[1]

    # Ctrl-C, which a terminal sends to all processes.
    process = start("two", "--jobs=2")
    wait_for_epoch(folds[0], process)
    children = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)
    assert finished(process, 130)[1].splitlines()[-1] == "error: interrupted; to resume, run the same command again"
    assert not psutil.wait_procs(children, timeout=60)[1]

    # The process of one fold is killed: the others go on.
    process = start("two", "--jobs=2")
    wait_for_epoch(folds[0], process)
    history = folds[0].path / "history.csv"
    (child,) = (
        child
        for child in psutil.Process(process.pid).children()
        if str(folds[0].log) in {file.path for file in child.open_files()}
    )
    child.kill()
    last = finished(process, 1)[1].splitlines()[-1]
    assert last.startswith("error: 1 of 3 folds failed, fold 1: its process was ended by SIGKILL")
    assert len(history.read_text(encoding="utf-8").splitlines()) <= _EPOCHS
    assert [fold["fold"] for fold in results(out)[1]["folds"]] == [1, 2]

    assert "fold 1 of 3 finished" in finished(start("two", "--jobs=2"), 0)[1]
    assert folds[0].log.read_text(encoding="utf-8").count("resuming") == 3
    assert [fold["fold"] for fold in results(out)[1]["folds"]] == [0, 1, 2]
    assert finished(start("one"), 0)
    assert results(out) == results(tmp_path / "one")

    # A damaged file of one fold is its failure alone.
    (folds[1].path / "evaluation/test/metrics.json").write_text("{", encoding="utf-8")
    for jobs in (1, 2):
        last = finished(start("two", f"--jobs={jobs}"), 1)[1].splitlines()[-1]
        assert last.startswith("error: 1 of 3 folds failed, fold 2: ")
        assert "metrics.json is damaged" in last
        assert [fold["fold"] for fold in results(out)[1]["folds"]] == [0, 2]


@pytest.mark.filterwarnings("ignore")  # of Ray, on import and on leftovers of the processes that are killed here
def test_folds_survive_the_loss_of_a_worker_and_of_a_node(two_nodes: TwoNodes, start: Start, tmp_path: Path) -> None:
    folds = [RunFolder(tmp_path / f"out/fold-{number}") for number in range(3)]
    process = start("out", "--ray", two_nodes.address, "--jobs=2", "--json", f"--set=training.epochs={_MORE_EPOCHS}")
    wait_for_epoch(folds[0], process)
    wait_for_epoch(folds[1], process)
    for worker in two_nodes.workers("_on_node"):
        worker.kill()
    wait_for_epoch(folds[0], process)
    wait_for_epoch(folds[1], process)
    two_nodes.kill_second()
    output, errors = finished(process, 0)
    assert json.loads(output) == json.loads((tmp_path / "out/metrics.json").read_text(encoding="utf-8"))
    assert "Warning" not in errors
    assert {f"fold {number} of 3 finished" for number in (1, 2, 3)} <= set(errors.splitlines())
    assert [fold["fold"] for fold in results(tmp_path / "out")[1]["folds"]] == [0, 1, 2]
    assert [len(fold.read_history()) for fold in folds] == [_MORE_EPOCHS] * 3
    logs = [fold.log.read_text(encoding="utf-8") for fold in folds[:2]]
    assert sorted(log.count("resuming") for log in logs) == [1, 2]

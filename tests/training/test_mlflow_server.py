"""A live MLflow server receives a run, and does not end it when it is killed."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lesionlab.data import Manifest
from lesionlab.runs import RunFolder

_LIMIT = 600
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3 * _LIMIT),
    pytest.mark.filterwarnings("ignore"),  # of MLflow's own code
    pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals"),
]
METRICS = ("train_loss", "validation_loss", "validation_balanced_accuracy", "learning_rate")


class Server:
    """`mlflow server` on a free port of this machine, with its database in a folder."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers=1"]
        command += ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"]
        command += ["--default-artifact-root", str(folder / "artifacts")]
        environment = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        self._log = folder / "server.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, env=os.environ | environment, start_new_session=True
            )

    def wait(self) -> None:
        deadline = time.monotonic() + _LIMIT
        while True:
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, self._log.read_text()
            try:
                with urllib.request.urlopen(f"{self.url}/health", timeout=5) as answer:  # noqa: S310 - our own server
                    assert answer.status == 200
                    return
            except (urllib.error.URLError, TimeoutError, ConnectionError):
                time.sleep(0.2)

    def kill(self) -> None:
        """Kill the server and its workers; twice does nothing."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    found = Server(tmp_path)
    try:
        found.wait()
        yield found
    finally:
        found.kill()


@pytest.fixture
def train(phantoms: Manifest, tmp_path: Path) -> "Callable[..., subprocess.Popen[bytes]]":
    """Return a function that starts `lesionlab train`."""

    def start(out: Path, url: str, epochs: int) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "lesionlab", "train", "phantom-demo", "--data", str(phantoms.root)]
        command += ["--out", str(out), "--track", f"mlflow={url}", f"--set=training.epochs={epochs}"]
        command += ["--set=model.backbone=test_efficientnet", "--set=model.pretrained=false", "--set=input.size=32"]
        return subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    return start


def test_a_server_receives_a_run_and_its_end_is_a_warning(
    server: Server, train: "Callable[..., subprocess.Popen[bytes]]", tmp_path: Path
) -> None:
    from mlflow.tracking import MlflowClient

    run = RunFolder(tmp_path / "run")
    process = train(run.path, server.url, 2)
    _, errors = process.communicate(timeout=_LIMIT)
    assert process.returncode == 0, errors
    client = MlflowClient(server.url)
    (experiment,) = client.search_experiments(filter_string="name = 'phantom-demo'")
    (found,) = client.search_runs([experiment.experiment_id])
    assert (found.info.status, found.info.run_name) == ("FINISHED", str(run.path))
    assert found.data.params["training.epochs"] == "2"
    assert found.data.params["run.split_sha256"] == run.split().sha256
    for name in METRICS:
        sent = {point.step: point.value for point in client.get_metric_history(found.info.run_id, name)}
        assert sent == pytest.approx({int(row["epoch"]): row[name] for row in run.read_history()}), name

    lost = RunFolder(tmp_path / "lost")
    process = train(lost.path, server.url, 4)
    while len(lost.read_history()) < 1:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    server.kill()
    _, errors = process.communicate(timeout=_LIMIT)
    assert process.returncode == 0, errors
    assert lost.record().finished
    assert len(lost.read_history()) == 4
    for epoch in (3, 4):  # the second may have been sent before the kill
        assert f"mlflow cannot be reached, and misses epoch {epoch}: ".encode() in errors
    assert b"mlflow cannot be reached, and misses the end of the training: " in errors
    assert b"Traceback" not in errors

    process = train(tmp_path / "none", server.url, 1)
    _, errors = process.communicate(timeout=_LIMIT)
    assert process.returncode == 1
    assert errors.splitlines()[-1].startswith(b"error: --track mlflow: ")

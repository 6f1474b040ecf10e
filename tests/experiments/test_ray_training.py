"""Training on a local Ray cluster."""

import subprocess
import sys
from pathlib import Path

import pytest

from lesionlab.data import Manifest
from lesionlab.runs import RunFolder

pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
TINY = ("model.backbone=test_efficientnet", "model.pretrained=false", "input.size=32", "training.batch_size=16")


def train(folder: Path, manifest: Manifest, out: str, *options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "lesionlab", "train", "phantom-demo", "--data", str(manifest.root), "--out", out]
    command += [f"--set={change}" for change in TINY]
    return subprocess.run([*command, *options], cwd=folder, capture_output=True, text=True, timeout=500, check=False)


def test_two_workers_train_and_the_command_exports(
    phantoms: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_worker_niceness", "0")  # the default, 15, starves workers beside other processes
    done = train(tmp_path, phantoms, "run", "--epochs=2", "--ray=local", "--workers=2")
    assert done.returncode == 0, done.stderr
    assert "epoch 2/2: train loss" in done.stderr
    run = RunFolder(tmp_path / "run")
    assert run.record().environment["processes"] == "2"
    assert run.bundle.exists()
    diverging = ("--set=optimizer.learning_rate=1e30", "--set=optimizer.gradient_clip=0")
    done = train(tmp_path, phantoms, "other", *diverging, "--ray=local", "--workers=2")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: other: epoch 1: the training loss of step ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--workers=2",), "--workers is for --ray"),
        (("--ray=local", "--workers=2000"), "--workers 2000: the Ray cluster has "),
        (("--ray=local", "--workers=2", "--set=training.batch_size=7"), "training.batch_size=7 is the size over all"),
    ],
)
def test_wrong_options_are_one_line(phantoms: Manifest, tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    done = train(tmp_path, phantoms, "run", *options)
    assert done.returncode in (1, 2)
    assert f"error: {message}" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()

"""`lesionlab train`, killed at random moments from the first image to the bundle, ends as an undisturbed run."""

import shutil
import sys
from pathlib import Path

import pytest

from lesionlab.bundle import Bundle
from lesionlab.phantoms import write_phantoms
from lesionlab.runs import RunFolder
from tests.kills import Plan, kill_at_random

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(sys.platform != "linux", reason="forks processes and kills their group"),
]
EXPORTS = 16  # kills
MODULES = ("lesionlab.experiments.completion", "lesionlab.training.train", "lesionlab.export", "onnxruntime")
TINY = (
    "model.backbone=test_efficientnet",
    "model.pretrained=false",
    "input.size=32",
    "training.batch_size=16",
    "training.precision=32-true",
)


@pytest.mark.parametrize(
    ("changes", "kills"),
    [
        pytest.param(("training.epochs=5", "training.ema_decay=0.9", "model.dropout=0.3"), 16, id="all weights"),
        pytest.param(
            (
                "training.epochs=4",
                "training.feature_views=3",
                "model.freeze=true",
                "unfreeze.layers=2",
                "unfreeze.epochs=3",
            ),
            16,
            id="cached features and a second stage",
        ),
    ],
)
def test_kills_change_no_weight_and_no_epoch(changes: tuple[str, ...], kills: int, tmp_path: Path) -> None:
    write_phantoms(tmp_path / "data", lesions=70, size=(120, 90))
    settings = [f"--set={change}" for change in (*TINY, *changes)]
    command = ["train", "phantom-demo", *settings, "--data", "data", "--out", "{run}", "--device", "cpu"]
    assert len(kill_at_random(Plan(command, kills, 5, MODULES, finished="bundle"), tmp_path)) == kills
    whole = RunFolder(tmp_path / "whole")
    runs = sorted(tmp_path.glob("killed-*"))
    assert runs
    for run in map(RunFolder, runs):
        assert run.best.read_bytes() == whole.best.read_bytes()
        assert without_seconds(run) == without_seconds(whole)
        assert run.record() == whole.record()
        assert Bundle.load(run.bundle).info.prediction_sha256 == Bundle.load(whole.bundle).info.prediction_sha256
        assert files(run.path) == files(whole.path)


def test_kills_of_an_export_leave_no_half_bundle(tiny_run: RunFolder, tmp_path: Path) -> None:
    for name in ("whole", *(f"killed-{number}" for number in range(EXPORTS))):
        shutil.copytree(tiny_run.path, tmp_path / name, ignore=shutil.ignore_patterns("bundle"))
    # An export that begins after a kill finds the bundle absent or whole, and replaces it.
    moments = kill_at_random(Plan(["export", "{run}", "--force"], EXPORTS, 3, MODULES, early=0), tmp_path)
    assert len(moments) == EXPORTS
    bundles = [Bundle.load(path) for path in sorted(tmp_path.glob("*/bundle"))]
    assert len(bundles) >= 2
    assert len({bundle.info.prediction_sha256 for bundle in bundles}) == 1
    assert not [path for path in tmp_path.rglob(".*") if path.name.endswith((".part", ".old"))]


def without_seconds(run: RunFolder) -> list[dict[str, float]]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in run.read_history()]


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))

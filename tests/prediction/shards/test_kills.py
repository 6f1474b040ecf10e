"""`lesionlab predict --resume`, killed with all its processes at random moments, gives the bytes of a whole run."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.kills import Plan, kill_at_random

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(sys.platform != "linux", reason="forks processes and kills their group"),
]
IMAGES, KILLS = 300, 40
MODULES = ("lesionlab.cli.predict_run", "lesionlab.prediction", "pyarrow.parquet", "PIL.JpegImagePlugin")


def test_kills_of_the_whole_group_change_no_byte(
    tiny_whole_bundle: Path, spot: Callable[..., Image.Image], tmp_path: Path
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for index in range(IMAGES):
        spot(0.5, 0.5, 0.1 + index / 1000, (400, 300)).save(folder / f"{index:04d}.jpg")
    (folder / "0100.jpg").write_bytes(b"no image")
    os.truncate(folder / "0200.jpg", 1000)
    command = ["predict", "images", "--resume", "--out", "{run}", "--shard-size", "8", "--workers", "2"]
    plan = Plan([*command, "--model", str(tiny_whole_bundle), "--quiet"], KILLS, 11, MODULES)
    moments = kill_at_random(plan, tmp_path)
    assert len(moments) == KILLS
    whole = files(tmp_path / "whole")
    runs = sorted(tmp_path.glob("killed-*"))
    assert runs
    for run in runs:
        assert files(run) == whole
    rows = [
        row
        for table in ("predictions", "failures")
        for part in sorted((tmp_path / "killed-0" / table).iterdir())
        for row in pq.read_table(part)["image"].to_pylist()
    ]
    assert sorted(rows) == [f"images/{index:04d}.jpg" for index in range(IMAGES)]


def files(run: Path) -> dict[str, bytes]:
    """Return the contents of all files of a run, so that a temporary file would be found."""
    return {str(path.relative_to(run)): path.read_bytes() for path in run.rglob("*") if path.is_file()}

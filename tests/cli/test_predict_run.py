"""Tests of `lesionlab predict --resume`."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image

from lesionlab import RESEARCH_ONLY

Run = Callable[..., Any]


@pytest.fixture
def run(cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tiny_bundle: Path) -> Run:
    """Return a function that runs the command with the tiny model as the default."""
    monkeypatch.setenv("LESIONLAB_MODEL", str(tiny_bundle))
    return partial(cli, "predict")


@pytest.fixture
def images(tmp_path: Path, photograph: Image.Image, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    for name in ("a.jpg", "b.png"):
        photograph.save(tmp_path / "images" / name)
    (tmp_path / "images" / "broken.jpg").write_bytes(b"no image")
    return tmp_path / "images"


@pytest.mark.slow
def test_a_run_in_shards_has_the_rows_of_a_single_file(run: Run, images: Path) -> None:
    assert run("images", "--out", "one.parquet").code == 1
    first = run("images", "--resume", "--out", "run", "--shard-size", 2, "--format", "parquet", "--age", 50)
    assert first.code == 1
    assert "3 images: 2 predicted, 1 failed; written to run" in first.err
    assert RESEARCH_ONLY in first.err
    table = pq.read_table("run/predictions")
    assert table.schema.metadata[b"notice"] == RESEARCH_ONLY.encode()
    assert table.drop(["notes"]).to_pylist() == pq.read_table("one.parquet").drop(["notes"]).to_pylist()
    (failure,) = pq.read_table("run/failures").to_pylist()
    assert failure["image"] == "images/broken.jpg"
    again = run(images, "--resume", "--out", "run", "--shard-size", 2, "--age", 50)
    assert (again.code, again.err) == (1, first.err)
    other = run("images", "--resume", "--out", "run", "--shard-size", 2)
    assert other.code == 2
    assert "run was started with other settings (patient" in other.err
    repaired = images / "broken.jpg"
    repaired.write_bytes((images / "a.jpg").read_bytes())
    assert run("images", "--resume", "--out", "run", "--shard-size", 2, "--age", 50, "--retry-failed").code == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--resume"], "need --out FOLDER"),
        (["--ray", "auto"], "need --out FOLDER"),
        (["--resume", "--out", "run", "--format", "csv"], "--format cannot be used with --resume"),
        (["--resume", "--out", "run", "--explain", "maps"], "--explain cannot be used with --resume"),
        (["--resume", "--out", "run", "--threads", "2"], "--threads cannot be used with --resume"),
        (["--resume", "--out", "run", "--force"], "--force cannot be used with --resume"),
        (["--resume", "--out", "run", "--group", "lesion_id"], "--group cannot be used with --resume"),
        (["--resume", "--out", "run", "--clinical", "images"], "--clinical cannot be used with --resume"),
        (["--resume", "--out", "images"], "the folder holds other files"),
        (["--workers", "2"], "--workers and --retry-failed are for --resume and --ray"),
        (["--device", "cuda"], "device cuda is not available"),
    ],
)
def test_options_that_exclude_each_other(run: Run, images: Path, options: list[str], message: str) -> None:
    outcome = run("images", *options)
    assert outcome.code == 2
    assert message in outcome.err


def test_containers_need_a_run_in_shards(run: Run, images: Path) -> None:
    assert "are read with --resume or --ray" in run("a.tar", "--out", "rows.csv").err
    (images / "patients.csv").write_text("image,age\na,50\n")
    outcome = run("a.tar", "--resume", "--out", "run", "--patients", images / "patients.csv")
    assert outcome.code == 2
    assert "--patients names image files" in outcome.err

"""Tests of `lesionlab data report`."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from lesionlab import RESEARCH_ONLY
from lesionlab.cli.data import app
from lesionlab.errors import DataError, UsageError
from tests.curation.report.datasets import write_dataset


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = ({"lesion_id": f"l{n // 2}", "dx": "mel" if n // 2 % 2 else "nv", "dataset": "a"} for n in range(48))
    return write_dataset(tmp_path / "data", rows)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["report", *map(str, arguments)])


def test_writes_the_page_and_prints_its_findings(folder: Path, tmp_path: Path) -> None:
    (folder / "notes.pdf").write_bytes(b"%PDF-")
    done = run(folder, "--out", tmp_path / "report.html")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0] == "48 images of 24 lesions; 50% are malignant."
    assert lines[1].startswith("100% of the lesions have several images")
    assert lines[-1] == RESEARCH_ONLY
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert all(line in page for line in lines[:2])


def test_prints_json(folder: Path, tmp_path: Path) -> None:
    done = run(folder, "--out", tmp_path / "report.html", "--json", "--sample", 20)
    content = json.loads(done.stdout)
    assert content["notice"] == RESEARCH_ONLY
    assert content["measured"] == 20
    assert content["images_per_lesion"] == {"2": 24}
    assert {row["property"] for row in content["shortcuts"]} == {"source", "border", "file", "patient"}
    assert content["groups"]["diagnosis"][0] == {
        "value": "mel",
        "images": 24,
        "lesions": 12,
        "labelled": 24,
        "positive": 24,
    }


@pytest.mark.slow
def test_replaces_a_report_only_with_force_and_never_an_input(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    target.write_text("mine")
    done = run(folder, "--out", target)
    assert isinstance(done.exception, UsageError)
    assert target.read_text() == "mine"
    assert run(folder, "--out", target, "--force").exit_code == 0
    done = run(folder, "--out", folder / "image0000.png", "--force")
    assert isinstance(done.exception, UsageError)


def test_no_readable_image_is_one_line(folder: Path, tmp_path: Path) -> None:
    for path in folder.glob("*.png"):
        path.write_bytes(b"\x89PNG\r\n\x1a\n")
    done = run(folder, "--out", tmp_path / "report.html")
    assert isinstance(done.exception, DataError)
    assert "no image can be read" in str(done.exception)
    assert not (tmp_path / "report.html").exists()

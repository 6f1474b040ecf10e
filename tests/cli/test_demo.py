"""Tests of `lesionlab demo`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lesionlab import RESEARCH_ONLY
from lesionlab.bundle import Bundle


def test_existing_folder_is_not_changed(cli: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    for place in (tmp_path, tmp_path / "thesis.txt"):
        done = cli("demo", "--out", place)
        assert done.code == 2
        assert done.err == f"error: {place} exists; choose another --out\n"
    assert [path.read_text() for path in tmp_path.iterdir()] == ["years of work"]
    assert cli("demo", "--out", tmp_path / "new", "--lesions", "7").code == 2


@pytest.mark.slow
def test_whole_workflow_runs(cli: Callable[..., Any], tmp_path: Path) -> None:
    folder = tmp_path / "[demo]"
    done = cli("demo", "--out", folder, "--lesions", "70")
    assert done.code == 0
    for step in ("1. Draw", "2. Check", "3. Train", "4. Evaluate", "5. Predict", "Done in"):
        assert step in done.out
    assert f"{folder}/run/evaluation/test/report.html" in done.out
    assert RESEARCH_ONLY in done.out
    assert "The images are synthetic." in done.out
    metrics = json.loads((folder / "run" / "evaluation" / "test" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["times_test_was_read"] == 1
    assert Bundle.load(folder / "run").info.metrics
    assert (folder / "run" / "curves.svg").exists()

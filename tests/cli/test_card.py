"""Tests of `lesionlab card`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lesionlab import RESEARCH_ONLY


def test_default_model_is_described_on_standard_output(cli: Callable[..., Any]) -> None:
    done = cli("card")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("# Model card: ")
    assert done.out.rstrip().endswith(RESEARCH_ONLY)


def test_file_gets_the_same_text(cli: Callable[..., Any], tiny_whole_bundle: Path, tmp_path: Path) -> None:
    file = tmp_path / "new" / "card.md"
    done = cli("card", "--model", tiny_whole_bundle, "--out", file)
    assert (done.code, done.out, done.err) == (0, "", "")
    assert file.read_text(encoding="utf-8") == cli("card", "--model", tiny_whole_bundle).out
    assert file.read_text(encoding="utf-8").startswith("# Model card: tiny\n")


def test_appendix_holds_the_checklists(cli: Callable[..., Any], tiny_whole_bundle: Path) -> None:
    done = cli("card", "--model", tiny_whole_bundle, "--appendix")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("# Appendix of the model card: tiny\n")
    assert all(f"\n## {name}\n" in done.out for name in ("CLAIM", "STARD-AI", "TRIPOD+AI"))


@pytest.mark.parametrize("what", ["empty", "text.md"])
def test_invalid_bundle_is_one_line(cli: Callable[..., Any], tmp_path: Path, what: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.md").write_text("words", encoding="utf-8")
    done = cli("card", "--model", tmp_path / what, "--out", tmp_path / "card.md")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"error: {tmp_path / what}")
    assert len(done.err.splitlines()) == 1
    assert not (tmp_path / "card.md").exists()


@pytest.mark.parametrize("what", ["folder", "file/card.md"])
def test_unwritable_output_is_one_line(cli: Callable[..., Any], tiny_bundle: Path, tmp_path: Path, what: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("kept", encoding="utf-8")
    done = cli("card", "--model", tiny_bundle, "--out", tmp_path / what)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"error: cannot write {tmp_path / what}: ")
    assert len(done.err.splitlines()) == 1
    assert (tmp_path / "file").read_text(encoding="utf-8") == "kept"


def test_evaluation_of_another_model_is_wrong_usage(cli: Callable[..., Any], tiny_bundle: Path, tmp_path: Path) -> None:
    missing = cli("card", "--model", tiny_bundle, "--external", tmp_path)
    assert (missing.code, missing.out) == (1, "")
    assert missing.err.startswith(f"error: {tmp_path / 'metrics.json'} cannot be read")
    other = {
        "bundle": "other@0123",
        "graph_sha256": "0" * 64,
        "task": "diagnosis",
        "dataset": "elsewhere",
        "subset": "all",
        "unseen": True,
        "leaky": False,
        "lesions_known": True,
        "manifest_sha256": "c" * 64,
        "date": "2025-01-31",
        "n_images": 1,
        "n_lesions": 1,
        "support": {},
        "overall": {},
        "per_class": {},
        "operating_points": [],
    }
    (tmp_path / "metrics.json").write_text(json.dumps(other), encoding="utf-8")
    wrong = cli("card", "--model", tiny_bundle, "--external", tmp_path)
    assert (wrong.code, wrong.out) == (2, "")
    assert "is an evaluation of other@0123, not of tiny@" in wrong.err
    assert len(wrong.err.splitlines()) == 1

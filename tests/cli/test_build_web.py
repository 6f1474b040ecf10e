"""Tests of `lesionlab build-web`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lesionlab import RESEARCH_ONLY


def test_files_are_written_and_the_view_command_is_shown(
    cli: Callable[..., Any], tiny_whole_bundle: Path, tmp_path: Path
) -> None:
    done = cli("build-web", "--out", tmp_path / "site", "--model", tiny_whole_bundle)
    assert (done.code, done.err) == (0, "")
    assert "python -m http.server -d" in done.out
    assert done.out.rstrip().endswith(RESEARCH_ONLY)
    assert (tmp_path / "site" / "index.html").exists()


def test_missing_bundle_is_one_line(cli: Callable[..., Any], tmp_path: Path) -> None:
    done = cli("build-web", "--out", tmp_path / "site", "--model", tmp_path / "missing")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: --model {tmp_path / 'missing'}")
    assert not (tmp_path / "site").exists()


def test_other_folder_is_not_replaced(cli: Callable[..., Any], tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("words")
    done = cli("build-web", "--out", tmp_path, "--model", tiny_bundle)
    assert (done.code, done.out) == (2, "")
    assert "exists; choose another --out, or replace it with --force" in done.err
    assert cli("build-web", "--out", tmp_path, "--model", tiny_bundle, "--force").code == 1
    assert (tmp_path / "mine.txt").exists()

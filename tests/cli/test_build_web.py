"""`lesionlab site` from outside."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lesionlab import RESEARCH_ONLY


def test_a_site_is_written_and_how_to_see_it_is_told(
    cli: Callable[..., Any], tiny_whole_bundle: Path, tmp_path: Path
) -> None:
    done = cli("site", "--out", tmp_path / "site", "--model", tiny_whole_bundle)
    assert (done.code, done.err) == (0, "")
    assert "python -m http.server -d" in done.out
    assert done.out.rstrip().endswith(RESEARCH_ONLY)
    assert (tmp_path / "site" / "index.html").exists()


def test_what_is_no_bundle_is_one_line(cli: Callable[..., Any], tmp_path: Path) -> None:
    done = cli("site", "--out", tmp_path / "site", "--model", tmp_path / "missing")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"error: {tmp_path / 'missing'}")
    assert not (tmp_path / "site").exists()


def test_a_folder_of_something_else_is_left_alone(cli: Callable[..., Any], tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("words")
    done = cli("site", "--out", tmp_path, "--model", tiny_bundle)
    assert (done.code, done.out) == (1, "")
    assert "is not a build of the page; choose another folder" in done.err

"""Expansion of arguments to images."""

import os
import zipfile
from pathlib import Path

import pytest

from lesionlab.errors import LesionlabError, UsageError
from lesionlab.prediction.io.inputs import expand_inputs, image_id


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    names = [
        "b.jpg",
        "a.PNG",
        "notes.txt",
        ".hidden.jpg",
        "._a.PNG",
        "scan",
        "deep/er/c.tiff",
        ".cache/x.jpg",
        "[1].jpg",
    ]
    for name in names:
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "empty").mkdir()
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for name in ("z.jpg", "in/y.png", "readme.txt", "__MACOSX/in/y.png", "in/._y.png"):
            archive.writestr(name, b"")
    return tmp_path


FOLDER = ["photos/[1].jpg", "photos/a.PNG", "photos/b.jpg", "photos/deep/er/c.tiff"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["photos/b.jpg"], ["photos/b.jpg"]),
        (["photos"], FOLDER),
        (["photos/"], FOLDER),
        (["photos/scan", "photos/notes.txt"], ["photos/scan", "photos/notes.txt"]),
        (["photos/b.jpg", "photos"], ["photos/b.jpg", *FOLDER[:2], FOLDER[3]]),
        (["photos/b.jpg", "./photos/../photos/b.jpg"], ["photos/b.jpg"]),
        (["photos/*"], FOLDER[:3]),
        (["photos/*.txt"], ["photos/notes.txt"]),
        (["photos/**/*.tiff"], ["photos/deep/er/c.tiff"]),
        (["photos/**"], FOLDER),
        (["photos/[1].jpg"], ["photos/[1].jpg"]),
        (["photos/[ab].*"], ["photos/a.PNG", "photos/b.jpg"]),
        (["set.zip"], ["set.zip::in/y.png", "set.zip::z.jpg"]),
        (["set.zip::z.jpg"], ["set.zip::z.jpg"]),
    ],
)
def test_expands(here: Path, arguments: list[str], expected: list[str]) -> None:
    assert here.is_dir()
    assert expand_inputs(arguments) == expected


@pytest.mark.parametrize(
    ("argument", "reason"),
    [
        ("missing.jpg", "missing.jpg: there is no such file or folder"),
        ("", "there is no such file"),
        ("photos/*.gif", r"photos/\*.gif: no image matches"),
        ("empty", "empty: contains no image"),
        ("missing.zip::a.jpg", "there is no such file"),
        ("https://example.org/a.jpg", "there is no such file"),
    ],
)
def test_argument_without_images_is_wrong_usage(here: Path, argument: str, reason: str) -> None:
    assert here.is_dir()
    with pytest.raises(UsageError, match=reason):
        expand_inputs(["photos/b.jpg", argument])


def test_damaged_archive_is_named(here: Path) -> None:
    (here / "bad.zip").write_bytes(b"PK\3\4")
    with pytest.raises(LesionlabError, match=r"bad\.zip is not a readable zip archive"):
        expand_inputs(["bad.zip"])


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is forbidden to root")
def test_forbidden_folder_is_named(here: Path) -> None:
    (here / "photos" / "deep").chmod(0)
    try:
        with pytest.raises(LesionlabError, match=r"cannot read the folder .*deep"):
            expand_inputs(["photos"])
    finally:
        (here / "photos" / "deep").chmod(0o755)


def test_cyclic_link_ends(here: Path) -> None:
    (here / "photos" / "loop").symlink_to(here / "photos")
    assert expand_inputs(["photos"]) == FOLDER


@pytest.mark.parametrize("location", ["a/ISIC_1.jpg", "ISIC_1.JPG", "x.zip::ISIC_1.jpg", "x.zip::part 1/ISIC_1.jpg"])
def test_id_is_the_stem(location: str) -> None:
    assert image_id(location) == "ISIC_1"

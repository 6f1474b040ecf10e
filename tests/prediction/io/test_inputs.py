"""Expansion of arguments to images."""

import os
import zipfile
from pathlib import Path

import pytest

from lesionlab.errors import ImageError, UsageError
from lesionlab.images.files import LeftOut
from lesionlab.images.formats import image_id
from lesionlab.images.read import read_image_bytes
from lesionlab.prediction.io.inputs import expand_inputs


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
    ],
)
def test_argument_without_images_is_wrong_usage(here: Path, argument: str, reason: str) -> None:
    assert here.is_dir()
    with pytest.raises(UsageError, match=reason):
        expand_inputs(["photos/b.jpg", argument])


def test_a_damaged_archive_stands_for_itself(here: Path) -> None:
    (here / "bad.zip").write_bytes(b"PK\3\4")
    assert expand_inputs(["bad.zip"]) == ["bad.zip"]
    (here / "photos" / "bad.zip").write_bytes(b"PK\3\4")
    assert "photos/bad.zip" in expand_inputs(["photos"])
    with pytest.raises(ImageError, match=r"the archive is damaged \(.*\); download it again"):
        read_image_bytes("bad.zip")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_forbidden_folder_stands_for_itself(here: Path) -> None:
    (here / "photos" / "deep").chmod(0)
    try:
        assert expand_inputs(["photos"]) == [*FOLDER[:3], "photos/deep"]
        with pytest.raises(ImageError, match="cannot be read: Permission denied"):
            read_image_bytes("photos/deep")
    finally:
        (here / "photos" / "deep").chmod(0o755)


def test_files_that_a_pattern_leaves_out_are_counted(here: Path) -> None:
    left_out = LeftOut()
    (here / "photos" / "b_mask.png").touch()
    assert expand_inputs(["photos/*"], left_out) == FOLDER[:3]
    assert str(left_out) == "2 files that are no images, 1 mask"
    with pytest.raises(UsageError, match=r"photos/\*\.png: no image matches this pattern \(left out: 1 mask\)"):
        expand_inputs(["photos/*.png"])


def test_cyclic_link_ends(here: Path) -> None:
    (here / "photos" / "loop").symlink_to(here / "photos")
    assert expand_inputs(["photos"]) == FOLDER


@pytest.mark.parametrize("location", ["a/ISIC_1.jpg", "ISIC_1.JPG", "x.zip::ISIC_1.jpg", "x.zip::part 1/ISIC_1.jpg"])
def test_id_is_the_stem(location: str) -> None:
    assert image_id(location) == "ISIC_1"


@pytest.mark.parametrize("name", ["1.2.840.10008.5", "Dr. Meier 3. Juni", "lesion 1.5 mm"])
def test_only_suffixes_of_images_are_removed_from_an_id(name: str) -> None:
    assert image_id(f"a.b/{name}") == image_id(f"{name}.jfif") == image_id(f"x.zip::{name}.DCM") == name


def test_a_pipe_is_not_read(here: Path) -> None:
    os.mkfifo(here / "pipe")  # opening it would wait for a writer
    assert expand_inputs(["pipe"]) == ["pipe"]

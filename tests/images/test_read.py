"""Reading of image bytes."""

import os
import zipfile
from pathlib import Path

import pytest

from lesionlab.errors import ImageError
from lesionlab.images import read_image_bytes


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "images.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("part/a.jpg", b"first" * 100)
        opened.writestr("part/empty.jpg", b"")
    return path


def test_a_file_and_a_member_are_read(tmp_path: Path, archive: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"pixels")
    assert read_image_bytes(str(tmp_path / "a.jpg")) == b"pixels"
    assert read_image_bytes(f"{archive}::part/a.jpg") == b"first" * 100


def test_a_replaced_archive_is_opened_again(archive: Path) -> None:
    assert read_image_bytes(f"{archive}::part/a.jpg") == b"first" * 100
    archive.unlink()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("part/a.jpg", b"second")
    assert read_image_bytes(f"{archive}::part/a.jpg") == b"second"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing.jpg", "no such file"),
        ("folder.jpg", "this is a folder"),
        ("empty.jpg", "the file is empty"),
        ("empty.jpg/below.jpg", "cannot be read: Not a directory"),
        ("nul\0.jpg", "not a valid path"),
        ("x" * 300 + ".jpg", "cannot be read: File name too long"),
        ("missing.zip::a.jpg", "no such file"),
        ("images.zip::other.jpg", "no member other.jpg"),
        ("images.zip::part/empty.jpg", "the file is empty"),
        ("empty.jpg::a.jpg", "the archive is damaged"),
        ("damaged.zip::part/a.jpg", "the archive is damaged"),
        ("locked.zip::part/a.jpg", "unpack it first"),
    ],
)
def test_an_unreadable_file_is_an_error(tmp_path: Path, archive: Path, name: str, reason: str) -> None:
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "empty.jpg").touch()
    data = bytearray(archive.read_bytes())
    data[45] ^= 0xFF  # within the first member's compressed bytes
    (tmp_path / "damaged.zip").write_bytes(data)
    locked = bytearray(archive.read_bytes())
    for mark, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        locked[locked.index(mark) + offset] |= 1
    (tmp_path / "locked.zip").write_bytes(locked)
    with pytest.raises(ImageError, match=reason):
        read_image_bytes(str(tmp_path / name))


def test_a_file_that_is_too_large_is_an_error(tmp_path: Path) -> None:
    with (tmp_path / "large.jpg").open("wb") as stream:
        stream.truncate(300 * 2**20)  # a sparse file
    with pytest.raises(ImageError, match="larger than 256 MiB"):
        read_image_bytes(str(tmp_path / "large.jpg"))


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="needs /dev/zero")
def test_an_endless_device_is_an_error() -> None:
    with pytest.raises(ImageError, match="larger than 256 MiB"):
        read_image_bytes("/dev/zero")


def test_a_file_that_changes_while_it_is_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, state = tmp_path / "a.jpg", os.fstat
    path.write_bytes(b"first half")

    def change(descriptor: int) -> os.stat_result:
        found = state(descriptor)
        with path.open("ab") as stream:  # another process copies the file
            stream.write(b" and more")
        return found

    monkeypatch.setattr(os, "fstat", change)
    with pytest.raises(ImageError, match="the file changed while it was read"):
        read_image_bytes(str(path))

"""The walk through folders and archives: every file is an image or counted."""

import io
import os
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import uid

from lesionlab.images.files import LeftOut, walk_images
from tests.images.dicom.files import dicom, no_image

JPEG = b"\xff\xd8\xff\xe0"
DICOM = bytes(128) + b"DICM"


def make(root: Path, names: Iterable[str], content: bytes = b"") -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def make_zip(path: Path, names: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, b"")


def walk(*roots: Path) -> tuple[list[str], str]:
    left_out = LeftOut()
    found = [file.location for file in walk_images(map(str, roots), left_out)]
    return [os.path.relpath(location, roots[0]) for location in found], str(left_out)


def test_images_come_in_order_by_folder(tmp_path: Path) -> None:
    names = ["Z.JFIF", "a.jpe", "b.jpeg", "ü/1.png", "ü/皮肤.webp", "ü/z/0.tif", "Ä.bmp"]
    make(tmp_path, names)
    expected = ["Z.JFIF", "a.jpe", "b.jpeg", "Ä.bmp", "ü/1.png", "ü/皮肤.webp", "ü/z/0.tif"]
    assert walk(tmp_path) == (expected, "")


def test_other_files_are_counted_by_kind(tmp_path: Path) -> None:
    make(
        tmp_path,
        ["a.psd", "b.CR2", "c.cr2", "notes.txt", "empty", "Thumbs.db", ".hidden.jpg", ".git/x.jpg", "d.tar.gz"],
    )
    make(tmp_path, ["1.2.840.1", "scan"], DICOM)
    make(tmp_path, ["photo", "1.2.840.2"], JPEG)
    make(tmp_path, ["photo.jpg_large"], JPEG)
    make(tmp_path, ["readme.md"], b"BM25 ranks documents")
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere")
    (tmp_path / "self.jpg").symlink_to(tmp_path / "self.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    found, left_out = walk(tmp_path)
    assert found == ["1.2.840.1", "1.2.840.2", "photo", "scan"]  # the two that only begin like DICOM are reported later
    assert "2 raw images (export as JPEG or PNG), 1 PSD image (export as JPEG or PNG)" in left_out
    assert "1 archive that is no zip file (unpack first)" in left_out
    assert "1 image with another suffix (rename, such as to .jpg)" in left_out
    assert left_out.endswith("5 files that are no images, 2 broken links, 2 hidden files and folders")


@pytest.mark.parametrize(
    ("name", "beside", "is_mask"),
    [
        ("ISIC_0024306_segmentation.png", (), True),
        ("ISIC_1_SEGMENTATION.PNG", (), True),
        ("ISIC_1_superpixels.png", (), True),
        ("ISIC_1_attribute_milia_like_cyst.png", (), True),
        ("a_mask.png", ("a.jpg",), True),
        ("A_Mask.png", ("a.JPG",), True),
        ("a-seg.png", ("a.jpg",), True),
        ("a_mask.png", ("a.heic",), True),
        ("face_mask.png", (), False),
        ("a_seg.png", ("b.jpg", "a.txt"), False),
        ("mask.png", (), False),
        ("unmask.png", (), False),
        ("masks/a.png", ("images/a.png",), True),
        ("HAM10000_segmentations_lesion/a.png", (), True),
        ("IMD003/IMD003_lesion/IMD003_lesion.bmp", ("IMD003/IMD003_Dermoscopic_Image/IMD003.bmp",), True),
        ("melanoma_lesion/a.png", (), False),
        ("masked patients/a.png", (), False),
    ],
)
@pytest.mark.parametrize("archived", [False, True])
def test_masks_are_recognised_by_their_names(
    tmp_path: Path, name: str, beside: tuple[str, ...], is_mask: bool, archived: bool
) -> None:
    if archived:
        make_zip(tmp_path / "set.zip", (name, *beside))
    else:
        make(tmp_path, (name, *beside))
    found, left_out = walk(tmp_path)
    assert (name in {path.removeprefix("set.zip::") for path in found}) is not is_mask
    assert ("1 mask" in left_out) is is_mask


def test_links_are_followed_once_and_after_the_other_folders(tmp_path: Path) -> None:
    make(tmp_path, ["data/b/1.jpg", "elsewhere/2.jpg"])
    for name, target in (("a", "data/b"), ("loop", "data"), ("out", "elsewhere"), ("out2", "elsewhere")):
        (tmp_path / "data" / name).symlink_to(tmp_path / target)
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path)
    assert walk(tmp_path / "data") == (["b/1.jpg", "out/2.jpg"], "3 links to files already read")


def test_archives_are_read_and_damaged_ones_yielded_with_the_reason(tmp_path: Path) -> None:
    members = [
        "z.jpg",
        "in/y.png",
        "readme.txt",
        "__MACOSX/in/y.png",
        "in/._y.png",
        "in/more.zip",
        "in/x.rar",
        "in/a.svg",
    ]
    make_zip(tmp_path / "a" / "set.ZIP", members)
    (tmp_path / "a" / "link.zip").symlink_to(tmp_path / "a" / "set.ZIP")
    make(tmp_path, ["bad.zip"], b"PK\3\4")
    left_out = LeftOut()
    files = list(walk_images([str(tmp_path)], left_out))
    assert [os.path.relpath(file.location, tmp_path) for file in files] == [
        "bad.zip",
        "a/link.zip::in/y.png",
        "a/link.zip::z.jpg",
    ]
    assert [file.problem for file in files if file.problem] == [
        "the archive is damaged (File is not a zip file); download it again"
    ]
    assert sum(left_out.counts.values()) == len(members) - 2


def test_a_folder_that_cannot_be_read_is_yielded_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, ["a/1.jpg", "b/2.jpg"])
    scandir: Callable[..., object] = os.scandir

    def forbidden(path: str) -> object:
        if os.path.basename(path) == "a":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", forbidden)
    first, second = walk_images([str(tmp_path)], LeftOut())
    assert (os.path.basename(first.location), first.problem) == ("a", "cannot be read: Permission denied")
    assert second.location.endswith("2.jpg")


def test_sizes_are_those_of_the_files(tmp_path: Path) -> None:
    make(tmp_path, ["a.jpg"], bytes(7))
    out = io.BytesIO()
    Image.new("L", (8, 8)).save(out, "PNG")
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", out.getvalue())
    sizes = [file.size for file in walk_images([str(tmp_path)], LeftOut())]
    assert sizes == [7, len(out.getvalue())]


def test_dicom_files_stand_for_their_frames(tmp_path: Path) -> None:
    pixels = np.zeros((3, 8, 8, 3), np.uint8)
    files = {
        "a.dcm": dicom(pixels[0]),
        "1.2.840.5": dicom(pixels),
        "in/scan": dicom(pixels[:2], uid.DeflatedExplicitVRLittleEndian),
        "DICOMDIR": no_image(uid.MediaStorageDirectoryStorage),
        "report.dcm": no_image(uid.BasicTextSRStorage),
        "damaged.dcm": b"damaged",
    }
    frames = ["1.2.840.5::1", "1.2.840.5::2", "1.2.840.5::3", "a.dcm", "damaged.dcm", "in/scan::1", "in/scan::2"]
    for name, data in files.items():
        make(tmp_path, [name], data)
    assert walk(tmp_path) == (frames, "2 DICOM files without an image")
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    left_out = LeftOut()
    found = [file.location for file in walk_images([str(tmp_path / "a.zip")], left_out)]
    assert found == [f"{tmp_path / 'a.zip'}::{frame}" for frame in frames]
    assert str(left_out) == "2 DICOM files without an image"


def test_dicom_files_have_their_uids(tmp_path: Path) -> None:
    make(tmp_path, ["a.dcm"], dicom(np.zeros((8, 8, 3), np.uint8), SOPInstanceUID="1.2.3"))
    make(tmp_path, ["b.dcm"], dicom(np.zeros((2, 8, 8, 3), np.uint8), SOPInstanceUID="1.2.4"))
    assert [file.uid for file in walk_images([str(tmp_path)], LeftOut())] == ["1.2.3", "1.2.4-1", "1.2.4-2"]

"""The image files in folders and zip archives, and counts of the files that are left out.

Masks are left out: files whose name ends in `_segmentation`, `_superpixels` or `_attribute_...`, as in the challenges;
those whose name ends in `_mask` or `_seg`, beside an image of the remaining name; and all images in folders that are
named after masks, segmentations or superpixels, or as those of PH2.
"""

import io
import os
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, BinaryIO, Final, NamedTuple

from lesionlab.images.dicom import find_frames
from lesionlab.images.formats import DICOM, HEAD_BYTES, format_by_content, format_of, is_dicom
from lesionlab.images.read import ZIP_SEPARATOR, damaged_archive

_NAMED_MASK: Final = re.compile(r".[_-](segmentations?|superpixels|attribute_[a-z_]+)$", re.IGNORECASE)
_MASK_BESIDE: Final = re.compile(r"(?<=.)[_-](mask|masks|seg)$", re.IGNORECASE)
_MASK_FOLDER: Final = re.compile(
    r"(?<![a-z])(masks?|segmentations?|superpixels)(?![a-z])|^imd\d+_(lesion|roi)$", re.IGNORECASE
)
_WEAK_SIGNATURES: Final = ("BMP", "JPEG XL")  # two bytes, with which a text may begin
_ARCHIVES: Final = frozenset((".7z", ".bz2", ".gz", ".rar", ".tar", ".tgz", ".xz"))


class Reason(NamedTuple):
    """Why files are left out: a noun for one, a noun for several, and what the user can do."""

    one: str
    several: str
    remedy: str | None = None


MASK: Final = Reason("mask", "masks")
OTHER: Final = Reason("file that is no image", "files that are no images")
MISNAMED: Final = Reason("image with another suffix", "images with another suffix", "rename, such as to .jpg")
HIDDEN: Final = Reason("hidden file or folder", "hidden files and folders")
REPEATED: Final = Reason("link to files already read", "links to files already read")
BROKEN: Final = Reason("broken link", "broken links")
ARCHIVE: Final = Reason("archive that is no zip file", "archives that are no zip files", "unpack first")
NESTED: Final = Reason("archive inside an archive", "archives inside archives", "unpack first")
OUTSIDE: Final = Reason("image outside the dataset's image folders", "images outside the dataset's image folders")
NO_IMAGE: Final = Reason("DICOM file without an image", "DICOM files without an image")
UNREADABLE: Final = Reason("folder or archive that cannot be read", "folders and archives that cannot be read")


@dataclass
class LeftOut:
    """Counts of the files that are not read.

    Attributes:
        counts: Number of files by reason.
    """

    counts: Counter[Reason] = field(default_factory=Counter)

    def add(self, reason: Reason) -> None:
        """Count a file."""
        self.counts[reason] += 1

    def __bool__(self) -> bool:
        """Whether any file was left out."""
        return bool(+self.counts)

    def __str__(self) -> str:
        """Return the counts in words, those with a remedy first."""
        found = sorted((+self.counts).items(), key=lambda item: (item[0].remedy is None, -item[1], item[0].one))
        return ", ".join(
            f"{count:,} {reason.one if count == 1 else reason.several}"
            + (f" ({reason.remedy})" if reason.remedy else "")
            for reason, count in found
        )


class ImageFile(NamedTuple):
    """An image in a folder or an archive.

    Attributes:
        location: Its path, or `archive.zip::member`; with `::2` for one of several frames.
        size: Its number of bytes.
        problem: Why it cannot be read, for a folder or an archive that stands for the images in it.
        uid: SOP instance UID of a DICOM file, with `-2` for one of several frames.
    """

    location: str
    size: int
    problem: str | None = None
    uid: str | None = None


def walk_images(paths: Iterable[str], left_out: LeftOut) -> Iterator[ImageFile]:
    """Yield the images in folders, in all folders below and in zip archives, by name, and count what is left out.

    Linked folders are read after all others, and nothing is read twice. Folders and archives that cannot be read are
    yielded with their problem. Memory use depends on the largest folder alone.

    Args:
        paths: Folders and zip archives.
        left_out: Counts the other files.
    """
    walk = _Walk(left_out)
    for path in paths:
        yield from walk.folder(path) if os.path.isdir(path) else walk.archive(path)


def choose_images(paths: Iterable[str], left_out: LeftOut, *, any_suffix: bool) -> Iterator[str]:
    """Yield the images among files, and count what is left out.

    Args:
        paths: Paths of files, those of a folder one after the other.
        left_out: Counts the others.
        any_suffix: Whether files with other suffixes are images as well.
    """
    folder, stems = None, frozenset[str]()
    for path in paths:
        if (place := os.path.dirname(path)) != folder:
            folder, stems = place, _image_stems(os.listdir(place or "."))
        reason = _reason(os.path.basename(path), stems, partial(_head, path))
        if reason is None or (any_suffix and reason is not MASK):
            yield from (image.location for image in images_in_file(path, left_out))
        else:
            left_out.add(reason)


def images_in_file(path: str, left_out: LeftOut) -> Iterator[ImageFile]:
    """Yield the image in a file: itself or, for a DICOM file with several frames, each frame."""
    if os.path.isfile(path):
        yield from _frames(path, _size(path), partial(_file, path), left_out)
    else:  # a pipe can be read only once
        yield ImageFile(path, 0)


def is_image_name(name: str) -> bool:
    """Return whether a file's name is that of an image of a format that is read, and not hidden."""
    known = format_of(name)
    return known is not None and known.remedy() is None and not _is_hidden(name)


@dataclass
class _Walk:
    left_out: LeftOut
    seen: set[str] = field(default_factory=set)

    def folder(self, root: str) -> Iterator[ImageFile]:
        folders, links = [(root, False)], list[tuple[str, bool]]()
        while folders or links:
            folder, masks = folders.pop() if folders else links.pop(0)
            if not self._is_new(folder):
                continue
            try:
                with os.scandir(folder) as opened:
                    entries = sorted(opened, key=lambda entry: entry.name)
            except OSError as error:
                yield ImageFile(folder, 0, f"cannot be read: {error.strerror}")
                continue
            stems = _image_stems(entry.name for entry in entries)
            below = list[tuple[str, bool]]()
            for entry in entries:
                if not _is_hidden(entry.name) and _holds(entry.is_dir):
                    found = (entry.path, masks or _MASK_FOLDER.search(entry.name) is not None)
                    (links if entry.is_symlink() else below).append(found)
                else:
                    yield from self._entry(entry, stems, masks=masks)
            folders += reversed(below)

    def archive(self, path: str, *, masks: bool = False) -> Iterator[ImageFile]:
        if not self._is_new(path):
            return
        try:
            archive = zipfile.ZipFile(path)
        except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
            problem = f"cannot be read: {error.strerror}" if isinstance(error, OSError) else damaged_archive(error)
            yield ImageFile(path, 0, problem)
            return
        with archive:
            members = {member.filename: member for member in archive.infolist() if not member.is_dir()}
            stems = _image_stems(members)
            for name, member in sorted(members.items()):
                *folders, last = name.split("/")
                inside_masks = masks or any(map(_MASK_FOLDER.search, folders))
                if any(map(_is_hidden, (*folders, last))):
                    self.left_out.add(HIDDEN)
                elif last.lower().endswith(".zip"):
                    self.left_out.add(NESTED)
                elif reason := _reason(name, stems, partial(_member_head, archive, name), masks=inside_masks):
                    self.left_out.add(reason)
                else:
                    location = f"{path}{ZIP_SEPARATOR}{name}"
                    yield from _frames(location, member.file_size, partial(_member, archive, name), self.left_out)

    def _entry(self, entry: os.DirEntry[str], stems: frozenset[str], *, masks: bool) -> Iterator[ImageFile]:
        if _is_hidden(entry.name):
            self.left_out.add(HIDDEN)
        elif not _holds(entry.is_file):  # a broken link, a pipe or a socket
            self.left_out.add(BROKEN if entry.is_symlink() else OTHER)
        elif entry.name.lower().endswith(".zip"):
            yield from self.archive(entry.path, masks=masks)
        elif reason := _reason(entry.name, stems, partial(_head, entry.path), masks=masks):
            self.left_out.add(reason)
        else:
            yield from images_in_file(entry.path, self.left_out)

    def _is_new(self, path: str) -> bool:
        before = len(self.seen)
        self.seen.add(os.path.realpath(path))
        new = len(self.seen) > before
        if not new and os.path.islink(path):
            self.left_out.add(REPEATED)
        return new


def _is_hidden(name: str) -> bool:
    # macOS adds a folder with the metadata of each file to archives.
    return (name.startswith(".") and name not in (".", "..")) or name == "__MACOSX"


def _holds(test: Callable[[], bool]) -> bool:
    try:
        return test()
    except OSError:  # a link to itself
        return False


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError:  # reading the file reports it
        return 0


def _frames(location: str, size: int, open_file: Callable[[], BinaryIO], left_out: LeftOut) -> Iterator[ImageFile]:
    number, uid = 1, None
    if format_of(location) in (DICOM, None):
        try:
            with open_file() as file:
                if is_dicom(file.read(HEAD_BYTES)):
                    number, uid = find_frames(file)
        except Exception:  # noqa: BLE001 - decoding meets the same error and describes it
            number = 1
    if number == 1:
        yield ImageFile(location, size, uid=uid)
    elif number:
        for frame in range(1, number + 1):
            yield ImageFile(f"{location}{ZIP_SEPARATOR}{frame}", size, uid=uid and f"{uid}-{frame}")
    else:
        left_out.add(NO_IMAGE)


def _image_stems(names: Iterable[str]) -> frozenset[str]:
    return frozenset(os.path.splitext(name)[0].lower() for name in names if format_of(name) is not None)


def _reason(name: str, stems: frozenset[str], head: Callable[[], bytes], *, masks: bool = False) -> Reason | None:
    """Return why a file is left out; None for an image.

    Args:
        name: Its name.
        stems: Names without suffix of the images in the same folder, lower case.
        head: Returns its first bytes; called unless the suffix is that of a format that is read.
        masks: Whether it is in a folder of masks.
    """
    stem, suffix = os.path.splitext(name)
    known = format_of(name)
    if known is None:
        if suffix.lower() in _ARCHIVES:
            return ARCHIVE
        known, stem = format_by_content(head()), name
        if suffix[1:] and not suffix[1:].isdigit():  # UIDs of DICOM end in a number
            return OTHER if known is None or known.name in _WEAK_SIGNATURES else MISNAMED
        if known is None:
            return OTHER
    beside = _MASK_BESIDE.search(stem)
    if masks or _NAMED_MASK.search(stem) or (beside and stem[: beside.start()].lower() in stems):
        return MASK
    remedy = known.remedy()
    if remedy is not None and known.is_read:  # the content decides: phones name AVIF files .heic
        actual = format_by_content(head())
        remedy = remedy if actual is None else actual.remedy()
    if remedy is None:
        return None
    return Reason(f"{known.name} image", f"{known.name} images", remedy)


def _file(path: str) -> BinaryIO:
    return open(path, "rb")


def _head(path: str) -> bytes:
    try:
        with _file(path) as file:
            return file.read(HEAD_BYTES)
    except OSError:
        return b""


def _member(archive: zipfile.ZipFile, name: str) -> BinaryIO:
    opened: Any = archive.open(name)
    return io.BufferedReader(opened)  # going back in a member that is not buffered reads it from its beginning


def _member_head(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        with archive.open(name) as file:
            return file.read(HEAD_BYTES)
    except Exception:  # noqa: BLE001 - the errors of a damaged or encrypted member depend on its damage
        return b""

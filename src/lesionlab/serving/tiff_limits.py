"""A bound that Pillow lacks: the tags of small files that would take all memory."""

from contextlib import suppress
from typing import IO, Final

from PIL.TiffImagePlugin import ImageFileDirectory_v2

_MOST_TAG_BYTES: Final = 400_000  # the places of 50,000 strips; a picture of 50 megapixels has 7,000
_load = ImageFileDirectory_v2.load


def bound_tiff_tags() -> None:
    """Make Pillow read at most 400 kB of tags per directory of a TIFF, or of EXIF data; what is beyond is left out.

    Each tag names a place and a length, and many may name the same place: five megabytes of them can claim two
    hundred gigabytes. Pillow reads them all while it opens a file, and has no setting for it.
    """
    ImageFileDirectory_v2.load = _bounded_load  # type: ignore[method-assign]


def _bounded_load(self: ImageFileDirectory_v2, fp: IO[bytes]) -> None:
    with suppress(_EnoughError):
        _load(self, _Metered(fp))  # type: ignore[arg-type]


class _EnoughError(Exception):
    """The tags claim more than they may; those read so far are kept."""


class _Metered:
    """The part of a file that `load` uses, up to a number of bytes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._left = _MOST_TAG_BYTES
        self.tell = file.tell
        self.seek = file.seek

    def read(self, size: int) -> bytes:
        self._left -= size
        if self._left < 0:
            raise _EnoughError
        return self._file.read(size)

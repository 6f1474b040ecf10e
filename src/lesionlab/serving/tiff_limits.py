"""A limit that Pillow lacks: on the size of TIFF tags."""

from contextlib import suppress
from typing import IO, Final

from PIL.TiffImagePlugin import ImageFileDirectory_v2

_MAX_TAG_BYTES: Final = 400_000  # the offsets of 50,000 strips; an image of 50 megapixels has 7,000
_load = ImageFileDirectory_v2.load


def limit_tiff_tags() -> None:
    """Make Pillow read at most 400 kB of tags per directory of a TIFF or of EXIF data, and ignore further tags.

    A tag has an offset and a length, and many tags can point to the same bytes: a file of 5 MB can claim 200 GB. Pillow
    reads all of them when it opens a file.
    """
    # A patch, since Pillow has no setting, and directories come from TIFF, from EXIF data in four formats and from MPO.
    ImageFileDirectory_v2.load = _bounded_load  # type: ignore[method-assign]


def _bounded_load(self: ImageFileDirectory_v2, fp: IO[bytes]) -> None:
    with suppress(_LimitError):
        _load(self, _LimitedFile(fp))  # type: ignore[arg-type]


class _LimitError(Exception):
    """The tags exceed the limit; those read so far are kept."""


class _LimitedFile:
    """The methods of a file that `load` uses, with a limit on the bytes read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._left = _MAX_TAG_BYTES
        self.tell = file.tell
        self.seek = file.seek

    def read(self, size: int) -> bytes:
        self._left -= size
        if self._left < 0:
            raise _LimitError
        return self._file.read(size)

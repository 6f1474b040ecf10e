"""File formats of images: their names, suffixes and first bytes."""

import importlib.util
import os
from dataclasses import dataclass
from functools import cache
from typing import Final

from lesionlab.images.read import ZIP_SEPARATOR


@cache
def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


@dataclass(frozen=True, slots=True)
class ImageFormat:
    """A file format.

    Attributes:
        name: Its name, as Pillow spells it if Pillow reads it.
        suffixes: Its suffixes, lower case.
        extra: The extra whose package reads it; None for a format that is read without one, or not at all.
        package: The import name of that package.
        is_read: Whether it is read at all.
    """

    name: str
    suffixes: tuple[str, ...]
    extra: str | None = None
    package: str | None = None
    is_read: bool = True

    def remedy(self) -> str | None:
        """Return what the user can do with files of this format; None if they are read."""
        if not self.is_read:
            return "export as JPEG or PNG"
        if self.package is None or _is_installed(self.package):
            return None
        return f"pip install 'lesionlab[{self.extra}]'"


# The formats of cameras, dermatoscopes and archives. Further decoders of Pillow would only add attack surface.
_READ: Final = (
    ImageFormat("JPEG", (".jpg", ".jpeg", ".jpe", ".jfif")),
    ImageFormat("PNG", (".png",)),
    ImageFormat("WEBP", (".webp",)),
    ImageFormat("TIFF", (".tif", ".tiff")),
    ImageFormat("BMP", (".bmp",)),
    ImageFormat("GIF", (".gif",)),
)
DICOM: Final = ImageFormat("DICOM", (".dcm", ".dicom"), is_read=False)
_NOT_READ: Final = (
    DICOM,
    ImageFormat("AVIF", (".avif",), is_read=False),
    ImageFormat("HEIC", (".heic", ".heif", ".hif"), is_read=False),
    ImageFormat("JPEG 2000", (".jp2", ".j2k"), is_read=False),
    ImageFormat("JPEG XL", (".jxl",), is_read=False),
    ImageFormat("raw", (".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf", ".rw2"), is_read=False),
    ImageFormat("PSD", (".psd",), is_read=False),
    ImageFormat("SVG", (".svg",), is_read=False),
    ImageFormat("PPM", (".ppm", ".pgm", ".pbm", ".pnm"), is_read=False),
    ImageFormat("TGA", (".tga",), is_read=False),
)

FORMATS: Final = tuple(known.name for known in _READ)
IMAGE_SUFFIXES: Final = frozenset(suffix for known in _READ for suffix in known.suffixes)
_BY_SUFFIX: Final = {suffix: known for known in (*_READ, *_NOT_READ) for suffix in known.suffixes}
SIGNATURES: Final = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF", b"BM", b"II*\0", b"MM\0*")
HEAD_BYTES: Final = 132


def format_of(name: str) -> ImageFormat | None:
    """Return the format that the suffix of a file's name stands for; None if it is not that of an image."""
    return _BY_SUFFIX.get(os.path.splitext(name)[1].lower())


def is_dicom(head: bytes) -> bool:
    """Return whether a file with these first `HEAD_BYTES` bytes is DICOM, which often has no suffix."""
    return head[128:132] == b"DICM"


def image_id(location: str) -> str:
    """Return the name of an image without its folder, archive and suffix: `ISIC_0024306`.

    Only suffixes of images are removed: names with dots, such as the UIDs of DICOM, are kept.
    """
    name = os.path.basename(location.rpartition(ZIP_SEPARATOR)[2])
    return os.path.splitext(name)[0] if format_of(name) else name

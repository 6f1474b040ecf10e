"""File formats of images: their names, suffixes and first bytes."""

import importlib
import importlib.util
import os
from dataclasses import dataclass
from functools import cache
from typing import Final

from lesionlab.errors import ImageError
from lesionlab.images.boxes import brands
from lesionlab.images.read import ZIP_SEPARATOR, split_frame


@dataclass(frozen=True, slots=True)
class ImageFormat:
    """A file format.

    Attributes:
        name: Its usual name.
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


_CORE: Final = (
    ImageFormat("JPEG", (".jpg", ".jpeg", ".jpe", ".jfif", ".jfi", ".jif", ".pjpeg", ".pjp")),
    ImageFormat("PNG", (".png", ".apng")),
    ImageFormat("WEBP", (".webp",)),
    ImageFormat("TIFF", (".tif", ".tiff")),
    ImageFormat("BMP", (".bmp", ".dib")),
    ImageFormat("GIF", (".gif",)),
)
DICOM: Final = ImageFormat("DICOM", (".dcm", ".dicom"), "dicom", "pydicom")
AVIF: Final = ImageFormat("AVIF", (".avif",))
HEIC: Final = ImageFormat("HEIC", (".heic", ".heif", ".hif"), "formats", "pillow_heif")
JPEG_2000: Final = ImageFormat("JPEG 2000", (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"))
JPEG_XL: Final = ImageFormat("JPEG XL", (".jxl",), "formats", "pillow_jxl")
_ALL: Final = (
    *_CORE,
    DICOM,
    AVIF,
    HEIC,
    JPEG_2000,
    JPEG_XL,
    ImageFormat("raw", (".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".pef", ".raf", ".rw2"), is_read=False),
    ImageFormat("JPEG XR", (".jxr", ".wdp", ".hdp"), is_read=False),
    ImageFormat("JPEG-LS", (".jls",), is_read=False),
    ImageFormat("PSD", (".psd", ".psb"), is_read=False),
    ImageFormat("SVG", (".svg", ".svgz"), is_read=False),
    ImageFormat("EPS", (".eps",), is_read=False),
    ImageFormat("PPM", (".ppm", ".pgm", ".pbm", ".pnm"), is_read=False),
    ImageFormat("TGA", (".tga",), is_read=False),
    ImageFormat("whole-slide", (".svs", ".ndpi", ".scn", ".mrxs"), is_read=False),
)

# The formats of cameras, dermatoscopes and archives, which every interface reads. The others are read from files only:
# small ones of them can take a server long to decode. Further decoders of Pillow would only add attack surface.
FORMATS: Final = tuple(known.name for known in _CORE)
_PILLOW_NAMES: Final = {AVIF: "AVIF", HEIC: "HEIF", JPEG_2000: "JPEG2000", JPEG_XL: "JXL"}
_BY_SUFFIX: Final = {suffix: known for known in _ALL for suffix in known.suffixes}
IMAGE_SUFFIXES: Final = frozenset(suffix for suffix, known in _BY_SUFFIX.items() if known.is_read)

HEAD_BYTES: Final = 132
_SIGNATURES: Final = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG": "PNG",
    b"RIFF": "WEBP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"BM": "BMP",
    b"GIF8": "GIF",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"\0\0\0\x0cjP  \r\n\x87\n": "JPEG 2000",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL \r\n\x87\n": "JPEG XL",
}
_BY_NAME: Final = {known.name: known for known in _ALL}


def accepted_formats() -> tuple[str, ...]:
    """Return the names of the formats that the server accepts in this installation."""
    return FORMATS if DICOM.remedy() else (*FORMATS, DICOM.name)


def format_of(name: str) -> ImageFormat | None:
    """Return the format that the suffix of a file's name stands for; None if it is not that of an image."""
    return _BY_SUFFIX.get(os.path.splitext(split_frame(name)[0])[1].lower())


def is_dicom(head: bytes) -> bool:
    """Return whether a file with these first `HEAD_BYTES` bytes is DICOM, which often has no suffix."""
    return head[128:132] == b"DICM"


def format_by_content(head: bytes) -> ImageFormat | None:
    """Return the format of a file by its first `HEAD_BYTES` bytes; None for an unknown one."""
    for signature, name in _SIGNATURES.items():
        if head.startswith(signature):
            return _BY_NAME[name]
    if is_dicom(head):
        return DICOM
    major, *compatible = brands(head) or [b""]
    codings = {brand[:3] for brand in (major, *compatible)}  # such as heic, heix, hevc, avif, avis
    if major[:3] == b"avi" or (b"avi" in codings and not codings & {b"hei", b"hev"}):
        return AVIF
    return HEIC if codings & {b"hei", b"hev", b"mif", b"msf"} else None


def pillow_formats(data: bytes) -> tuple[str, ...]:
    """Return the names of the formats as which Pillow may open a file. The package of an extra is loaded if needed.

    Raises:
        ImageError: The extra is not installed.
    """
    known = format_by_content(data[:HEAD_BYTES])
    if known not in _PILLOW_NAMES:
        return FORMATS
    if remedy := known.remedy():
        raise ImageError(f"{known.name} images need the extra '{known.extra}': {remedy}")
    if known.package is not None:
        _load(known.package)
    return (_PILLOW_NAMES[known],)


def image_id(location: str) -> str:
    """Return the name of an image without its folder, archive and suffix: `ISIC_0024306`, with a frame `scan-2`.

    Only suffixes of images are removed: names with dots, such as the UIDs of DICOM, are kept.
    """
    file, frame = split_frame(location)
    name = os.path.basename(file.rpartition(ZIP_SEPARATOR)[2])
    stem = os.path.splitext(name)[0] if format_of(name) else name
    return stem if frame is None else f"{stem}-{frame}"


@cache
def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


@cache
def _load(package: str) -> None:
    module = importlib.import_module(package)
    if package == HEIC.package:  # the other registers its decoder when it is imported
        module.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)

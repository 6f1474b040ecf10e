"""Messages on files that cannot be decoded: of another format, of an unusual kind, damaged or truncated."""

import codecs
import io
from typing import Final

from PIL.TiffImagePlugin import ImageFileDirectory_v2

from lesionlab.images.bounds import jpeg_coding
from lesionlab.images.formats import FORMATS, HEAD_BYTES, format_by_content

_READ_CODINGS: Final = (0xC0, 0xC1, 0xC2, 0xC9, 0xCA)
_LOSSLESS: Final = (0xC3, 0xC7, 0xCB, 0xCF)
_JPEG_LS: Final = 0xF7
_PHOTOMETRIC, _BITS, _CHANNELS, _COMPRESSION = 262, 258, 277, 259
_REMEDY: Final = "export the image with 8 bits per channel"
_UNSUPPORTED: Final = ("unsupported", "not supported", "cannot handle", "unknown pixel mode", "not implemented")


def unknown_format(data: bytes) -> str:
    """Return the message on a file that no decoder accepts."""
    known = format_by_content(data[:HEAD_BYTES])
    if known is not None:
        damaged = f"the {known.name} image is damaged or truncated in its header; copy or export it again"
        find = {"JPEG": _unusual_jpeg, "PNG": _unusual_png, "TIFF": _unusual_tiff}.get(known.name)
        return damaged if find is None or (kind := find(data)) is None else f"{kind} is not read; {_REMEDY}"
    found = "this is not an image of a supported format"
    if data[:5] == b"%PDF-":
        found = "this is a PDF document, not an image"
    elif data[4:8] == b"ftyp":
        found = "this is a film, not an image"
    elif b"<svg" in data[:4096].lower():
        found = "this is an SVG drawing, not a photograph"
    elif _is_text(data[:512]):
        found = "the file holds text, not an image"
    return f"{found}; export the image as one of {', '.join(FORMATS)}"


def failed_decoding(data: bytes, error: Exception) -> str:
    """Return the message on a file with which a decoder has failed.

    Args:
        data: The file, empty if unknown.
        error: The decoder's exception. For damaged files it depends on the format and on the damage.
    """
    whole = str(error) or type(error).__name__
    text = " ".join(whole.split()).partition(". ")[0]  # some decoders go on about how to debug them
    if kind := _unusual_jpeg(data) or _unusual_png(data):
        return f"{kind} is not read; {_REMEDY}"
    if "MAX_TEXT" in whole:
        return "the texts beside the image are too large; save it again without its metadata"
    if any(words in whole.lower() for words in _UNSUPPORTED):
        return f"this kind of image is not read ({text}); {_REMEDY}"
    cut = any(words in whole.lower() for words in ("truncated", "unexpected end", "not enough image data"))
    return f"the image is {'truncated' if cut else 'damaged'} ({text}); copy or export it again"


def _unusual_png(data: bytes) -> str | None:
    return "PNG of an iOS app (CgBI)" if data.startswith(b"\x89PNG") and data[12:16] == b"CgBI" else None


def _unusual_jpeg(data: bytes) -> str | None:
    if not data.startswith(b"\xff\xd8"):
        return None
    coding, bits = jpeg_coding(data) or (_READ_CODINGS[0], 8)
    if coding == _JPEG_LS:
        return "JPEG-LS"
    if coding in _LOSSLESS:
        return f"JPEG with lossless coding and {bits} bits"
    if bits != 8:
        return f"JPEG with {bits} bits"
    return None if coding in _READ_CODINGS else "JPEG with hierarchical coding"


def _unusual_tiff(data: bytes) -> str | None:
    """Return the kind of a TIFF by its first directory; Pillow accepts only known combinations of these values."""
    try:
        tags = ImageFileDirectory_v2(data[:8])
        stream = io.BytesIO(data)
        stream.seek(tags.next)
        tags.load(stream)
        bits, channels = tags.get(_BITS, (1,)), tags.get(_CHANNELS, 1)
        photometric, compression = tags[_PHOTOMETRIC], tags.get(_COMPRESSION, 1)
    except Exception:  # noqa: BLE001 - a damaged header
        return None
    depth = max(bits) if isinstance(bits, tuple) else bits
    values = "1 channel" if channels == 1 else f"{channels} channels"
    return f"TIFF with {values} of {depth} bits, photometric {photometric}, compression {compression},"


def _is_text(data: bytes) -> bool:
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(data)
    except UnicodeDecodeError:
        return False
    return "\0" not in text

"""Boxes, of which HEIC, AVIF, JPEG 2000 and JPEG XL files consist, and facts in them that Pillow does not return."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from lesionlab.errors import ImageError

_MAX_BOXES: Final = 10_000
_JPEG_XL_HEAD: Final = 64  # bytes
_SRGB_PRIMARIES: Final = (1, 2)  # BT.709, unspecified
_SRGB_TRANSFERS: Final = (1, 2, 6, 13)  # BT.709, unspecified, BT.601, sRGB


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """Yield the type, the start and the end of each box's content, of the first 10,000 boxes."""
    end = len(data) if end is None else min(end, len(data))
    for _ in range(_MAX_BOXES):
        if start + 8 > end:
            return
        size, head = int.from_bytes(data[start : start + 4]), 8
        if size == 1:
            size, head = int.from_bytes(data[start + 8 : start + 16]), 16
        elif size == 0:
            size = end - start
        if size < head:
            return
        yield data[start + 4 : start + 8], start + head, min(start + size, end)
        start += size


def brands(data: bytes) -> list[bytes]:
    """Return the brands of a file that begins with a box `ftyp`, the major one first; none for another file."""
    if data[4:8] != b"ftyp":
        return []
    end = min(int.from_bytes(data[:4]), len(data), 256)
    return [data[8:12], *(data[place : place + 4] for place in range(16, end - 3, 4))]


def jpeg2000_profile(data: bytes) -> bytes | None:
    """Return the colour profile that a JPEG 2000 file embeds."""
    for kind, start, end in boxes(data):
        if kind == b"jp2h":
            for inner, place, stop in boxes(data, start, end):
                if inner == b"colr" and data[place : place + 1] in (b"\2", b"\3"):  # methods with a profile
                    return data[place + 3 : stop]
    return None


def has_other_colours(data: bytes) -> bool:
    """Return whether a HEIC or AVIF file states by code points (nclx) that its colours are not sRGB."""
    place = data.find(b"colrnclx", 0, 1_000_000) + 8
    primaries, transfer = (int.from_bytes(data[at : at + 2]) for at in (place, place + 2))
    return place > 7 and (primaries not in _SRGB_PRIMARIES or transfer not in _SRGB_TRANSFERS)


@dataclass(frozen=True, slots=True)
class JpegXlHeader:
    """The header of a JPEG XL image.

    Attributes:
        size: Width and height in pixels as stored.
        orientation: As in EXIF; decoders apply it.
        animated: Whether it has several frames.
    """

    size: tuple[int, int]
    orientation: int
    animated: bool


def jpeg_xl_header(data: bytes) -> JpegXlHeader:
    """Read the header of a JPEG XL file, whose decoder has no limit on the size.

    Raises:
        ImageError: The file has no such header.
    """
    head = data[:_JPEG_XL_HEAD]
    if not head.startswith(b"\xff\x0a"):
        head = b""
        for kind, start, end in boxes(data):
            if kind in (b"jxlc", b"jxlp") and len(head) < _JPEG_XL_HEAD:
                number = 4 if kind == b"jxlp" else 0  # bytes of the number of a part
                head += data[start + number : min(end, start + number + _JPEG_XL_HEAD)]
    if not head.startswith(b"\xff\x0a") or len(head) < 12:
        raise ImageError("the image is damaged or truncated in its header; copy or export it again")
    bits = _Bits(head[2:])
    size = bits.size()
    if bits.take(1) or not bits.take(1):  # all metadata are the default, or have no further fields
        return JpegXlHeader(size, 1, animated=False)
    orientation = 1 + bits.take(3)
    if bits.take(1):  # the intended size on a screen
        bits.size()
    preview, animated = bits.take(1), bits.take(1)
    return JpegXlHeader(size, orientation, animated=not preview and bool(animated))


class _Bits:
    """Numbers from bits, the lowest first."""

    def __init__(self, data: bytes) -> None:
        self._bits = int.from_bytes(data, "little")

    def take(self, count: int) -> int:
        value = self._bits & ((1 << count) - 1)
        self._bits >>= count
        return value

    def size(self) -> tuple[int, int]:
        small = self.take(1)
        height = self._side(small)
        ratio = self.take(3)
        above, below = ((1, 1), (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[ratio]
        return (height * above // below if ratio else self._side(small)), height

    def _side(self, small: int) -> int:
        if small:
            return 8 * (1 + self.take(5))
        return 1 + self.take((9, 13, 18, 30)[self.take(2)])

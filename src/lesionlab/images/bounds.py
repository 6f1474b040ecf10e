"""Limits of size, and limits against small files that take Pillow minutes to decode."""

import re
import struct
from collections.abc import Iterator
from itertools import islice
from typing import Final

from lesionlab.errors import ImageError

MAX_PIXELS: Final = 100_000_000
# Decoding more of them takes many seconds.
MAX_PIXELS_OF: Final = {"JPEG2000": 25_000_000, "JXL": 50_000_000}
MIN_SIDE: Final = 8

_MAX_SCANS: Final = 32  # cameras and editors write at most about a dozen
_MAX_SEGMENTS: Final = 20_000  # of a JPEG, and chunks of a PNG
_MAX_BLOCKS: Final = 100_000  # of 255 bytes
_MAX_PACKED_BYTES: Final = 1_000_000

# A marker begins with 0xff. In entropy-coded data, 0xff is followed by 0 or by a restart marker.
_MARKER: Final = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])")
_START_OF_SCAN: Final = 0xDA
_END: Final = 0xD9
_WITHOUT_LENGTH: Final = (0x01, 0xD8)
_FRAMES: Final = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
_PACKED: Final = (1, 2)  # run lengths of 8 and of 4 bits


def check_size(width: int, height: int, *, limit: int = MAX_PIXELS) -> None:
    """Check the size of an image before its pixels are decoded.

    Raises:
        ImageError: The image is too large (`limit`, in pixels) or too small (8 pixels a side).
    """
    if width * height > limit:
        raise ImageError(
            f"the image is too large ({width}x{height}, {width * height / 1e6:.0f} megapixels; "
            f"the limit is {limit // 10**6}); scale it down"
        )
    if min(width, height) < MIN_SIDE:
        raise ImageError(f"the image is too small ({width}x{height}; at least {MIN_SIDE}x{MIN_SIDE} pixels are needed)")


def check_decoding_time(data: bytes) -> None:
    """Check that Pillow can decode a file in a time proportional to its size in pixels.

    - Each scan of a progressive JPEG refines the whole image, and an empty scan takes 60 bytes.
    - Pillow reads segments, chunks and blocks, which may be empty, in a Python loop.
    - It decodes run-length encoded BMP files in a Python loop too.

    Raises:
        ImageError: The file has too many parts.
    """
    if data.startswith(b"\xff\xd8"):
        slow = _exceeds_segments(data)
    elif data.startswith(b"\x89PNG"):
        slow = _exceeds_chunks(data)
    elif data.startswith(b"GIF8"):
        slow = _exceeds_blocks(_MAX_BLOCKS, data)
    else:
        slow = data.startswith(b"BM") and len(data) > _MAX_PACKED_BYTES and data[30] in _PACKED
    if slow:
        raise ImageError("the image is split into too many parts; save it again without its metadata, as PNG")


def jpeg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield the marker and the start of the content of each segment of a JPEG, up to the end of the first image.

    What follows the image, such as a second image or a film of a phone, is no part of it.
    """
    position = 0
    while (found := _MARKER.search(data, position)) is not None:
        marker, position = found[1][0], found.end()
        if marker == _END:
            return
        yield marker, position + 2
        if marker not in _WITHOUT_LENGTH:
            position += max(2, int.from_bytes(data[position : position + 2]))


def jpeg_coding(data: bytes) -> tuple[int, int] | None:
    """Return the marker of a JPEG's frame, which tells the method of its coding, and the bits per value."""
    for marker, start in islice(jpeg_segments(data), _MAX_SEGMENTS):
        if marker in _FRAMES and start < len(data):
            return marker, data[start]
    return None


def _exceeds_segments(jpeg: bytes) -> bool:
    scans = 0
    for segments, (marker, _start) in enumerate(jpeg_segments(jpeg), start=1):
        scans += marker == _START_OF_SCAN
        if scans > _MAX_SCANS or segments > _MAX_SEGMENTS:
            return True
    return False


def _exceeds_chunks(png: bytes) -> bool:
    position, found = 8, 0
    while position + 8 <= len(png) and found <= _MAX_SEGMENTS:
        length, kind = struct.unpack_from(">I4s", png, position)
        position += 12 + length
        found += 1
        if kind == b"IEND":
            break
    return found > _MAX_SEGMENTS


def _exceeds_blocks(limit: int, gif: bytes) -> bool:
    def after_table(position: int, flags: int) -> int:
        return position + (3 << (flags & 7) + 1 if flags & 0x80 else 0)

    found, position = 0, after_table(13, gif[10]) if len(gif) > 13 else len(gif)
    while position < len(gif) and found <= limit:
        if gif[position] == 0x21:  # an extension: label, blocks
            position += 2
        elif gif[position] == 0x2C and position + 10 < len(gif):  # an image: position, table, code size, blocks
            position = after_table(position + 10, gif[position + 9]) + 1
        elif gif[position] == 0x3B:  # the end
            break
        else:
            position += 1  # Pillow searches for the next part byte by byte
            found += 1
            continue
        while position < len(gif) and gif[position] and found <= limit:
            position += 1 + gif[position]
            found += 1
        position += 1
        found += 1
    return found > limit

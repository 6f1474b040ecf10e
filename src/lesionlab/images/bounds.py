"""Limits of size, and limits against small files that take Pillow minutes to decode."""

import re
import struct
from itertools import islice
from typing import Final

from lesionlab.errors import ImageError

MAX_PIXELS: Final = 100_000_000
MIN_SIDE: Final = 8

_MAX_SCANS: Final = 32  # cameras and editors write at most about a dozen
_MAX_SEGMENTS: Final = 20_000  # markers also occur by chance in metadata, about once in some thousand bytes
_MAX_CHUNKS: Final = 200  # other than IDAT
_MAX_BLOCKS: Final = 100_000  # of 255 bytes
_MAX_PACKED_BYTES: Final = 1_000_000

# In entropy-coded data, 0xff is followed by 0 or by a restart marker.
_SEGMENT: Final = re.compile(rb"\xff[\xc0-\xcf\xdb-\xfe]")
_SCAN: Final = b"\xff\xda"
_PACKED: Final = (1, 2)  # run lengths of 8 and of 4 bits


def check_size(width: int, height: int) -> None:
    """Check the size of an image before its pixels are decoded.

    Raises:
        ImageError: The image is too large (100 megapixels) or too small (8 pixels a side).
    """
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"the image is too large ({width}x{height}, {width * height / 1e6:.0f} megapixels; "
            f"the limit is {MAX_PIXELS // 10**6}); scale it down"
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
        slow = data.count(_SCAN) > _MAX_SCANS or _exceeds_segments(_MAX_SEGMENTS, data)
    elif data.startswith(b"\x89PNG"):
        slow = _exceeds_chunks(_MAX_CHUNKS, data)
    elif data.startswith(b"GIF8"):
        slow = _exceeds_blocks(_MAX_BLOCKS, data)
    else:
        slow = data.startswith(b"BM") and len(data) > _MAX_PACKED_BYTES and data[30] in _PACKED
    if slow:
        raise ImageError("the image is split into too many parts; save it again without its metadata, as PNG")


def _exceeds_segments(limit: int, jpeg: bytes) -> bool:
    return next(islice(_SEGMENT.finditer(jpeg), limit, None), None) is not None


def _exceeds_chunks(limit: int, png: bytes) -> bool:
    position, found, pixels = 8, 0, 0
    while position + 8 <= len(png) and found <= limit and pixels <= _MAX_SEGMENTS:
        length, kind = struct.unpack_from(">I4s", png, position)
        position += 12 + length
        pixels += kind == b"IDAT"
        found += kind != b"IDAT"
    return found > limit or pixels > _MAX_SEGMENTS


def _exceeds_blocks(limit: int, gif: bytes) -> bool:
    def after_table(position: int, flags: int) -> int:
        return position + (3 << (flags & 7) + 1 if flags & 0x80 else 0)

    found, position = 0, after_table(13, gif[10]) if len(gif) > 13 else len(gif)
    while position < len(gif) and found <= limit:
        if gif[position] == 0x21:  # an extension: label, blocks
            position += 2
        elif gif[position] == 0x2C and position + 10 < len(gif):  # an image: position, table, code size, blocks
            position = after_table(position + 10, gif[position + 9]) + 1
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

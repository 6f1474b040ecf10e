"""Bounds that Pillow lacks: small files, harmless by their size in pixels, that would take it minutes."""

import re
import struct
from itertools import islice
from typing import Final

from lesionlab.errors import ImageError

_MOST_SCANS: Final = 32  # cameras and editors write at most about a dozen
_MOST_SEGMENTS: Final = 20_000  # a few by design, and one in some thousand bytes of metadata by chance
_MOST_CHUNKS: Final = 200  # beside the pixels
_MOST_BLOCKS: Final = 100_000  # of 255 bytes
_MOST_PACKED_BYTES: Final = 1_000_000

# Among pixels, 0xff is followed by 0 or by a restart marker.
_SEGMENT: Final = re.compile(rb"\xff[\xc0-\xcf\xdb-\xfe]")
_SCAN: Final = b"\xff\xda"
_PACKED: Final = (1, 2)  # run lengths of 8 and of 4 bits


def refuse_if_slow(data: bytes) -> None:
    """Refuse what Pillow would work at for much longer than the size tells.

    - A progressive JPEG refines the whole picture with each scan, and a scan of nothing takes 60 bytes.
    - Pillow reads segments, chunks and blocks in a loop in Python, and they may be empty.
    - It unpacks BMPs in such a loop as well.

    Raises:
        ImageError: It is built so.
    """
    if data.startswith(b"\xff\xd8"):
        slow = data.count(_SCAN) > _MOST_SCANS or _more_segments_than(_MOST_SEGMENTS, data)
    elif data.startswith(b"\x89PNG"):
        slow = _more_chunks_than(_MOST_CHUNKS, data)
    elif data.startswith(b"GIF8"):
        slow = _more_blocks_than(_MOST_BLOCKS, data)
    else:
        slow = data.startswith(b"BM") and len(data) > _MOST_PACKED_BYTES and data[30] in _PACKED
    if slow:
        raise ImageError("the image is built of far too many parts; save it again without its metadata, as PNG")


def _more_segments_than(most: int, jpeg: bytes) -> bool:
    return next(islice(_SEGMENT.finditer(jpeg), most, None), None) is not None


def _more_chunks_than(most: int, png: bytes) -> bool:
    position, found, pixels = 8, 0, 0
    while position + 8 <= len(png) and found <= most and pixels <= _MOST_SEGMENTS:
        length, kind = struct.unpack_from(">I4s", png, position)
        position += 12 + length
        pixels += kind == b"IDAT"
        found += kind != b"IDAT"
    return found > most or pixels > _MOST_SEGMENTS


def _more_blocks_than(most: int, gif: bytes) -> bool:
    def after_table(position: int, flags: int) -> int:
        return position + (3 << (flags & 7) + 1 if flags & 0x80 else 0)

    found, position = 0, after_table(13, gif[10]) if len(gif) > 13 else len(gif)
    while position < len(gif) and found <= most:
        if gif[position] == 0x21:  # an extension: its label, then blocks
            position += 2
        elif gif[position] == 0x2C and position + 10 < len(gif):  # an image: place, table, code size, then blocks
            position = after_table(position + 10, gif[position + 9]) + 1
        else:
            position += 1  # Pillow looks on for the next part, byte by byte
            found += 1
            continue
        while position < len(gif) and gif[position] and found <= most:
            position += 1 + gif[position]
            found += 1
        position += 1
        found += 1
    return found > most

"""JPEG codestreams that Pillow does not write."""

import struct

import numpy as np


def without_markers(jpeg: bytes) -> bytes:
    """Return a JPEG without JFIF, Adobe and other application data."""
    result, position = jpeg[:2], 2
    while jpeg[position + 1] != 0xDA:
        end = position + 2 + int.from_bytes(jpeg[position + 2 : position + 4], "big")
        if not 0xE0 <= jpeg[position + 1] <= 0xEF:
            result += jpeg[position:end]
        position = end
    return result + jpeg[position:]


def lossless_jpeg(pixels: np.ndarray) -> bytes:
    """Return pixels, uint8 [rows, columns, samples], as a lossless JPEG (process 14, selection value 1)."""
    rows, columns, samples = pixels.shape
    components = range(1, samples + 1)
    frame = struct.pack(">BHHB", 8, rows, columns, samples) + b"".join(bytes((i, 0x11, 0)) for i in components)
    # One code of four bits for each of the nine numbers of bits of a difference.
    codes = bytes((0, 0, 0, 0, 9, *(0,) * 12, *range(9)))
    scan = bytes((samples,)) + b"".join(bytes((i, 0)) for i in components) + bytes((1, 0, 0))
    segments = b"".join(
        bytes((0xFF, marker)) + struct.pack(">H", len(data) + 2) + data
        for marker, data in ((0xC3, frame), (0xC4, codes), (0xDA, scan))
    )
    bits = "".join(map(_bits, _differences(pixels).ravel().tolist()))
    bits += "1" * (-len(bits) % 8)
    data = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\x00")
    return b"\xff\xd8" + segments + data + b"\xff\xd9"


def _differences(pixels: np.ndarray) -> np.ndarray:
    values = pixels.astype(int)
    left = np.roll(values, 1, axis=1)
    left[1:, 0] = values[:-1, 0]
    left[0, 0] = 128
    result: np.ndarray = values - left
    return result


def _bits(difference: int) -> str:
    length = abs(difference).bit_length()
    value = difference if difference > 0 else difference + 2**length - 1
    return f"{length:04b}" + (f"{value:0{length}b}" if length else "")

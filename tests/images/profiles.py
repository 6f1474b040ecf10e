"""Colour profiles for tests, built from primaries and a gamma."""

import struct

# XYZ of the primaries, adapted to D50.
SRGB = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))
DISPLAY_P3 = ((0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841))
ADOBE_RGB = ((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446))
PROPHOTO = ((0.7977, 0.2880, 0.0), (0.1352, 0.7119, 0.0), (0.0313, 0.0001, 0.8249))
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def _fixed(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def parametric(kind: int, *values: float) -> bytes:
    return b"para" + bytes(4) + struct.pack(">HH", kind, 0) + _fixed(*values)


def table(values: list[int]) -> bytes:
    return b"curv" + bytes(4) + struct.pack(f">I{len(values)}H", len(values), *values)


def icc_profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """Return a display profile of version 4 with the tags and a description."""
    text = "test profile".encode("utf-16-be")
    words = b"mluc" + bytes(4) + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(text), 28) + text
    tags = {b"desc": words, b"cprt": words, b"wtpt": b"XYZ " + bytes(4) + _fixed(0.9642, 1, 0.8249)} | tags
    entries, body, start = b"", b"", 132 + 12 * len(tags)
    for name, data in tags.items():
        entries += name + struct.pack(">II", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = struct.pack(">I4sI4s4s4s", start + len(body), bytes(4), 0x04200000, b"mntr", space, b"XYZ ")
    header += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp") + bytes(28) + _fixed(0.9642, 1, 0.8249)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + entries + body


def rgb_profile(primaries: tuple[tuple[float, float, float], ...], curve: bytes) -> bytes:
    tags: dict[bytes, bytes] = {}
    for letter, xyz in zip((b"r", b"g", b"b"), primaries, strict=True):
        tags |= {letter + b"XYZ": b"XYZ " + bytes(4) + _fixed(*xyz), letter + b"TRC": curve}
    return icc_profile(b"RGB ", tags)


P3_OF_PHONES = rgb_profile(DISPLAY_P3, parametric(3, *SRGB_CURVE))

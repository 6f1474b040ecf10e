"""Files that a server must reject: damaged, huge, mislabelled, or not images.

Damage is random with a fixed seed, and kept where decoding fails: a flipped bit may leave a valid image.
"""

import gzip
import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw

from lesionlab.errors import ImageError
from lesionlab.images import decode_image

NAMES = (
    "lesion.jpg",
    "../../../etc/passwd",
    "..\\..\\windows\\system32\\x.png",
    "/etc/shadow",
    "C:\\boot.ini",
    "a\x00.jpg",
    "a\r\nX-Injected: yes",
    '"><script>alert(1)</script>.jpg',
    "=cmd|' /C calc'!A0.csv",
    "%2e%2e%2fpasswd",
    "${jndi:ldap:x}.png",
    "\u202egpj.exe",
    "COM1",
    "." * 300,
    " ",
    "x.jpg;.php",
)
_SEED = 7


def corpus() -> Iterator[tuple[str, bytes]]:
    """Yield a description and the bytes of each file."""
    for source in (_truncated, _flipped, _bombs, _animations, _too_small, _polyglots, _documents, _headers, _noise):
        yield from source()


def _image(size: tuple[int, int] = (64, 48)) -> Image.Image:
    image = Image.fromarray(np.random.default_rng(_SEED).integers(0, 256, (*size[::-1], 3), np.uint8))
    ImageDraw.Draw(image).ellipse((10, 8, 40, 36), fill=(90, 40, 30))
    return image


def _encoded() -> dict[str, bytes]:
    image = _image()
    files = {}
    for name, image_format, options in (
        ("jpeg", "JPEG", {}),
        ("progressive jpeg", "JPEG", {"progressive": True}),
        ("png", "PNG", {}),
        ("webp", "WEBP", {}),
        ("lossless webp", "WEBP", {"lossless": True}),
        ("tiff", "TIFF", {}),
        ("deflated tiff", "TIFF", {"compression": "tiff_deflate"}),
        ("bmp", "BMP", {}),
        ("gif", "GIF", {}),
    ):
        out = io.BytesIO()
        image.save(out, image_format, **options)
        files[name] = out.getvalue()
    return files


def _is_rejected(data: bytes) -> bool:
    try:
        decode_image(data)
    except ImageError:
        return True
    return False


def _truncated() -> Iterator[tuple[str, bytes]]:
    for name, data in _encoded().items():
        for percent in (1, 5, 20, 50, 80, 95):
            cut = data[: max(4, len(data) * percent // 100)]
            if _is_rejected(cut):
                yield f"{name} cut at {percent} %", cut


def _flipped() -> Iterator[tuple[str, bytes]]:
    draw = np.random.default_rng(_SEED)
    for name, data in _encoded().items():
        kept = 0
        for _ in range(400):
            damaged = bytearray(data)
            # Damage in headers has more effect: half of the flips go there.
            end = len(data) if draw.random() < 0.5 else min(64, len(data))
            for place in draw.integers(0, end, 1 + draw.integers(4)):
                damaged[place] ^= 1 << draw.integers(8)
            if _is_rejected(bytes(damaged)):
                kept += 1
                yield f"{name} with flipped bits {kept}", bytes(damaged)
            if kept == 10:
                break


def png(width: int, height: int, *chunks: tuple[bytes, bytes], pixels: bytes = b"") -> bytes:
    """Return a PNG whose header states a size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), *chunks, (b"IDAT", zlib.compress(pixels)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
    )


def _tiff(width: int, height: int, *entries: tuple[int, int, int, int]) -> bytes:
    tags = sorted(
        (
            (256, 4, 1, width),
            (257, 4, 1, height),
            (258, 3, 1, 8),
            (259, 3, 1, 1),
            (262, 3, 1, 1),
            (273, 4, 1, 8),
            (278, 4, 1, height),
            (279, 4, 1, 100),
            *entries,
        )
    )
    body = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(tags)) + body + struct.pack("<I", 8)


def _webp(width: int, height: int) -> bytes:
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    chunk = b"VP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + size
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def _bombs() -> Iterator[tuple[str, bytes]]:
    for side in (7_072, 9_500, 14_000, 60_000, 2**31 - 1):
        yield f"png of {side} squared", png(side, side)
    for width, height in ((2**31 - 1, 1), (1, 2**31 - 1), (100_000_000, 8), (0, 0), (2**32 - 1, 2**32 - 1)):
        yield f"png of {width}x{height}", png(width, height)
    bomb = zlib.compress(b"a" * 100_000_000, 9)
    yield "png with a text that unpacks to 100 MB", png(64, 48, (b"zTXt", b"x\0\0" + bomb), pixels=bytes(193 * 48))
    yield "png with an international text bomb", png(64, 48, (b"iTXt", b"x\0\1\0\0\0" + bomb), pixels=bytes(193 * 48))
    for side in (10_000, 60_000, 2**32 - 1):
        yield f"tiff of {side} squared", _tiff(side, side)
    yield "tiff whose tag has four billion values", _tiff(64, 48, (270, 2, 2**32 - 1, 8))
    yield "tiff whose samples are four billion", _tiff(64, 48, (277, 3, 1, 65_535))
    yield "tiff of strips beyond its end", _tiff(64, 48)
    yield (
        "gif of 65535 squared",
        b"GIF89a" + struct.pack("<HHBBB", 65_535, 65_535, 0, 0, 0) + b",\0\0\0\0" + b"\xff" * 9,
    )
    yield "webp of 16384 squared", _webp(16_384, 16_384)
    yield "webp of 2^24 squared", _webp(2**24, 2**24)
    for side in (20_000, 2**31 - 1):
        yield (
            f"bmp of {side} squared",
            b"BM" + struct.pack("<IHHIIiiHH", 100, 0, 0, 54, 40, side, side, 1, 24) + bytes(24),
        )
    frame = b"\xff\xc0\0\x11\x08" + struct.pack(">HH", 65_535, 65_535) + b"\x03\x01\x22\0\x02\x11\1\x03\x11\1"
    yield "jpeg of 65535 squared", b"\xff\xd8" + frame + b"\xff\xda\0\x0c\x03\1\0\2\x11\3\x11\0\x3f\0" + bytes(50)
    large = io.BytesIO()
    Image.new("L", (7_200, 7_000)).save(large, "PNG")
    yield "a whole png of 50.4 megapixels", large.getvalue()


def _animations() -> Iterator[tuple[str, bytes]]:
    first, second = _image(), _image().rotate(180)
    for name, image_format in (("gif", "GIF"), ("webp", "WEBP"), ("png", "PNG"), ("tiff of two pages", "TIFF")):
        out = io.BytesIO()
        first.save(out, image_format, save_all=True, append_images=[second] * 3)
        yield f"animated {name}", out.getvalue()


def _too_small() -> Iterator[tuple[str, bytes]]:
    for width, height in ((1, 1), (7, 7), (7, 500), (3_000, 1)):
        for image_format in ("PNG", "JPEG", "GIF"):
            out = io.BytesIO()
            Image.new("RGB", (width, height), "brown").save(out, image_format)
            yield f"{image_format} of {width}x{height}", out.getvalue()


def _polyglots() -> Iterator[tuple[str, bytes]]:
    script = b"/*" + bytes(64) + b"*/=1;alert(document.domain)//"
    yield "gif that is a script", b"GIF89a" + script
    yield "gif that is a shell script", b"GIF87a=0\nrm -rf /tmp/x\n"
    yield "jpeg that is php", b"\xff\xd8\xff\xe0\0\x10JFIF\0<?php system($_GET[0]); ?>"
    yield "jpeg that is html", b"\xff\xd8\xff\xfe\0\x40<html><script>alert(1)</script></html>"
    yield "png that is html", b"\x89PNG\r\n\x1a\n<html><body onload=alert(1)>"
    yield "bmp that is a script", b"BM/*" + bytes(50) + b"*/alert(1)"
    yield "webp that is audio", b"RIFF\x24\0\0\0WAVEfmt " + bytes(40)
    yield "webp that is text", b"RIFF\x24\0\0\0WEBP" + b"not an image" * 5
    yield "tiff that is text", b"II*\0" + b"not an image" * 9
    yield "big tiff that is text", b"MM\0*" + b"not an image" * 9
    yield "pdf with a jpeg inside", b"%PDF-1.7\n1 0 obj\nstream\n" + _encoded()["jpeg"] + b"\nendstream\n%%EOF"
    yield "zip with a jpeg inside", _zip({"lesion.jpg": _encoded()["jpeg"]})
    yield "html before a jpeg", b"<html>" + _encoded()["jpeg"]
    yield "a newline before a png", b"\n" + _encoded()["png"]


def _zip(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def _tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("../../x"), io.BytesIO())
    return out.getvalue()


def _documents() -> Iterator[tuple[str, bytes]]:
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    lol = b'<!DOCTYPE l [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    yield "svg", svg
    yield "svg with a declaration", b'<?xml version="1.0"?>' + svg
    yield "svg with entities", b'<?xml version="1.0"?>' + lol + b"<svg>&b;</svg>"
    yield "svg that reads a file", b'<!DOCTYPE s [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>'
    yield "svgz", gzip.compress(svg)
    yield "html", b"<!doctype html><script>alert(1)</script>"
    yield "javascript", b"fetch('/v1/model').then(x => x.json())"
    yield "shell script", b"#!/bin/sh\nrm -rf /\n"
    yield "python", b"import os; os.system('id')"
    yield "pickle", b"\x80\x04\x95\x1c\0\0\0\0\0\0\0\x8c\x05posix\x8c\x06system\x93\x94\x8c\x02id\x85R."
    yield "pdf", b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"
    yield "postscript", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(/etc/passwd) (r) file\n"
    yield "zip", _zip({"../../x": b"1"})
    yield "zip bomb", _zip({"x": bytes(10_000_000)})
    yield "word document", _zip({"[Content_Types].xml": b"<Types/>", "word/document.xml": b"<w/>"})
    yield "tar", _tar()
    yield "gzip bomb", gzip.compress(bytes(10_000_000))
    yield "json", b'{"file": "lesion.jpg"}'
    yield "csv", b"image,MEL\nISIC_1,0.5\n"
    yield "text", "Gänseblümchen".encode()
    yield "text in UTF-16", "Gänseblümchen".encode("utf-16")
    yield "url", b"http://169.254.169.254/latest/meta-data/"
    yield "path", b"/etc/passwd"
    yield "base64", b"data:image/png;base64,iVBORw0KGgo="


def _headers() -> Iterator[tuple[str, bytes]]:
    tail = bytes(range(256)) * 4
    for name, magic in (
        ("windows program", b"MZ\x90\0\3\0\0\0"),
        ("linux program", b"\x7fELF\2\1\1\0"),
        ("web assembly", b"\0asm\1\0\0\0"),
        ("numpy array", b"\x93NUMPY\1\0v\0"),
        ("sqlite", b"SQLite format 3\0"),
        ("photoshop", b"8BPS\0\1" + bytes(6) + b"\0\3\0\0\0\x30\0\0\0\x40\0\x08\0\3"),
        ("icon", b"\0\0\1\0\1\0\x10\x10\0\0\1\0\x20\0"),
        ("jpeg 2000", b"\0\0\0\x0cjP  \r\n\x87\n"),
        ("heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"),
        ("avif", b"\0\0\0\x1cftypavif\0\0\0\0avifmif1"),
        ("video", b"\0\0\0\x18ftypmp42\0\0\0\0"),
        ("matroska", b"\x1a\x45\xdf\xa3"),
        ("audio", b"ID3\4\0\0"),
        ("pcx", b"\x0a\5\1\x08" + bytes(60)),
        ("fli animation", b"\0\2\0\0\x11\xaf\x64\0"),
        ("targa", b"\0\0\2\0\0\0\0\0\0\0\0\0\x40\0\x30\0\x18\0"),
        ("sun raster", b"\x59\xa6\x6a\x95\0\0\0\x40"),
        ("portable pixmap", b"P6 64 48 255\n"),
        ("x bitmap", b"#define x_width 64\n#define x_height 48\n"),
        ("dds", b"DDS \x7c\0\0\0"),
        ("open exr", b"v/1\1\2\0\0\0"),
        ("fits", b"SIMPLE  =                    T"),
        ("qoi", b"qoif\0\0\0\x40\0\0\0\x30\3\0"),
        ("onnx", b"\x08\x09\x12\x07pytorch"),
        ("dicom", bytes(128) + b"DICM"),
    ):
        yield name, magic + tail


def _noise() -> Iterator[tuple[str, bytes]]:
    noise = np.random.default_rng(_SEED)
    yield "nothing", b""
    yield "a byte", b"\xff"
    yield "a zero", b"\0"
    yield "white space", b" \n" * 100
    yield "a megabyte of zeros", bytes(1_000_000)
    yield "a megabyte of ones", b"\xff" * 1_000_000
    for size in (10, 1_000, 3_000_000):
        yield f"{size} bytes of noise", noise.bytes(size)
    for magic in (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\xff\xff\xff\x7fWEBPVP8 ", b"BM", b"II*\0"):
        yield f"noise after {magic!r}", magic + noise.bytes(5_000)
        yield f"nothing after {magic!r}", magic
    segments = b"".join(b"\xff\xe1\xff\xff" + noise.bytes(65_533) for _ in range(100))
    yield "jpeg of six megabytes of metadata and no image", b"\xff\xd8" + segments + b"\xff\xd9"

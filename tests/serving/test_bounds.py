"""Small files with few pixels on which Pillow would spend minutes or all memory."""

import io
import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from PIL import Image, PngImagePlugin
from starlette.testclient import TestClient

Start = Callable[..., TestClient]
SIDE = struct.pack("<HHBBB", 64, 48, 0, 0, 0)


def _jpeg(**options: object) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (640, 480), "brown").save(out, "JPEG", **options)
    return out.getvalue()


def _many_scans() -> bytes:
    data = _jpeg(progressive=True)
    return data[:-2] + data[data.rindex(b"\xff\xda") : -2] * 5_000 + b"\xff\xd9"


def _many_segments() -> bytes:
    data = _jpeg()
    return data[:2] + b"\xff\xfe\0\x02" * 2_000_000 + data[2:]


def _many_chunks(kind: bytes, body: bytes, count: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 48, 8, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(193 * 48)))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(kind, body) * count + pixels + chunk(b"IEND", b"")


def _packed_bmp() -> bytes:
    pixels = b"\x01\x05" * 4_000_000
    info = struct.pack("<IiiHHIIiiII", 40, 2_000, 2_000, 1, 8, 1, len(pixels), 0, 0, 256, 256)
    return b"BM" + struct.pack("<IHHI", 1_078 + len(pixels), 0, 0, 1_078) + info + bytes(range(256)) * 4 + pixels


@pytest.mark.slow
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(_many_scans, id="jpeg of many scans"),
        pytest.param(_many_segments, id="jpeg of many segments"),
        pytest.param(lambda: _many_chunks(b"tEXt", b"a\0b", 1_000_000), id="png of many texts"),
        pytest.param(lambda: _many_chunks(b"IDAT", b"", 1_000_000), id="png of many empty pixel chunks"),
        pytest.param(lambda: b"GIF89a" + SIDE + b"!\xfe\x01a\0" * 3_000_000 + b",", id="gif of many comments"),
        pytest.param(lambda: b"GIF89a" + SIDE + b"!\xfe" + b"\x01a" * 8_000_000, id="gif of many blocks"),
        pytest.param(lambda: b"GIF89a" + SIDE + b"\x01" * 15_000_000, id="gif of unknown bytes"),
        pytest.param(_packed_bmp, id="a large packed bmp"),
    ],
)
def test_files_that_decode_slowly_are_rejected_at_once(server_of: Start, data: Callable[[], bytes]) -> None:
    client, body = server_of(), data()
    began = time.process_time()
    response = client.post("/v1/predict", content=body)
    assert time.process_time() - began < 1
    assert response.status_code == 422
    assert "too many parts" in response.json()["detail"]


def _tags(size: int) -> bytes:
    """Return the directory of a small TIFF with 300 tags that point to the same bytes."""
    image = [(256, 4, 1, 64), (257, 4, 1, 64), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8)]
    claims = [(tag, 2, size, 8) for tag in range(1_000, 1_300)]
    entries = [*image, (278, 4, 1, 64), (279, 4, 1, 4_096), *claims]
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + body + bytes(4)


@pytest.mark.parametrize("where", ["tiff", "exif"])
def test_tags_with_overlapping_values_use_little_memory(server_of: Start, where: str) -> None:
    client = server_of()
    if where == "tiff":
        data = _tags(1_000_000) + bytes(1_000_000)
    else:
        segments = [b"Exif\0\0" + _tags(900_000), *(b"Exif\0\0" + bytes(60_000) for _ in range(16))]
        exif = b"".join(b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment for segment in segments)
        data = _jpeg()[:2] + exif + _jpeg()[2:]
    tracemalloc.start()
    try:
        status = client.post("/v1/predict", content=data).status_code
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert status in (200, 422)
    assert peak < 30_000_000


def test_tiff_of_a_million_strips_is_rejected_in_time(server_of: Start) -> None:
    rows = 900_000
    entries = [(256, 4, 1, 40), (257, 4, 1, rows), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    entries += [(273, 3, rows, 200), (278, 4, 1, 1), (279, 3, rows, 200)]
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    data = b"II*\0" + struct.pack("<IH", 8, len(entries)) + body + bytes(4) + bytes(2 * rows + 1_000)
    client = server_of()
    began = time.process_time()
    # Pillow does not recognise a TIFF without the offsets of its strips.
    assert client.post("/v1/predict", content=data).status_code == 415
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1", "AVIF"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"\xff\x0a", "JPEG XL"),
    ],
)
def test_formats_that_are_slow_to_decode_are_not_accepted(server_of: Start, head: bytes, name: str) -> None:
    response = server_of().post("/v1/predict", content=head + bytes(100))
    assert response.status_code == 415
    assert response.json()["detail"].startswith(f"{name} images are not accepted; export them as one of JPEG, PNG")


def test_ordinary_files_are_accepted(server_of: Start, photograph: Image.Image) -> None:
    texts = PngImagePlugin.PngInfo()
    for number in range(20):
        texts.add_text(f"key {number}", "value" * 100, zip=bool(number % 2))
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "described" * 1_000
    client = server_of()
    for image_format, options in (
        ("JPEG", {"progressive": True, "exif": exif, "icc_profile": b"p" * 600_000, "comment": b"c" * 1_000}),
        ("PNG", {"pnginfo": texts, "exif": exif, "icc_profile": b"p" * 5_000}),
        ("TIFF", {"exif": exif, "icc_profile": b"p" * 600_000, "compression": "tiff_lzw"}),
        ("GIF", {"comment": b"c" * 5_000}),
        ("BMP", {}),
        ("WEBP", {"exif": exif}),
    ):
        out = io.BytesIO()
        photograph.save(out, image_format, **options)
        response = client.post("/v1/predict", content=out.getvalue())
        assert response.status_code == 200, (image_format, response.text)
        turned = any("EXIF orientation" in note for note in response.json()["result"]["notes"])
        assert turned == (image_format in ("JPEG", "PNG", "WEBP"))  # Pillow turns a TIFF itself

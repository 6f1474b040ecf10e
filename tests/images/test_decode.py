"""Decoding of image files, and the errors of invalid ones."""

import io
import struct
import threading
import time
import tracemalloc
import warnings
import zlib
from collections.abc import Callable
from importlib.metadata import version

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lesionlab.errors import ImageError
from lesionlab.images import decode_image

UPRIGHT_TO_STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def encoded(image: Image.Image, image_format: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, image_format, **options)
    return stream.getvalue()


def png(width: int, height: int, *, depth: int = 8, colour: int = 2, body: bytes = b"") -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(float)


@pytest.mark.parametrize("image_format", ["PNG", "BMP", "TIFF", "JPEG", "WEBP", "GIF"])
def test_each_format_is_decoded(photograph: Image.Image, image_format: str) -> None:
    decoded = decode_image(encoded(photograph, image_format))
    assert decoded.image.mode == "RGB"
    assert decoded.original_size == photograph.size
    assert decoded.notes == ()
    lossy = {"JPEG": 3, "WEBP": 3, "GIF": 8}
    assert np.abs(pixels(decoded.image) - pixels(photograph)).mean() <= lossy.get(image_format, 0)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"patient,age\nA,70\n", "holds text", id="text"),
        pytest.param("Befund: Nävus\n".encode(), "holds text", id="text that is not ASCII"),
        pytest.param(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "PDF document", id="PDF"),
        pytest.param(b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "SVG drawing", id="SVG"),
        pytest.param(bytes(128) + b"DICM" + bytes(64), "DICOM", id="DICOM"),
        pytest.param(b"\0\0\0\x18ftypheic" + bytes(64), "HEIC", id="HEIC"),
        pytest.param(b"\x7fELF" + bytes(64), "not an image of a supported format", id="program"),
        pytest.param(b"\x89PNG\r\n", "damaged or truncated in its header", id="head of a PNG"),
        pytest.param(b"\xff\xd8\xff", "damaged or truncated in its header", id="head of a JPEG"),
        pytest.param(png(1, 1, body=b"\0\0\0\0"), r"too small \(1x1; at least 8x8", id="1x1"),
        pytest.param(png(400, 7, body=b""), r"too small \(400x7;", id="flat"),
        pytest.param(png(9_000, 12_000), r"too large \(9000x12000, 108 megapixels; the limit is 100\)", id="108 MP"),
    ],
)
def test_an_invalid_file_is_an_error_with_its_cause(data: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        decode_image(data)


@pytest.mark.parametrize("size", [(8, 8), (28, 28), (8, 400)])
def test_small_images_are_not_enlarged(photograph: Image.Image, size: tuple[int, int]) -> None:
    small = photograph.resize(size)
    decoded = decode_image(encoded(small, "PNG"), at_least=(224, 224))
    assert decoded.original_size == size
    np.testing.assert_array_equal(pixels(decoded.image), pixels(small))


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "BMP"])
def test_a_truncated_image_is_an_error(photograph: Image.Image, image_format: str) -> None:
    data = encoded(photograph, image_format)
    with pytest.raises(ImageError, match=r"truncated|damaged"):
        decode_image(data[: len(data) * 2 // 3])


def test_a_decompression_bomb_takes_neither_time_nor_memory() -> None:
    data = png(30_000, 30_000)
    tracemalloc.start()
    before = time.perf_counter()
    with pytest.raises(ImageError, match="too large"):
        decode_image(data)
    elapsed = time.perf_counter() - before
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert elapsed < 0.5
    assert peak < 5_000_000


@pytest.mark.parametrize("image_format", ["GIF", "TIFF", "PNG", "WEBP"])
def test_several_frames_are_an_error(photograph: Image.Image, image_format: str) -> None:
    other = photograph.transpose(Image.Transpose.ROTATE_180)
    with pytest.raises(ImageError, match="several frames"):
        decode_image(encoded(photograph, image_format, save_all=True, append_images=[other]))


def test_the_first_image_of_an_mpo_file_is_decoded(photograph: Image.Image) -> None:
    other = photograph.transpose(Image.Transpose.ROTATE_180)
    decoded = decode_image(encoded(photograph, "MPO", save_all=True, append_images=[other]))
    assert np.abs(pixels(decoded.image) - pixels(photograph)).mean() < 3


@pytest.mark.parametrize("at_least", [None, (32, 32)])
@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", list(UPRIGHT_TO_STORED))
def test_every_exif_orientation_is_applied(
    photograph: Image.Image, image_format: str, orientation: int, at_least: tuple[int, int] | None
) -> None:
    turn = UPRIGHT_TO_STORED[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(photograph.transpose(turn) if turn is not None else photograph, image_format, exif=exif)
    decoded = decode_image(data, at_least=at_least)
    assert decoded.original_size == photograph.size
    small = photograph.resize(decoded.image.size, Image.Resampling.BOX)
    assert np.abs(pixels(decoded.image) - pixels(small)).mean() < 3


def test_invalid_metadata_is_ignored(photograph: Image.Image) -> None:
    for exif in (b"Exif\0\0rubbish", b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01\xff\xff"):
        assert decode_image(encoded(photograph, "JPEG", exif=exif)).original_size == photograph.size


def test_cmyk_is_converted_and_noted(photograph: Image.Image) -> None:
    decoded = decode_image(encoded(photograph.convert("CMYK"), "JPEG", quality=95))
    assert np.abs(pixels(decoded.image) - pixels(photograph)).mean() < 6
    assert any("CMYK" in note for note in decoded.notes)


def test_16_bit_grey_keeps_its_range() -> None:
    ramp = np.linspace(0, 65535, 64 * 64).round().astype(np.uint16).reshape(64, 64)
    decoded = decode_image(encoded(Image.fromarray(ramp), "PNG"))
    np.testing.assert_allclose(pixels(decoded.image)[..., 0], ramp / 257, atol=0.51)
    assert any("16 bits" in note for note in decoded.notes)
    assert any("grey" in note for note in decoded.notes)


def test_8_bit_values_in_a_16_bit_file_keep_their_range() -> None:
    ramp = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) % 256
    decoded = decode_image(encoded(Image.fromarray(ramp), "PNG"))
    np.testing.assert_array_equal(pixels(decoded.image)[..., 0], ramp)


def test_16_bit_colour_keeps_its_range() -> None:
    ramp = np.linspace(0, 65535, 40 * 40 * 3).round().astype(">u2").reshape(40, 40, 3)
    body = b"".join(b"\0" + row.tobytes() for row in ramp)
    decoded = decode_image(png(40, 40, depth=16, body=body))
    np.testing.assert_allclose(pixels(decoded.image), ramp / 257, atol=1)


def test_float_pixels_in_a_file_are_an_error() -> None:
    data = encoded(Image.fromarray(np.random.default_rng(0).random((40, 40), dtype=np.float32)), "TIFF")
    with pytest.raises(ImageError, match="8 bits per channel"):
        decode_image(data)


def test_transparency_is_composited_on_white(photograph: Image.Image) -> None:
    palette = photograph.quantize(16)
    data = encoded(palette, "PNG", transparency=palette.getpixel((0, 0)))
    decoded = decode_image(data)
    assert decoded.image.getpixel((0, 0)) == (255, 255, 255)
    assert any("transparent" in note for note in decoded.notes)
    opaque = photograph.copy()
    opaque.putalpha(255)
    assert decode_image(encoded(opaque, "PNG")).notes == ()


# Older versions cannot read the files that they write.
NEEDS_PILLOW_13 = pytest.mark.skipif(int(version("pillow").split(".")[0]) < 13, reason="needs Pillow 13")


@pytest.mark.parametrize(
    "mode", ["1", "L", "P", "LA", "RGBA", "RGB", "CMYK", "LAB", pytest.param("YCbCr", marks=NEEDS_PILLOW_13)]
)
def test_every_tiff_mode_is_converted_to_rgb(photograph: Image.Image, mode: str) -> None:
    # Pillow converts to LAB only with a colour profile; any three channels serve here.
    image = Image.merge("LAB", photograph.split()) if mode == "LAB" else photograph.convert(mode)
    assert decode_image(encoded(image, "TIFF")).image.mode == "RGB"


def test_reduced_size_decoding_is_close_to_full_decoding(photograph: Image.Image) -> None:
    large = photograph.resize((1600, 1200), Image.Resampling.BICUBIC)
    data = encoded(large, "JPEG", quality=90)
    reduced = decode_image(data, at_least=(64, 64))
    full = decode_image(data)
    assert full.image.size == (1600, 1200) == reduced.original_size
    assert min(reduced.image.size) >= 128
    assert reduced.image.width < 1600
    small = [pixels(d.image.resize((64, 64), Image.Resampling.BILINEAR)) for d in (reduced, full)]
    assert np.abs(small[0] - small[1]).mean() < 1


def test_threads_restore_the_warning_filters(photograph: Image.Image) -> None:
    data = encoded(photograph, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff")
    before = list(warnings.filters)
    threads = [threading.Thread(target=lambda: [decode_image(data) for _ in range(50)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before


def decode_or_error(data: bytes) -> None:
    try:
        decoded = decode_image(data, at_least=(32, 32))
    except ImageError:
        return
    assert decoded.image.mode == "RGB"


@given(st.binary(max_size=400))
def test_random_bytes_are_an_image_error(data: bytes) -> None:
    decode_or_error(data)


HEADS = [b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\x40\0\0\0WEBP", b"BM", b"II*\0", b"MM\0*"]


@given(st.sampled_from(HEADS), st.binary(max_size=400))
def test_random_bytes_after_a_signature_are_an_image_error(head: bytes, data: bytes) -> None:
    decode_or_error(head + data)


@pytest.fixture(scope="module", params=["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"])
def corrupted(request: pytest.FixtureRequest, photograph: Image.Image) -> Callable[[list[tuple[int, int]], int], bytes]:
    options = {"TIFF": {"compression": "tiff_lzw"}}.get(request.param, {})
    original = encoded(photograph.resize((48, 40)), request.param, **options)

    def corrupt(changes: list[tuple[int, int]], cut: int) -> bytes:
        data = bytearray(original)
        for position, value in changes:
            data[position % len(data)] = value
        return bytes(data[: len(data) - cut % len(data)])

    return corrupt


# Half of the changes are in the header.
POSITIONS = st.one_of(st.integers(0, 200), st.integers(0, 1 << 16))


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(POSITIONS, st.integers(0, 255)), max_size=8), st.one_of(st.just(0), st.integers(0, 1 << 16)))
def test_a_corrupted_image_is_decoded_or_an_image_error(
    corrupted: Callable[[list[tuple[int, int]], int], bytes], changes: list[tuple[int, int]], cut: int
) -> None:
    decode_or_error(corrupted(changes, cut))


def test_a_small_file_that_would_take_minutes_is_an_error(photograph: Image.Image) -> None:
    out = io.BytesIO()
    photograph.save(out, "JPEG", progressive=True)
    data = out.getvalue()
    assert decode_image(data).original_size == photograph.size
    # Each scan of a progressive JPEG refines the whole image.
    last = data[data.rindex(b"\xff\xda") : -2]
    with pytest.raises(ImageError, match="split into too many parts; save it again"):
        decode_image(data[:-2] + last * 100 + data[-2:])

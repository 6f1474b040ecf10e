"""AVIF, HEIC, JPEG 2000 and JPEG XL, and the kinds of JPEG, PNG and TIFF that are read or not."""

import contextlib
import io
import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin, TiffImagePlugin

from lesionlab.errors import ImageError
from lesionlab.images import decode_image, formats
from lesionlab.images.colour_profile import CONVERTED, OTHER_COLOURS
from lesionlab.images.files import LeftOut, walk_images
from tests.images.profiles import P3_OF_PHONES

heif = pytest.importorskip("pillow_heif")
jxl = pytest.importorskip("pillow_jxl")

NAMES = ("AVIF", "HEIF", "JPEG2000", "JXL")
SPELLED = {"AVIF": "AVIF", "HEIF": "HEIC", "JPEG2000": "JPEG 2000", "JXL": "JPEG XL"}


@pytest.fixture(scope="module", autouse=True)
def encoders() -> None:
    heif.register_heif_opener()


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **({} if kind in ("JPEG2000", "TIFF", "PNG") else {"quality": 95}), **options)
    return stream.getvalue()


def distance(decoded: Image.Image, image: Image.Image) -> float:
    return float(np.abs(np.asarray(decoded).astype(float) - np.asarray(image)).mean())


@pytest.mark.parametrize("kind", NAMES)
def test_each_format_is_decoded(photograph: Image.Image, kind: str) -> None:
    decoded = decode_image(encoded(photograph, kind), at_least=(32, 32))
    assert decoded.original_size == photograph.size
    assert decoded.notes == ()
    assert distance(decoded.image, photograph) < 3


@pytest.mark.parametrize("kind", NAMES)
def test_grey_and_transparent_images_are_converted_with_a_note(photograph: Image.Image, kind: str) -> None:
    assert decode_image(encoded(photograph.convert("L"), kind)).notes == (
        "grey image: the model was trained on colour",
    )
    clear = photograph.copy()
    clear.putalpha(0)
    decoded = decode_image(encoded(clear, kind))
    assert decoded.notes == ("transparent pixels composited on white",)
    assert decoded.image.getextrema() == ((255, 255),) * 3


def test_10_bits_of_a_phone_are_reduced_to_8(photograph: Image.Image) -> None:
    values = np.asarray(photograph).astype(np.uint16) * 257
    file = heif.from_bytes("RGB;16", photograph.size, values.tobytes())
    stream = io.BytesIO()
    file.save(stream, quality=95)
    assert heif.open_heif(stream).info["bit_depth"] == 10
    assert distance(decode_image(stream.getvalue()).image, photograph) < 3


@pytest.mark.parametrize("kind", ["AVIF", "HEIF", "JXL"])
def test_the_orientation_of_phones_is_applied(photograph: Image.Image, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    decoded = decode_image(encoded(photograph.transpose(Image.Transpose.ROTATE_90), kind, exif=exif.tobytes()))
    assert decoded.original_size == photograph.size
    assert distance(decoded.image, photograph) < 3


def test_a_jpeg_inside_jpeg_xl_is_read_as_the_jpeg(photograph: Image.Image, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    photograph.save(tmp_path / "a.jpg", quality=95, exif=exif, icc_profile=P3_OF_PHONES)
    with Image.open(tmp_path / "a.jpg") as image:
        image.save(tmp_path / "a.jxl", lossless_jpeg=True)
    jpeg, packed = (decode_image((tmp_path / name).read_bytes()) for name in ("a.jpg", "a.jxl"))
    assert packed.notes == jpeg.notes == ("rotated by its EXIF orientation", CONVERTED)
    assert distance(packed.image, jpeg.image) == 0


@pytest.mark.parametrize("kind", ["AVIF", "HEIF", "JPEG2000"])
def test_embedded_colour_profiles_are_converted(photograph: Image.Image, kind: str) -> None:
    data = encoded(photograph, kind, **({} if kind == "JPEG2000" else {"icc_profile": P3_OF_PHONES}))
    if kind == "JPEG2000":  # Pillow writes no profile
        box = struct.pack(">I4sBBB", 11 + len(P3_OF_PHONES), b"colr", 2, 0, 0) + P3_OF_PHONES
        place, header = data.index(b"colr") - 4, data.index(b"jp2h") - 4
        length = int.from_bytes(data[header : header + 4]) + len(box) - 15
        data = data[:header] + struct.pack(">I", length) + data[header + 4 : place] + box + data[place + 15 :]
    decoded = decode_image(data)
    assert decoded.notes == (CONVERTED,)
    expected = decode_image(encoded(photograph, "PNG", icc_profile=P3_OF_PHONES)).image
    assert distance(decoded.image, expected) < 3


def test_other_colours_without_a_profile_are_noted(photograph: Image.Image) -> None:
    data = encoded(photograph, "AVIF")
    place = data.index(b"colrnclx") + 8
    bt2020_pq = struct.pack(">HH", 9, 16)
    assert decode_image(data[:place] + bt2020_pq + data[place + 4 :]).notes == (OTHER_COLOURS,)


@pytest.mark.parametrize("kind", NAMES)
def test_a_truncated_image_is_an_error(photograph: Image.Image, kind: str) -> None:
    data = encoded(photograph, kind)
    for share in (2, 10, 50, 95):
        with pytest.raises(ImageError, match=r"truncated|damaged") as error:
            decode_image(data[: len(data) * share // 100])
        assert "\n" not in str(error.value)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(NAMES),
    st.lists(st.tuples(st.one_of(st.integers(0, 100), st.integers(0, 1 << 16)), st.integers(0, 255)), max_size=6),
)
def test_a_corrupted_image_is_decoded_or_an_image_error(
    small: dict[str, bytes], kind: str, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(small[kind])
    for position, value in changes:
        data[position % len(data)] = value
    with contextlib.suppress(ImageError):
        assert decode_image(bytes(data)).image.mode == "RGB"


@pytest.fixture(scope="module")
def small(photograph: Image.Image) -> dict[str, bytes]:
    return {kind: encoded(photograph.resize((48, 40)), kind) for kind in NAMES}


def jpeg_xl_of(side: int) -> bytes:
    bits = 0 | 0b11 << 1 | (side - 1) << 3 | 1 << 33  # not small, 30 bits, ratio 1:1
    return b"\xff\x0a" + bits.to_bytes(62, "little")


def jpeg_2000_of(side: int) -> bytes:
    header = struct.pack(">I4sIIHBBBB", 22, b"ihdr", side, side, 3, 7, 7, 0, 0)
    colour = struct.pack(">I4sBBBI", 15, b"colr", 1, 0, 0, 16)
    boxes = struct.pack(">I4s", 8 + len(header + colour), b"jp2h") + header + colour
    return b"\0\0\0\x0cjP  \r\n\x87\n" + struct.pack(">I4s4sI4s", 20, b"ftyp", b"jp2 ", 0, b"jp2 ") + boxes + bytes(50)


def with_size(data: bytes, side: int) -> bytes:
    place = data.index(b"ispe") + 8
    return data[:place] + struct.pack(">II", side, side) + data[place + 8 :]


def bombs(small: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    for side in (7_200, 20_000, 1 << 29):
        yield f"JPEG XL of {side} squared", jpeg_xl_of(side)
    packed = jpeg_xl_of(20_000)
    container = b"\0\0\0\x0cJXL \r\n\x87\n" + struct.pack(">I4s4sI4s", 20, b"ftyp", b"jxl ", 0, b"jxl ")
    yield "JPEG XL in a box", container + struct.pack(">I4s", 8 + len(packed), b"jxlc") + packed
    parts = ((bytes(4), packed[:3]), (b"\0\0\0\1", packed[3:9]), (b"\x80\0\0\2", packed[9:]))
    boxes = b"".join(struct.pack(">I4s", 12 + len(part), b"jxlp") + number + part for number, part in parts)
    yield "JPEG XL in parts", container + boxes
    for side in (5_100, 20_000, 1 << 30):
        yield f"JPEG 2000 of {side} squared", jpeg_2000_of(side)
    for kind in ("AVIF", "HEIF"):
        yield f"{kind} of 12000 squared", with_size(small[kind], 12_000)


def test_decompression_bombs_take_neither_time_nor_memory(small: dict[str, bytes]) -> None:
    for name, data in bombs(small):
        tracemalloc.start()
        before = time.perf_counter()
        with pytest.raises(ImageError, match=r"too large|damaged"):
            decode_image(data)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert time.perf_counter() - before < 1, name
        assert peak < 5_000_000, name


@pytest.mark.parametrize("kind", ["HEIF", "JXL"])
def test_a_missing_extra_is_named(
    photograph: Image.Image, kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(formats, "_is_installed", lambda _package: False)
    remedy = r"pip install 'lesionlab\[formats\]'"
    with pytest.raises(ImageError, match=f"^{SPELLED[kind]} images need the extra 'formats': {remedy}$"):
        decode_image(encoded(photograph, kind))
    (tmp_path / {"HEIF": "a.HIF", "JXL": "a.jxl"}[kind]).touch()
    left_out = LeftOut()
    assert list(walk_images([str(tmp_path)], left_out)) == []
    assert str(left_out) == f"1 {SPELLED[kind]} image (pip install 'lesionlab[formats]')"


def test_the_content_decides_and_not_the_suffix(
    photograph: Image.Image, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(formats, "_is_installed", lambda _package: False)
    (tmp_path / "a.heic").write_bytes(encoded(photograph, "AVIF"))
    (tmp_path / "b.heic").write_bytes(encoded(photograph, "HEIF"))
    (tmp_path / "c.jxl").write_bytes(encoded(photograph, "HEIF"))
    left_out = LeftOut()
    assert [Path(file.location).name for file in walk_images([str(tmp_path)], left_out)] == ["a.heic"]
    assert sum(left_out.counts.values()) == 2


@pytest.mark.parametrize("kind", NAMES)
def test_the_format_is_known_by_the_content(small: dict[str, bytes], kind: str) -> None:
    found = formats.format_by_content(small[kind][: formats.HEAD_BYTES])
    assert found is not None
    assert found.name == SPELLED[kind]


@pytest.mark.parametrize(
    ("brands", "name"),
    [
        (b"heicmif1heic", "HEIC"),
        (b"mif1mif1heic", "HEIC"),
        (b"mif1avifmif1", "AVIF"),
        (b"avisavif", "AVIF"),
        (b"msf1hevc", "HEIC"),
        (b"isommp42", None),
        (b"qt  ", None),
    ],
)
def test_brands_tell_images_from_films(brands: bytes, name: str | None) -> None:
    head = struct.pack(">I4s4sI", 12 + len(brands), b"ftyp", brands[:4], 0) + brands[4:]
    found = formats.format_by_content(head)
    assert (found and found.name) == name


def noise(size: int) -> bytes:
    return np.random.default_rng(0).bytes(size)


def texts(*values: str, packed: bool = False) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    for number, value in enumerate(values):
        info.add_text(f"key {number}", value, zip=packed)
    return info


def with_segments(jpeg: bytes) -> bytes:
    segment = b"\xff\xef" + struct.pack(">H", 65_535)
    return jpeg[:2] + b"".join(segment + noise(65_533) for _ in range(80)) + jpeg[2:]


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda image: encoded(image, "JPEG") + noise(5_000_000), id="a JPEG before other data"),
        pytest.param(lambda image: encoded(image, "JPEG") + b"\xff\xda" * 100_000, id="a JPEG before markers"),
        pytest.param(lambda image: with_segments(encoded(image, "JPEG")), id="a JPEG with 5 MB of camera data"),
        pytest.param(lambda image: encoded(image, "GIF") + noise(3_000_000), id="a GIF before other data"),
        pytest.param(lambda image: encoded(image, "PNG") + noise(3_000_000), id="a PNG before other data"),
        pytest.param(lambda image: encoded(image, "PNG", pnginfo=texts(*"abc" * 100)), id="a PNG with 300 texts"),
        pytest.param(
            lambda image: encoded(image, "PNG", pnginfo=texts("a" * 2_000_000, packed=True)),
            id="a PNG with 2 MB of text",
        ),
    ],
)
def test_data_beside_the_image_are_no_damage(photograph: Image.Image, make: Callable[[Image.Image], bytes]) -> None:
    assert distance(decode_image(make(photograph)).image, photograph) < 10


def test_texts_that_are_too_large_are_the_reason(photograph: Image.Image) -> None:
    data = encoded(photograph, "PNG", pnginfo=texts("a" * 20_000_000, packed=True))
    with pytest.raises(
        ImageError, match="the texts beside the image are too large; save it again without its metadata"
    ):
        decode_image(data)


@pytest.mark.parametrize(
    ("marker", "bits", "kind"),
    [
        (0xC0, 12, "JPEG with 12 bits"),
        (0xC1, 12, "JPEG with 12 bits"),
        (0xC3, 8, "JPEG with lossless coding and 8 bits"),
        (0xC3, 16, "JPEG with lossless coding and 16 bits"),
        (0xC5, 8, "JPEG with hierarchical coding"),
        (0xF7, 8, "JPEG-LS"),
    ],
)
def test_a_whole_jpeg_of_another_kind_is_named(photograph: Image.Image, marker: int, bits: int, kind: str) -> None:
    data = bytearray(encoded(photograph, "JPEG"))
    place = data.index(b"\xff\xc0")
    data[place + 1], data[place + 4] = marker, bits
    with pytest.raises(ImageError, match=f"^{kind} is not read; export the image with 8 bits per channel$"):
        decode_image(bytes(data))


def test_a_png_of_an_ios_app_is_named(photograph: Image.Image) -> None:
    raw = zlib.compress(b"".join(b"\0" + bytes(row) for row in np.asarray(photograph)), wbits=-15)  # without its header
    size = struct.pack(">IIBBBBB", *photograph.size, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n"
    for kind, body in ((b"CgBI", b"\x50\0\x20\x06"), (b"IHDR", size), (b"IDAT", raw), (b"IEND", b"")):
        data += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    with pytest.raises(ImageError, match=r"^PNG of an iOS app \(CgBI\) is not read"):
        decode_image(data)


def tiff(values: np.ndarray, photometric: int, sample_format: int = 1) -> bytes:
    height, width, channels = values.shape
    per_channel = {258: 8 * values.itemsize, 339: sample_format}
    single = {
        256: width,
        257: height,
        259: 1,
        262: photometric,
        273: 400,
        277: channels,
        278: height,
        279: values.nbytes,
    }
    directory, arrays, place = b"", b"", 14 + 12 * (len(single) + len(per_channel))
    for tag, value in sorted((single | per_channel).items()):
        if tag in single:
            directory += struct.pack("<HHII", tag, 4, 1, value)
        elif channels == 1:
            directory += struct.pack("<HHIHH", tag, 3, 1, value, 0)
        else:
            directory += struct.pack("<HHII", tag, 3, channels, place + len(arrays))
            arrays += struct.pack(f"<{channels}H", *[value] * channels)
    head = b"II*\0" + struct.pack("<IH", 8, len(single) + len(per_channel)) + directory + bytes(4) + arrays
    return head.ljust(400, b"\0") + values.tobytes()


def test_a_tiff_of_16_bit_colours_is_read(photograph: Image.Image) -> None:
    values = np.asarray(photograph).astype("<u2") * 257
    assert distance(decode_image(tiff(values, 2)).image, photograph) == 0


@pytest.mark.parametrize(
    ("channels", "dtype", "photometric", "sample_format", "reason"),
    [
        (3, "<f4", 2, 3, "TIFF with 3 channels of 32 bits, photometric 2, compression 1, is not read"),
        (5, "<u1", 2, 1, "TIFF with 5 channels of 8 bits"),
        (1, "<f8", 1, 3, "TIFF with 1 channel of 64 bits"),
        (1, "<f4", 1, 3, "the pixels are 32-bit numbers of unknown range"),
    ],
)
def test_a_whole_tiff_of_another_kind_is_named(
    channels: int, dtype: str, photometric: int, sample_format: int, reason: str
) -> None:
    values = np.zeros((20, 30, channels), dtype)
    values[0] = 0.5 if sample_format == 3 else 1
    with pytest.raises(ImageError, match=f"^{reason}.*8 bits per channel$"):
        decode_image(tiff(values, photometric, sample_format))


def test_reduced_versions_in_a_tiff_are_passed_over(photograph: Image.Image) -> None:
    pages = []
    for kind in (1, 0):
        directory = TiffImagePlugin.ImageFileDirectory_v2()
        directory[254] = kind
        page = photograph.resize((40, 30))
        page.encoderinfo = {"tiffinfo": directory}
        pages.append(page)
    reduced, other = pages
    data = encoded(photograph, "TIFF", save_all=True, append_images=[reduced])
    assert distance(decode_image(data).image, photograph) == 0
    with pytest.raises(ImageError, match="several frames"):
        decode_image(encoded(photograph, "TIFF", save_all=True, append_images=[reduced, other]))


def test_the_preview_of_a_raw_image_is_not_read(photograph: Image.Image) -> None:
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    directory[254] = 1
    with pytest.raises(ImageError, match="a preview of a raw image; export the image as JPEG or PNG"):
        decode_image(encoded(photograph, "TIFF", tiffinfo=directory))

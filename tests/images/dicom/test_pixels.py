"""Frames of DICOM files in all transfer syntaxes and photometric interpretations."""

import io
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom import uid
from pydicom.encaps import get_frame

from lesionlab.errors import ImageError
from lesionlab.images import decode_image
from lesionlab.images.colour_profile import CONVERTED
from tests.images.dicom.files import dicom
from tests.images.dicom.jpeg import lossless_jpeg, without_markers
from tests.images.profiles import P3_OF_PHONES

NATIVE = (
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    uid.DeflatedExplicitVRLittleEndian,
)
GREY = "grey image: the model was trained on colour"


@pytest.fixture
def photograph(photograph: Image.Image) -> Image.Image:
    return photograph.resize((64, 48))


@pytest.fixture
def pixels(photograph: Image.Image) -> np.ndarray:
    return np.asarray(photograph)


def coded(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def difference(data: bytes, expected: np.ndarray) -> int:
    """Return the largest difference of a value."""
    decoded = np.asarray(decode_image(data).image).astype(int)
    return int(np.abs(decoded - (expected if expected.ndim == 3 else expected[..., np.newaxis])).max())


def ycbcr(pixels: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).convert("YCbCr"))


@pytest.mark.parametrize("syntax", NATIVE, ids=lambda syntax: syntax.keyword)
@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL"])
def test_native_colours(pixels: np.ndarray, syntax: uid.UID, planar: int, photometric: str) -> None:
    stored = pixels if photometric == "RGB" else ycbcr(pixels)
    data = dicom(stored, syntax, PhotometricInterpretation=photometric, PlanarConfiguration=planar)
    assert difference(data, pixels) <= (0 if photometric == "RGB" else 3)
    assert decode_image(data).notes == ()


@pytest.mark.parametrize("syntax", NATIVE, ids=lambda syntax: syntax.keyword)
def test_native_subsampled_colours(pixels: np.ndarray, syntax: uid.UID) -> None:
    values = ycbcr(pixels)
    pairs = np.stack([values[:, ::2, 0], values[:, 1::2, 0], values[:, ::2, 1], values[:, ::2, 2]], axis=-1)
    data = dicom(pixels, syntax, frames=[pairs.tobytes()], PhotometricInterpretation="YBR_FULL_422")
    assert difference(data, pixels) <= 8


@pytest.mark.parametrize("syntax", [*NATIVE, uid.RLELossless, uid.JPEGLSLossless], ids=lambda syntax: syntax.keyword)
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_bits_of_colours(pixels: np.ndarray, syntax: uid.UID, bits: int) -> None:
    wide = np.rint(pixels * ((2**bits - 1) / 255)).astype(np.uint8 if bits == 8 else np.uint16)
    data = dicom(wide, syntax, BitsStored=bits)
    assert difference(data, pixels) == 0
    assert decode_image(data).notes == (() if bits == 8 else (f"{bits} bits reduced to 8",))


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("syntax", [*NATIVE, uid.RLELossless, uid.JPEGLSLossless], ids=lambda syntax: syntax.keyword)
@pytest.mark.parametrize(("bits", "kind"), [(8, "u1"), (12, "u2"), (16, "u2"), (16, "i2")])
def test_grey_images(pixels: np.ndarray, photometric: str, syntax: uid.UID, bits: int, kind: str) -> None:
    expected = pixels[..., 0]
    levels = 255 - expected if photometric == "MONOCHROME1" else expected
    stored = np.rint(levels * ((2**bits - 1) / 255)) - (2**15 if kind == "i2" else 0)
    data = dicom(stored.astype(kind), syntax, BitsStored=bits, PhotometricInterpretation=photometric)
    assert difference(data, expected) == 0
    assert GREY in decode_image(data).notes


@pytest.mark.parametrize("syntax", [*NATIVE, uid.RLELossless, uid.JPEGLSLossless], ids=lambda syntax: syntax.keyword)
@pytest.mark.parametrize("entry_bits", [8, 16])
@pytest.mark.parametrize("pixel_bits", [8, 16])
def test_palettes(photograph: Image.Image, syntax: uid.UID, entry_bits: int, pixel_bits: int) -> None:
    reduced = photograph.quantize(256)
    palette = np.array(reduced.getpalette(), np.uint8).reshape(-1, 3)
    first = 0 if pixel_bits == 8 else 1000
    tables: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for channel, colour in zip(palette.T, ("Red", "Green", "Blue"), strict=True):
        wide = (channel.astype(np.uint16) * 257).astype(">u2" if syntax == uid.ExplicitVRBigEndian else "<u2")
        tables[f"{colour}PaletteColorLookupTableDescriptor"] = [len(palette), first, entry_bits]
        tables[f"{colour}PaletteColorLookupTableData"] = (channel if entry_bits == 8 else wide).tobytes()
    stored = (np.asarray(reduced).astype(int) + first).astype(np.uint8 if pixel_bits == 8 else np.uint16)
    if stored.dtype == np.uint16 and syntax == uid.JPEGLSLossless:
        tables["BitsStored"] = 12
    data = dicom(stored, syntax, **tables)
    assert difference(data, np.asarray(reduced.convert("RGB"))) == 0


def test_a_palette_has_more_than_256_entries_of_8_bits() -> None:
    stored = np.arange(1024, dtype=np.uint16).reshape(32, 32)
    tables: dict[str, Any] = {}
    for colour in ("Red", "Green", "Blue"):
        tables[f"{colour}PaletteColorLookupTableDescriptor"] = [1024, 0, 8]
        tables[f"{colour}PaletteColorLookupTableData"] = bytes(i // 4 for i in range(1024))
    data = dicom(stored, PhotometricInterpretation="PALETTE COLOR", **tables)
    assert difference(data, stored // 4) == 0


JPEG_FILES: dict[str, Callable[[Image.Image], tuple[bytes, str]]] = {
    "JFIF": lambda image: (coded(image, quality=95), "YBR_FULL_422"),
    "JFIF without subsampling": lambda image: (coded(image, quality=95, subsampling=0), "YBR_FULL"),
    "no marker": lambda image: (without_markers(coded(image, quality=95)), "YBR_FULL_422"),
    "Adobe RGB": lambda image: (coded(image, quality=95, keep_rgb=True), "RGB"),
    "RGB by component ids": lambda image: (without_markers(coded(image, quality=95, keep_rgb=True)), "RGB"),
    "RGB by header": lambda image: (
        without_markers(coded(Image.merge("YCbCr", image.split()), quality=95, subsampling=0)),
        "RGB",
    ),
    "header says RGB, but JFIF": lambda image: (coded(image, quality=95), "RGB"),
    "header says RGB, but subsampled": lambda image: (without_markers(coded(image, quality=95)), "RGB"),
    "progressive": lambda image: (coded(image, quality=95, progressive=True), "YBR_FULL_422"),
}


@pytest.mark.parametrize("kind", JPEG_FILES)
@pytest.mark.parametrize("syntax", [uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit], ids=lambda syntax: syntax.keyword)
def test_jpeg_colours(photograph: Image.Image, pixels: np.ndarray, kind: str, syntax: uid.UID) -> None:
    frame, photometric = JPEG_FILES[kind](photograph)
    data = dicom(pixels, syntax, frames=[frame], PhotometricInterpretation=photometric)
    assert difference(data, pixels) <= 12
    reduced = decode_image(data, at_least=(20, 15))
    assert reduced.original_size == photograph.size
    assert (
        np.abs(np.asarray(reduced.image.resize((20, 15))) - np.asarray(photograph.resize((20, 15))).astype(int)).max()
        < 12
    )


@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL"])
@pytest.mark.parametrize("syntax", [uid.JPEGLossless, uid.JPEGLosslessSV1], ids=lambda syntax: syntax.keyword)
def test_lossless_jpeg_colours(pixels: np.ndarray, photometric: str, syntax: uid.UID) -> None:
    stored = pixels if photometric == "RGB" else ycbcr(pixels)
    data = dicom(stored, syntax, frames=[lossless_jpeg(stored)], PhotometricInterpretation=photometric)
    assert difference(data, pixels) <= (0 if photometric == "RGB" else 3)


def test_grey_jpegs(photograph: Image.Image, pixels: np.ndarray) -> None:
    grey = photograph.getchannel("R")
    inverse = Image.fromarray(255 - np.asarray(grey))
    data = dicom(pixels[..., 0], uid.JPEGBaseline8Bit, frames=[coded(grey, quality=95)])
    assert difference(data, pixels[..., 0]) <= 3
    frame = lossless_jpeg(np.asarray(inverse)[..., np.newaxis])
    data = dicom(pixels[..., 0], uid.JPEGLosslessSV1, frames=[frame], PhotometricInterpretation="MONOCHROME1")
    assert difference(data, pixels[..., 0]) == 0


JPEG_2000_FILES: dict[str, tuple[dict[str, Any], str, int]] = {
    "RGB": ({"mct": 0}, "RGB", 0),
    "YBR_RCT": ({"mct": 1}, "YBR_RCT", 0),
    "YBR_ICT": ({"mct": 1, "irreversible": True}, "YBR_ICT", 3),
    "YBR_FULL": ({"mct": 0}, "YBR_FULL", 3),
    "header says YBR_FULL, but transformed": ({"mct": 1}, "YBR_FULL", 0),
    "header says RGB, but transformed": ({"mct": 1}, "RGB", 0),
}


@pytest.mark.parametrize("kind", JPEG_2000_FILES)
@pytest.mark.parametrize("syntax", [uid.JPEG2000, uid.JPEG2000Lossless], ids=lambda syntax: syntax.keyword)
def test_jpeg_2000_colours(pixels: np.ndarray, kind: str, syntax: uid.UID) -> None:
    options, photometric, tolerance = JPEG_2000_FILES[kind]
    stored = ycbcr(pixels) if kind == "YBR_FULL" else pixels
    frame = coded(Image.fromarray(stored), "JPEG2000", no_jp2=True, **options)
    data = dicom(pixels, syntax, frames=[frame], PhotometricInterpretation=photometric)
    assert difference(data, pixels) <= tolerance


def test_grey_jpeg_2000(pixels: np.ndarray) -> None:
    grey = pixels[..., 0]
    data = dicom(grey, uid.JPEG2000Lossless, frames=[coded(Image.fromarray(grey), "JPEG2000", no_jp2=True)])
    assert difference(data, grey) == 0
    wide = (grey * 257).astype(np.uint16) if grey.dtype == np.uint16 else grey.astype(np.uint16) * 257
    frame = coded(Image.fromarray(wide), "JPEG2000", no_jp2=True)
    assert difference(dicom(wide, uid.JPEG2000Lossless, frames=[frame]), grey) == 0


def test_near_lossless_jpeg_ls(pixels: np.ndarray) -> None:
    dataset = pydicom.dcmread(io.BytesIO(dicom(pixels)))
    dataset.compress(uid.JPEGLSNearLossless, jls_error=2, generate_instance_uid=False)
    stream = io.BytesIO()
    dataset.save_as(stream)
    assert 0 < difference(stream.getvalue(), pixels) <= 2


def test_run_lengths_may_cross_rows(pixels: np.ndarray) -> None:
    flat = np.full_like(pixels, 7)
    count = flat[..., 0].size
    segment = bytes((129, 7)) * (count // 128) + bytes((count % 128 - 1, *[7] * (count % 128)) if count % 128 else ())
    segment += bytes(len(segment) % 2)
    offsets = [64 + i * len(segment) for i in range(3)]
    header = np.array([3, *offsets, *[0] * 12], "<u4").tobytes()
    assert difference(dicom(pixels, uid.RLELossless, frames=[header + 3 * segment]), flat) == 0


def test_a_colour_profile_is_converted(photograph: Image.Image, pixels: np.ndarray) -> None:
    stream = io.BytesIO()
    photograph.save(stream, "PNG", icc_profile=P3_OF_PHONES)
    expected = np.asarray(decode_image(stream.getvalue()).image)
    path = pydicom.Dataset()
    path.ICCProfile = P3_OF_PHONES
    jpeg = coded(photograph, quality=100, subsampling=0, icc_profile=P3_OF_PHONES)
    for data, tolerance in (
        (dicom(pixels, ICCProfile=P3_OF_PHONES), 0),
        (dicom(pixels, OpticalPathSequence=[path]), 0),
        (dicom(pixels, uid.JPEGBaseline8Bit, frames=[jpeg], PhotometricInterpretation="YBR_FULL"), 4),
    ):
        assert decode_image(data).notes == (CONVERTED,)
        assert difference(data, expected) <= tolerance


def test_no_orientation_turns_the_image(photograph: Image.Image, pixels: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = dicom(
        pixels,
        uid.JPEGBaseline8Bit,
        frames=[coded(photograph, quality=95, exif=exif)],
        PhotometricInterpretation="YBR_FULL_422",
        PatientOrientation=["A", "F"],
    )
    assert decode_image(data).image.size == photograph.size
    assert decode_image(data).notes == ()


def invalid(pixels: np.ndarray) -> dict[str, tuple[bytes, str]]:
    """Return files, and the reason that they cannot be decoded for."""
    jpeg = coded(Image.fromarray(pixels), quality=95)
    grey = pixels[..., 0]
    rle, jpeg_ls = (
        get_frame(pydicom.dcmread(io.BytesIO(dicom(pixels, syntax))).PixelData, 0)
        for syntax in (uid.RLELossless, uid.JPEGLSLossless)
    )
    return {
        "HSV": (dicom(pixels, PhotometricInterpretation="HSV"), "photometric interpretation 'HSV' is not supported"),
        "YBR_PARTIAL_420": (
            dicom(pixels, uid.MPEG2MPML, frames=[b"\0\0\1\xb3"], PhotometricInterpretation="YBR_PARTIAL_420"),
            "photometric interpretation 'YBR_PARTIAL_420'",
        ),
        "video": (dicom(pixels, uid.MPEG2MPML, frames=[b"\0\0\1\xb3"]), "MPEG2 .*is not supported; decompress"),
        "HTJ2K": (dicom(pixels, uid.HTJ2K, frames=[b"\xffO"]), "High-Throughput JPEG 2000"),
        "samples": (
            dicom(pixels, PhotometricInterpretation="MONOCHROME2"),
            "3 samples per pixel do not fit MONOCHROME2",
        ),
        "32 bits": (dicom(grey.astype(np.uint32)), "32 of 32 bits per sample are not supported"),
        "high bit": (dicom(grey.astype(np.uint16), BitsStored=12, HighBit=15), "do not begin at the lowest bit"),
        "no rows": (dicom(pixels, BitsStored=None), "element BitsStored is missing"),
        "planes": (dicom(pixels, PlanarConfiguration=None), "does not follow the standard"),
        "native YBR_RCT": (dicom(pixels, PhotometricInterpretation="YBR_RCT"), "not valid"),
        "not subsampled": (dicom(pixels, PhotometricInterpretation="YBR_FULL_422"), "YBR_FULL, not YBR_FULL_422"),
        "few bytes": (dicom(pixels, Rows=pixels.shape[0] + 1), r"pixel data are truncated \([\d,]+ of [\d,]+ bytes\)"),
        "108 megapixels": (dicom(pixels, Rows=9_000, Columns=12_000), r"too large \(12000x9000, 108 megapixels"),
        "28 megapixels": (dicom(pixels, uid.JPEG2000, frames=[jpeg], Rows=4_000, Columns=7_000), "the limit is 25"),
        "tiny": (dicom(pixels[:4]), "too small"),
        "size of a JPEG": (
            dicom(pixels, uid.JPEGBaseline8Bit, frames=[jpeg], Rows=200),
            "another width and height than the header",
        ),
        "grey JPEG": (dicom(grey, uid.JPEGBaseline8Bit, frames=[jpeg]), "another number of samples than the header"),
        "JPEG of 12 bits": (
            dicom(grey.astype(np.uint16), uid.JPEGExtended12Bit, frames=[jpeg], BitsStored=12),
            r"no decoder for 12-bit JPEG Extended .* is installed: pip install pylibjpeg",
        ),
        "truncated JPEG": (dicom(pixels, uid.JPEGBaseline8Bit, frames=[jpeg[:-200]]), "truncated"),
        "truncated RLE": (dicom(pixels, uid.RLELossless, frames=[rle[: len(rle) // 2]]), "truncated"),
        "segments": (dicom(grey, uid.RLELossless, frames=[rle]), "3 segments instead of 1"),
        "size of a JPEG-LS": (
            dicom(pixels, uid.JPEGLSLossless, Rows=200, frames=[jpeg_ls]),
            "another width and height",
        ),
    }


@pytest.mark.slow
@pytest.mark.parametrize("kind", invalid(np.zeros((16, 16, 3), np.uint8)))
def test_other_pixels_are_an_error(pixels: np.ndarray, kind: str) -> None:
    data, reason = invalid(pixels)[kind]
    with pytest.raises(ImageError, match=reason) as caught:
        decode_image(data)
    assert "\n" not in str(caught.value)
    assert re.search("export|copy|decompress|scale|save|needed|no image", str(caught.value))

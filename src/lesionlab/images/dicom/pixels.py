"""Decoding of the frames of DICOM files: transfer syntaxes.

Source: DICOM PS3.5 8.2 and annex G.
"""

import io
import re
import struct
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from lesionlab.errors import ImageError
from lesionlab.images.bounds import MAX_PIXELS, MAX_PIXELS_OF, check_decoding_time, check_size
from lesionlab.images.dicom.display import PALETTE_COLOURS, colour_image, components_image, displayed_image
from lesionlab.images.dicom.pixel_format import CONVERTED, PixelFormat

if TYPE_CHECKING:
    from pydicom import Dataset

# Those that the pixels depend on.
ELEMENTS: Final = (
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "RescaleIntercept",
    "RescaleSlope",
    "ModalityLUTSequence",
    "WindowCenter",
    "WindowWidth",
    "VOILUTFunction",
    "VOILUTSequence",
    *(f"{colour}PaletteColorLookupTable{part}" for colour in PALETTE_COLOURS for part in ("Descriptor", "Data")),
    "ICCProfile",
    "OpticalPathSequence",
    "PixelData",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
)
DICOM_BITS: Final = "dicom_bits"
_JPEG: Final = tuple(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 57, 70))
_JPEG_LOSSLESS: Final = _JPEG[2:]
_JPEG_LS: Final = tuple(f"1.2.840.10008.1.2.4.{number}" for number in (80, 81))
_JPEG_2000: Final = tuple(f"1.2.840.10008.1.2.4.{number}" for number in (90, 91))
_RLE: Final = "1.2.840.10008.1.2.5"
# In the header of a JPEG 2000 codestream: the coding style with a transform of the components; its end.
_TRANSFORM: Final = re.compile(rb"\xff\x52.{6}\x01", re.DOTALL)
_TILE: Final = b"\xff\x90"


def frame_image(elements: "Dataset", index: int) -> Image.Image:
    """Return a frame as an image of mode RGB or L.

    Its `info` holds the embedded colour profile, and under `DICOM_BITS` the bits of a sample.

    Args:
        elements: The elements of the file, with `file_meta`.
        index: Number of the frame, from 0.

    Raises:
        ImageError: The pixels are truncated, damaged, too many, or coded in a way that is not supported.
    """
    pixels = PixelFormat.of(elements)
    syntax = elements.file_meta.TransferSyntaxUID
    check_size(*pixels.size, limit=MAX_PIXELS_OF["JPEG2000"] if syntax in _JPEG_2000 else MAX_PIXELS)
    if "PixelData" not in elements:
        raise ImageError("the pixel data are missing or truncated; copy or export the file again")
    image = _decoded(elements, index, pixels)
    if profile := _profile(elements):
        image.info["icc_profile"] = profile
    image.info[DICOM_BITS] = pixels.bits
    return image


def _decoded(elements: "Dataset", index: int, pixels: PixelFormat) -> Image.Image:
    syntax = elements.file_meta.TransferSyntaxUID
    if syntax in _JPEG and pixels.bits <= 8:
        opened = _opened("JPEG", _encoded_frame(elements, index), pixels)
        if pixels.is_colour:
            return _jpeg_colours(opened, pixels, is_lossless=syntax in _JPEG_LOSSLESS)
        return displayed_image(np.asarray(opened), elements, pixels)
    if syntax in _JPEG_2000:
        encoded = _encoded_frame(elements, index)
        opened = _opened("JPEG2000", encoded, pixels)
        if pixels.is_colour:  # pydicom does not decode more than 8 bits, and Pillow reduces them
            converted = pixels.photometric in CONVERTED or _TRANSFORM.search(encoded.partition(_TILE)[0])
            return opened if converted else components_image(opened.tobytes(), pixels)
    if syntax == _RLE:
        values = _unpacked(_encoded_frame(elements, index), pixels)
    else:
        if syntax in _JPEG_LS and _jpeg_ls_size(_encoded_frame(elements, index)) != pixels.size:
            raise _other_size()
        values = _by_pydicom(elements, index, pixels)
    return colour_image(values, pixels) if pixels.is_colour else displayed_image(values, elements, pixels)


def _encoded_frame(elements: "Dataset", index: int) -> bytes:
    from pydicom.encaps import get_frame

    offsets, lengths = (elements.get(f"ExtendedOffsetTable{part}") for part in ("", "Lengths"))
    return get_frame(
        elements.PixelData,
        index,
        number_of_frames=int(elements.get("NumberOfFrames") or 1),
        extended_offsets=(offsets, lengths) if offsets and lengths else None,
    )


def _opened(kind: str, encoded: bytes, pixels: PixelFormat) -> Image.Image:
    check_decoding_time(encoded)
    opened = Image.open(io.BytesIO(encoded), formats=(kind,))
    if opened.size != pixels.size:
        raise _other_size()
    if len(opened.getbands()) != pixels.samples:
        raise ImageError("the pixel data have another number of samples than the header; export the file again")
    return opened


def _other_size() -> ImageError:
    return ImageError("the pixel data have another width and height than the header; export the file again")


def _jpeg_colours(opened: Image.Image, pixels: PixelFormat, *, is_lossless: bool) -> Image.Image:
    """Return the colours of a JPEG.

    A JFIF or Adobe marker, component ids or subsampling tell the colour space; many files contradict them in their
    header. Without them, libjpeg assumes YCbCr. It does not convert the colours of a lossless codestream.
    """
    assert isinstance(opened, JpegImageFile)  # noqa: S101 - of this format
    marked = "jfif" in opened.info or "adobe" in opened.info
    ids, *factors = zip(*((layer[0], layer[1:3]) for layer in opened.layer), strict=True)
    if is_lossless:
        if "jfif" in opened.info or opened.info.get("adobe_transform"):
            opened.draft("YCbCr", opened.size)
        image = components_image(opened.tobytes(), pixels)
    elif marked or pixels.photometric != "RGB" or ids == tuple(b"RGB") or len(set(factors[0])) > 1:
        return opened
    else:
        opened.draft("YCbCr", opened.size)  # these are the components without a conversion
        image = components_image(opened.tobytes(), pixels)
    image.info = opened.info
    return image


def _jpeg_ls_size(encoded: bytes) -> tuple[int, int] | None:
    position = 2
    while encoded[position : position + 1] == b"\xff":
        marker, length = struct.unpack_from(">BH", encoded, position + 1)
        if marker == 0xF7:
            height, width = struct.unpack_from(">HH", encoded, position + 5)
            return width, height
        position += 2 + length
    return None


def _unpacked(encoded: bytes, pixels: PixelFormat) -> np.ndarray:
    """Decode run lengths, [rows, columns] or [rows, columns, samples]. pydicom takes seconds, without a bound."""
    number, *offsets = struct.unpack_from("<16L", encoded)
    width = pixels.allocated // 8
    if number != pixels.samples * width:
        raise ImageError(
            f"the pixel data have {number} segments instead of {pixels.samples * width}; export them again"
        )
    ends = [*offsets[1:number], len(encoded)]
    length = pixels.rows * pixels.columns
    segments = [
        np.asarray(Image.frombytes("L", (length, 1), encoded[start:end], "packbits", "L")).ravel()
        for start, end in zip(offsets, ends, strict=False)
    ]
    if width == 2:
        segments = [high.astype(np.uint16) << 8 | low for high, low in zip(segments[::2], segments[1::2], strict=True)]
    planes = [segment.reshape(pixels.rows, pixels.columns) for segment in segments]
    return np.stack(planes, axis=-1) if pixels.is_colour else planes[0]


def _by_pydicom(elements: "Dataset", index: int, pixels: PixelFormat) -> np.ndarray:
    """Return the samples as stored, [rows, columns] or [rows, columns, samples]."""
    from pydicom.pixels.decoders.base import get_decoder

    syntax: Any = elements.file_meta.TransferSyntaxUID
    remedy = "decompress the file (dcmtk: dcmdjpeg, or gdcmconv --raw) or export the image as PNG"
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError as error:
        raise ImageError(f"the transfer syntax {syntax.name} is not supported; {remedy}") from error
    # Pillow, which pydicom uses for JPEG, decodes 8 bits.
    if decoder.is_encapsulated and not {*decoder.available_plugins} - ({"pillow"} if syntax in _JPEG else set()):
        name = f"{pixels.bits}-bit {syntax.name}"
        raise ImageError(f"no decoder for {name} is installed: pip install pylibjpeg pylibjpeg-libjpeg, or {remedy}")
    if not decoder.is_encapsulated:
        _check_length(elements, pixels)
    elements.PixelRepresentation = int(pixels.signed)
    values, _ = decoder.as_array(elements, index=index, raw=True)
    return values


def _check_length(elements: "Dataset", pixels: PixelFormat) -> None:
    number = int(elements.get("NumberOfFrames") or 1)
    bits = pixels.rows * pixels.columns * pixels.samples * pixels.allocated
    frame = bits * 2 // 3 if pixels.photometric == "YBR_FULL_422" else bits
    expected, found = (number * frame + 7) // 8, len(elements.PixelData)
    if pixels.photometric == "YBR_FULL_422" and found >= 3 * expected // 2:
        raise ImageError("the pixel data are YBR_FULL, not YBR_FULL_422 as the header says; export the file again")
    if found < expected:
        raise ImageError(
            f"the pixel data are truncated ({found:,} of {expected:,} bytes); copy or export the file again"
        )


def _profile(elements: "Dataset") -> bytes | None:
    paths = elements.get("OpticalPathSequence") or ()
    found = [place.get("ICCProfile") for place in (elements, *paths)]
    return next(filter(None, found), None)

"""Decoding of image files to upright 8-bit RGB pixels."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from PIL import Image, UnidentifiedImageError

from lesionlab.errors import ImageError
from lesionlab.images.bounds import MAX_PIXELS
from lesionlab.images.boxes import has_other_colours
from lesionlab.images.colour_profile import OTHER_COLOURS, to_srgb
from lesionlab.images.dicom import DICOM_BITS, open_dicom
from lesionlab.images.formats import is_dicom
from lesionlab.images.hidden_warnings import warnings_hidden
from lesionlab.images.opening import open_image
from lesionlab.images.pixels import rgb_from_image
from lesionlab.images.unread import failed_decoding, unknown_format

# A small copy that the page sends in place of a file: the model's input, as PNG with the size of the file.
_COPY_SIZE_KEY = "lesionlab-original-size"
_COPY_SIZE = re.compile(r"([1-9]\d{0,5})x([1-9]\d{0,5})")
_PHOTOGRAPH_FORMATS = ("JPEG", "MPO")  # an MPO is a JPEG with further images after the first
_EXIF_ORIENTATION = 0x0112
_FIRST_TRANSPOSED = 5  # orientations from here on swap width and height
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """An upright RGB image.

    Attributes:
        image: Pixels, mode `RGB`.
        original_size: Width and height in pixels as stored, before reduced-size decoding, upright; for a copy that the
            page has scaled down, those of its original.
        notes: Conversions that may affect the result; empty for an ordinary file.
    """

    image: Image.Image
    original_size: tuple[int, int]
    notes: tuple[str, ...] = ()


def decode_image(data: bytes, *, at_least: tuple[int, int] | None = None, frame: int | None = None) -> DecodedImage:
    """Decode an image file to upright 8-bit RGB.

    Size and format are checked from the header, before any pixel is decoded, which stops decompression bombs. EXIF
    orientation is applied; embedded colour profiles are converted to sRGB, in training and inference. Thread-safe.

    Args:
        data: The bytes of the file.
        at_least: Final width and height. A JPEG is then decoded at the smallest of the scales 1/1, 1/2, 1/4 and 1/8
            with at least twice this width and height, which is several times faster for camera-sized files. None
            decodes at full size.
        frame: Number of the frame of a DICOM file, from 1; None: the only frame.

    Raises:
        ImageError: The file has another format, is damaged or truncated, would take minutes to decode, holds several
            frames or not this one, or the image is too large (100 megapixels) or too small (8 pixels a side).
    """
    with _errors_as_image_errors(data), _opened(data, frame) as opened:
        if at_least is not None and opened.format in _PHOTOGRAPH_FORMATS and opened.mode in ("RGB", "L"):
            width, height = opened.size
            sides = at_least if _orientation(opened) < _FIRST_TRANSPOSED else at_least[::-1]
            opened.draft(opened.mode, (2 * sides[0], 2 * sides[1]))
            return _upright(opened, (width, height))
        decoded = _upright(opened, _size_of_original(opened))
        if opened.format in ("AVIF", "HEIF") and "icc_profile" not in opened.info and has_other_colours(data):
            return replace(decoded, notes=(*decoded.notes, OTHER_COLOURS))
        return decoded


def decode_opened(image: Image.Image) -> DecodedImage:
    """Convert an image that Pillow has opened to upright 8-bit RGB; any size is accepted.

    Raises:
        ImageError: The image is damaged, or its pixels cannot be converted to 8 bits.
    """
    with _errors_as_image_errors(b""):
        return _upright(image, None)


def _opened(data: bytes, frame: int | None) -> Image.Image:
    if is_dicom(data):
        return open_dicom(data, frame)
    if frame is not None:
        raise ImageError(f"`::{frame}` names a frame of a DICOM file, which this is not")
    return open_image(data)


def _upright(opened: Image.Image, stored_size: tuple[int, int] | None) -> DecodedImage:
    opened.load()
    # Pillow rotates a TIFF while loading; its size is upright only afterwards.
    width, height = stored_size or opened.size
    orientation = _orientation(opened)
    notes: tuple[str, ...] = ()
    image, profile_notes = to_srgb(opened)
    if orientation in _UPRIGHT:
        image = image.transpose(_UPRIGHT[orientation])
        notes = ("rotated by its EXIF orientation",)
    rgb, colour_notes = rgb_from_image(image)
    if (bits := opened.info.get(DICOM_BITS, 0)) > 8:
        colour_notes = (*colour_notes, f"{bits} bits reduced to 8")
    upright_size = (width, height) if orientation < _FIRST_TRANSPOSED else (height, width)
    return DecodedImage(rgb, upright_size, notes + profile_notes + colour_notes)


def _size_of_original(opened: Image.Image) -> tuple[int, int] | None:
    stated = opened.info.get(_COPY_SIZE_KEY) if opened.format == "PNG" else None
    found = _COPY_SIZE.fullmatch(stated) if isinstance(stated, str) else None
    return (int(found[1]), int(found[2])) if found else None


def _orientation(opened: Image.Image) -> int:
    if DICOM_BITS in opened.info:  # DICOM viewers ignore EXIF data of a frame
        return 1
    try:
        with warnings_hidden("PIL"):
            value = opened.getexif().get(_EXIF_ORIENTATION)
    except Exception:  # noqa: BLE001 - invalid metadata must not prevent decoding
        return 1
    return value if isinstance(value, int) and value in _UPRIGHT else 1


@contextmanager
def _errors_as_image_errors(data: bytes) -> Iterator[None]:
    try:
        yield
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError(unknown_format(data)) from error
    except Image.DecompressionBombError as error:
        raise ImageError(f"the image is too large; the limit is {MAX_PIXELS // 10**6} megapixels") from error
    except MemoryError as error:
        raise ImageError("not enough memory to decode the image; scale it down") from error
    except Exception as error:
        raise ImageError(failed_decoding(data, error)) from error

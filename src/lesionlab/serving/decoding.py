"""Decoding of uploaded files; errors become HTTP problems."""

import io
import sys
from typing import Final

from PIL import Image, UnidentifiedImageError

from lesionlab.errors import ImageError
from lesionlab.images.bounds import check_decoding_time
from lesionlab.images.dicom import read_dicom_header
from lesionlab.images.formats import DICOM, FORMATS, HEAD_BYTES, format_by_content, is_dicom
from lesionlab.prediction import Pipeline, Predictor, PreparedImage
from lesionlab.results import ProblemType
from lesionlab.serving.problem import ProblemError
from lesionlab.serving.tiff_limits import limit_tiff_tags

_NAME: Final = "image"
_LARGE: Final = 4_000_000  # pixels, which take up to 26 bytes each while they are decoded
_LARGE_JPEG: Final = 16_000_000  # they are decoded at a reduced size


class LargeImageError(Exception):
    """The image takes some hundred megabytes and up to seconds to decode; so only one at a time may be decoded."""


def checked_size(data: bytes, limit: int) -> bytes:
    """Return a file after a check of its size.

    Raises:
        ProblemError: 413, it has more than `limit` bytes.
    """
    if len(data) > limit:
        raise too_large(limit)
    return data


def too_large(limit: int) -> ProblemError:
    """Return the problem of a file or request of more than `limit` bytes."""
    detail = f"the request is larger than {limit / 1e6:.3g} MB; scale the image down"
    return ProblemError(ProblemType.TOO_LARGE, detail)


class Decoder:
    """Prepares images one by one. Safe to use from several threads."""

    def __init__(self, predictor: Predictor, max_pixels: int) -> None:
        limit_tiff_tags()
        self._predictor = predictor
        self._max_pixels = max_pixels

    def prepare_small(self, data: bytes, pipeline: Pipeline | None = None) -> PreparedImage:
        """Return the prepared image.

        Args:
            data: The bytes of its file.
            pipeline: The pipeline that it is prepared for; default: that of the predictor.

        Raises:
            LargeImageError: The image is to be prepared by `prepare`.
            ProblemError: 415: the bytes are not an image of a supported format. 422: the image is damaged, too large
                or too small.
        """
        known = format_by_content(data[:HEAD_BYTES])
        if known not in (None, DICOM) and known.name not in FORMATS:
            raise ProblemError(
                ProblemType.UNSUPPORTED_FORMAT,
                f"{known.name} images are not accepted; export them as one of {', '.join(FORMATS)}",
            )
        try:
            check_decoding_time(data)  # before Pillow reads the header, which may be most of the file
        except ImageError as error:
            raise ProblemError(ProblemType.UNREADABLE_IMAGE, str(error)) from error
        pixels = _pixels_in_header(data)
        if pixels is not None and pixels > self._max_pixels:
            limit = f"{self._max_pixels / 1e6:g} megapixels"
            detail = f"the image is too large; the limit is {limit}; scale it down"
            raise ProblemError(ProblemType.IMAGE_TOO_LARGE, detail)
        is_jpeg = known is not None and known.name == "JPEG"
        if (pixels or 0) > (_LARGE_JPEG if is_jpeg else _LARGE):
            raise LargeImageError
        return self.prepare(data, pipeline, known_format=pixels is not None)

    def prepare(self, data: bytes, pipeline: Pipeline | None = None, *, known_format: bool = True) -> PreparedImage:
        """Return the prepared image of any size, for the predictor or for another pipeline.

        Raises:
            ProblemError: 415: the bytes are not an image, if `known_format` is false. 422: the image is damaged or too
                small.
        """
        try:
            return (pipeline or self._predictor.pipeline).prepare(data, _NAME)
        except ImageError as error:
            unknown = data and not known_format
            kind = ProblemType.UNSUPPORTED_FORMAT if unknown else ProblemType.UNREADABLE_IMAGE
            raise ProblemError(kind, str(error).removeprefix(f"{_NAME}: ")) from error


def _pixels_in_header(data: bytes) -> int | None:
    """Return the number of pixels that the header states; None for a file of an unknown format."""
    if is_dicom(data[:HEAD_BYTES]):
        return _pixels_of_dicom(data)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
            return opened.width * opened.height
    except UnidentifiedImageError:
        return None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return sys.maxsize
    except Exception:  # noqa: BLE001 - decoding meets the same error and describes it
        return 0


def _pixels_of_dicom(data: bytes) -> int | None:
    if DICOM.remedy() is not None:
        return None
    try:
        header = read_dicom_header(data)
        return int(header.Rows) * int(header.Columns)
    except Exception:  # noqa: BLE001 - decoding meets the same error and describes it
        return 0

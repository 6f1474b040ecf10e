"""From the bytes of an upload to what the graph takes, or the problem that says why not."""

import io
import sys
import threading
from typing import Final

from PIL import Image, UnidentifiedImageError

from lesionlab.errors import ImageError
from lesionlab.images.bounds import refuse_if_slow
from lesionlab.images.decode import FORMATS
from lesionlab.prediction import Predictor, PreparedImage
from lesionlab.serving.problem import ProblemError
from lesionlab.serving.tiff_limits import bound_tiff_tags

_NAME: Final = "image"
_LARGE: Final = 16_000_000  # pixels


class Decoder:
    """Prepares images one by one. Safe to use from several threads."""

    def __init__(self, predictor: Predictor, max_pixels: int) -> None:
        """Prepare for this model images of at most so many pixels."""
        bound_tiff_tags()
        self._predictor = predictor
        self._max_pixels = max_pixels
        # A large picture takes some hundred megabytes for a moment: never two at once.
        self._large = threading.Lock()

    def prepare(self, data: bytes) -> PreparedImage:
        """Return the image ready for the graph.

        Raises:
            ProblemError: 415: the bytes are no image of a known format. 422: the image is damaged, too large or too
                small.
        """
        try:
            refuse_if_slow(data)  # before the header, which Pillow reads to its end
        except ImageError as error:
            raise ProblemError(422, str(error)) from error
        header = _read_header(data)
        if header is not None and header > self._max_pixels:
            limit = f"{self._max_pixels / 1e6:g} megapixels"
            raise ProblemError(422, f"the image is too large; the limit is {limit}; scale it down")
        try:
            if (header or 0) <= _LARGE:
                return self._predictor.pipeline.prepare(data, _NAME)
            with self._large:
                return self._predictor.pipeline.prepare(data, _NAME)
        except ImageError as error:
            status = 415 if data and header is None else 422
            raise ProblemError(status, str(error).removeprefix(f"{_NAME}: ")) from error


def _read_header(data: bytes) -> int | None:
    """Return the number of pixels that a file promises, None where it is of no known format."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
            return opened.width * opened.height
    except UnidentifiedImageError:
        return None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return sys.maxsize
    except Exception:  # noqa: BLE001 - the decoder meets the same fault, and says what it is
        return 0

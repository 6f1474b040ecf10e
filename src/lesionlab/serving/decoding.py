"""From the bytes of an upload to what the graph takes, or the problem that says why not."""

import io
import threading
from typing import Final

from PIL import Image, UnidentifiedImageError

from lesionlab.errors import ImageError
from lesionlab.images.decode import FORMATS
from lesionlab.prediction import Predictor, PreparedImage
from lesionlab.serving.problem import ProblemError

_NAME: Final = "image"
_LARGE: Final = 16_000_000  # pixels


class Decoder:
    """Prepares images one by one. Safe to use from several threads."""

    def __init__(self, predictor: Predictor, max_pixels: int) -> None:
        """Prepare for this model images of at most so many pixels."""
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
        pixels = _pixels(data)
        if pixels > self._max_pixels:
            megapixels = f"{pixels / 1e6:.1f} megapixels; the limit is {self._max_pixels / 1e6:g}"
            raise ProblemError(422, f"the image is too large ({megapixels}); scale it down")
        if pixels <= _LARGE:
            return self._prepared(data)
        with self._large:
            return self._prepared(data)

    def _prepared(self, data: bytes) -> PreparedImage:
        try:
            return self._predictor.prepare(data, _NAME)
        except ImageError as error:
            raise ProblemError(_status(error), str(error).removeprefix(f"{_NAME}: ")) from error


def _pixels(data: bytes) -> int:
    """Return the number of pixels that the file's header promises, 0 where it cannot be read."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
            return opened.width * opened.height
    except Exception:  # noqa: BLE001 - the decoder meets the same fault, and says what it is
        return 0


def _status(error: BaseException | None) -> int:
    while error is not None:
        if isinstance(error, UnidentifiedImageError):
            return 415
        error = error.__cause__
    return 422

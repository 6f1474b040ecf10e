"""Preprocessing of an upright image to the network's square input.

The training cache and the predictor share this code, and the bundle holds its settings. Scaling to [0, 1] and
normalisation are part of the network's graph.
"""

from typing import Literal

import numpy as np
from PIL import Image
from pydantic import Field

from lesionlab.base_models import StrictModel
from lesionlab.images.decode import DecodedImage

_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
# Dermoscopic images are 4:3; HAM10000 is also distributed resized to squares. Ratios between are not noted.
_EXPECTED_ASPECT = (0.7, 1.55)


class Preprocessing(StrictModel):
    """Settings of the preprocessing.

    Attributes:
        size: Side of the square input in pixels.
        through: Side of a smaller square that the image is reduced to first, for models that were trained on tiny
            images; 0 for none.
        interpolation: Filter of the resize, with antialiasing.
        mean: Mean per channel of pixels in [0, 1], subtracted inside the graph.
        std: Standard deviation per channel, divided by inside the graph.
    """

    size: int = Field(ge=32, le=1024)
    through: int = Field(default=0, ge=0, le=1024)
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)

    @property
    def decode_size(self) -> tuple[int, int]:
        """The argument `at_least` of `decode_image`."""
        side = self.through or self.size
        return (side, side)

    def apply(self, image: Image.Image) -> np.ndarray:
        """Return the network's input, uint8 [size, size, 3].

        The whole image is resized to a square without cropping, whatever its aspect ratio, so that no lesion is cut.
        """
        for side in filter(None, (self.through, self.size)):
            if image.size != (side, side):
                image = image.resize((side, side), _FILTERS[self.interpolation])
        return np.asarray(image)

    def notes(self, decoded: DecodedImage) -> tuple[str, ...]:
        """Return notes on an unusual shape or size; empty for an ordinary image."""
        width, height = decoded.original_size
        notes = []
        if not _EXPECTED_ASPECT[0] <= width / height <= _EXPECTED_ASPECT[1]:
            notes.append(f"unusual shape {width}x{height}: resized to a square, the training images are 4:3 or 1:1")
        if min(width, height) < (self.through or self.size) // 2:
            notes.append(f"only {width}x{height} pixels, enlarged to {self.size}x{self.size}")
        return tuple(notes)

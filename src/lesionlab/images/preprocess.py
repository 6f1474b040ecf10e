"""Preprocessing: from an upright image to the square of pixels that the network takes.

It is written once and used by the training cache and by the predictor alike; the bundle carries its settings.
Scaling to [0, 1] and normalisation are part of the network's graph, so that they cannot differ either.
"""

from typing import Literal

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from lesionlab.images.decode import DecodedImage

_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
# Dermatoscope images are 4:3; HAM10000 is also handed round squashed to a square. Anything between is usual.
_USUAL_ASPECT = (0.7, 1.55)


class Preprocessing(BaseModel):
    """How an image becomes the network's input.

    Attributes:
        size: Side of the square input in pixels.
        through: Side of a smaller square that the image is reduced to first, 0 for none: what a model trained on
            tiny pictures sees of a large one.
        interpolation: Filter of the resize; it averages over all source pixels when it shrinks (antialiasing).
        mean: Subtracted per channel from pixels in [0, 1], inside the graph.
        std: Divided by per channel after that, inside the graph.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int = Field(ge=32, le=1024)
    through: int = Field(default=0, ge=0, le=1024)
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)

    @property
    def decode_size(self) -> tuple[int, int]:
        """Size to hand to `decode_image` as `at_least`."""
        side = self.through or self.size
        return (side, side)

    def apply(self, image: Image.Image) -> np.ndarray:
        """Return the image as the network's input, uint8 [size, size, 3].

        The whole picture is squashed to a square, whatever its shape: nothing is cropped, so no lesion is cut.
        """
        for side in filter(None, (self.through, self.size)):
            if image.size != (side, side):
                image = image.resize((side, side), _FILTERS[self.interpolation])
        return np.asarray(image)

    def notes(self, decoded: DecodedImage) -> tuple[str, ...]:
        """Return what a reader of the result should know of this image's shape; empty for an ordinary one."""
        width, height = decoded.original_size
        notes = []
        if not _USUAL_ASPECT[0] <= width / height <= _USUAL_ASPECT[1]:
            notes.append(f"unusual shape {width}x{height}: squashed to a square, the model has seen 4:3 and 1:1")
        if min(width, height) < (self.through or self.size) // 2:
            notes.append(f"only {width}x{height} pixels, enlarged to {self.size}x{self.size}")
        return tuple(notes)

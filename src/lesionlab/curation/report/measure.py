"""Measures of one image for the report of a dataset."""

import io
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from PIL import Image

from lesionlab.cpu import available_cores
from lesionlab.errors import ImageError
from lesionlab.images import decode_image, read_image_bytes
from lesionlab.images.lab import to_lab
from lesionlab.images.quality import brightness_and_contrast, sharpness
from lesionlab.images.skin_tone import skin_tone

_SIDE = 16  # of the thumbnail whose border is measured
_RING = 2  # width of the border in its pixels


@dataclass(frozen=True, slots=True)
class ImageMeasures:
    """Measures of one image.

    Attributes:
        size: Width and height in pixels as stored.
        kilobytes: Size of the file.
        format: Format of the file, as Pillow names it; `other` for one that Pillow does not read.
        quantisation: Mean of the first quantisation table of a JPEG, low for high quality; 0 for other formats.
        colour: Mean lightness, green-red and blue-yellow in CIELAB.
        contrast: See `lesionlab.images.quality`.
        sharpness: See `lesionlab.images.quality`.
        skin_tone: Band of the skin tone, estimated from the margin.
        border: Mean and standard deviation of the CIELAB values of each side of the outer ring of a thumbnail, [24].
    """

    size: tuple[int, int]
    kilobytes: float
    format: str
    quantisation: float
    colour: tuple[float, float, float]
    contrast: float
    sharpness: float
    skin_tone: str
    border: tuple[float, ...]

    @property
    def file(self) -> tuple[float, ...]:
        """Logarithms of width, height and bytes, and the quantisation: properties of the file alone."""
        return (math.log(self.size[0]), math.log(self.size[1]), math.log(self.kilobytes), self.quantisation)


def measure_images(
    locations: Sequence[str], progress: Callable[[int, int], None] | None = None
) -> list[ImageMeasures | None]:
    """Measure images; None for one that cannot be read.

    Args:
        locations: See `lesionlab.images.read_image_bytes`.
        progress: Called with the number of images done and their total.
    """
    found = []
    with ThreadPoolExecutor(available_cores()) as pool:
        for one in pool.map(_measure, locations):
            found.append(one)
            if progress is not None:
                progress(len(found), len(locations))
    return found


def _measure(location: str) -> ImageMeasures | None:
    try:
        data = read_image_bytes(location)
        decoded = decode_image(data)
    except ImageError:
        return None
    image = decoded.image
    pixels = np.asarray(image)
    lab = to_lab(np.asarray(image.resize((_SIDE, _SIDE), Image.Resampling.BOX)))
    sides = (lab[:_RING], lab[-_RING:], lab[:, :_RING], lab[:, -_RING:])
    border = [value for side in sides for value in (*side.mean(axis=(0, 1)), *side.std(axis=(0, 1)))]
    lightness, red, yellow = lab.mean(axis=(0, 1)).tolist()
    return ImageMeasures(
        decoded.original_size,
        len(data) / 1024,
        *_format(data),
        (lightness, red, yellow),
        brightness_and_contrast(pixels)[1],
        sharpness(pixels),
        skin_tone(image),
        tuple(map(float, border)),
    )


def _format(data: bytes) -> tuple[str, float]:
    """Return the format of an image file that can be decoded, and the mean of its quantisation table."""
    try:
        with Image.open(io.BytesIO(data)) as opened:
            tables = getattr(opened, "quantization", None)
            return opened.format or "other", float(np.mean(tables[0])) if tables and 0 in tables else 0.0
    except Exception:  # noqa: BLE001 - formats that other libraries decode
        return "other", 0.0

"""Conversion from sRGB to CIELAB."""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms


def to_lab(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return sRGB pixels in CIELAB (D50): lightness 0 to 100, then a (green to red) and b (blue to yellow).

    Args:
        pixels: uint8 [H, W, 3].

    Returns:
        float64 [H, W, 3].
    """
    image = ImageCms.applyTransform(Image.fromarray(pixels), _transform())
    values = np.asarray(image).astype(np.float64)
    # Pillow stores L from 0 to 255, and a and b as signed bytes.
    return np.concatenate([values[..., :1] * 100 / 255, (values[..., 1:] + 128) % 256 - 128], axis=2)


@cache
def _transform() -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")

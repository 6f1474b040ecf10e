"""Image quality measures: brightness, contrast and sharpness."""

import numpy as np
from PIL import Image

_VALUES = np.arange(256.0)
_SHARPNESS_SIDE = 224


def sharpness(pixels: np.ndarray) -> float:
    """Return the sharpness of an image, uint8 [rows, columns, 3]: the standard deviation of its grey's Laplacian.

    Large images are subsampled so that at least 224 pixels remain along a side: a small file that was enlarged for a
    model with a large input keeps its sharpness.

    Source: Pertuz et al., Pattern Recognition 46, 2013 (energy of the Laplacian, as a spread).
    """
    step = max(1, min(pixels.shape[:2]) // _SHARPNESS_SIDE)
    pixels = pixels[::step, ::step]
    # Three times the grey and its Laplacian are small whole numbers: exact in 16 bits, and fastest there.
    grey = np.add(pixels[..., 0], pixels[..., 1], dtype=np.int16)
    grey += pixels[..., 2]
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * grey[1:-1, 1:-1]
    return float(laplacian.astype(np.float32).std()) / 3


def brightness_and_contrast(pixels: np.ndarray) -> tuple[float, float]:
    """Return brightness and contrast of an image, uint8 [rows, columns, 3], both on the scale of its values.

    Brightness is the mean of all values. Contrast is the standard deviation of a channel over the image, averaged
    over the three channels.
    """
    counts = np.array(Image.fromarray(pixels).histogram(), np.float64).reshape(3, 256)
    number = counts.sum(axis=1)
    mean = counts @ _VALUES / number
    variance = counts @ _VALUES**2 / number - mean**2
    return float(mean.mean()), float(np.sqrt(variance.clip(0)).mean())

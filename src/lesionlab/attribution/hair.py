"""Removal of dark hair from an image.

Similar to DullRazor (Lee et al., Comput. Biol. Med. 27, 1997): a hair is dark, thin in one direction and long in
another; it is filled in from the pixels beside it. Dots and globules, thin in every direction, and light hair remain.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Grey: TypeAlias = NDArray[np.float32]

# Maximum width and minimum straight length of a hair: share of the shorter side, and minimum in pixels. The lines of a
# pigment network are as thin, and shorter.
_WIDTH, _LEAST_WIDTH = 0.05, 7
_LENGTH, _LEAST_LENGTH = 0.09, 11
_CONTRAST = 16  # of 255, between a hair and the pixels beside it
_DIRECTIONS = 16


def remove_hair(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], float]:
    """Return an image without dark hair, and the share of it that was filled in.

    Args:
        pixels: uint8 [height, width, 3].
    """
    mask = find_hair(pixels)
    return _filled(pixels, mask), float(mask.mean())


def find_hair(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return the mask of dark hair, bool [height, width]."""
    grey = pixels.astype(np.float32).mean(axis=2)
    width = max(_LEAST_WIDTH, round(_WIDTH * min(grey.shape)))
    length = max(_LEAST_LENGTH, round(_LENGTH * min(grey.shape)))
    # Contrast to both sides in each direction.
    darker = np.stack([_closed(grey, line) - grey for line in _lines(width, _DIRECTIONS // 2)])
    thin = darker.max(axis=0) - darker.min(axis=0) > _CONTRAST
    lines = _lines(length, _DIRECTIONS)
    long = np.max([_opened(thin.astype(np.float32), line) for line in lines], axis=0) > 0
    # The edge of a hair is blurred into the next pixel.
    widened = Image.fromarray(long.astype(np.uint8)).filter(ImageFilter.MaxFilter(3))
    return np.asarray(widened) > 0


def _lines(length: int, directions: int) -> list[NDArray[np.int64]]:
    """Return the offsets [K, 2] of a line of `length` pixels in each direction."""
    along = np.arange(length) - length // 2
    angles = np.arange(directions) * np.pi / directions
    steps = np.stack([np.sin(angles), np.cos(angles)], axis=1)
    return [np.unique(np.rint(along[:, None] * step).astype(np.int64), axis=0) for step in steps]


def _closed(grey: Grey, line: NDArray[np.int64]) -> Grey:
    return _along(_along(grey, line, highest=True), -line, highest=False)


def _opened(grey: Grey, line: NDArray[np.int64]) -> Grey:
    return _along(_along(grey, line, highest=False), -line, highest=True)


def _along(grey: Grey, line: NDArray[np.int64], *, highest: bool) -> Grey:
    """Return the highest or lowest value along a line around each pixel, with edge padding."""
    margin = int(np.abs(line).max())
    padded = np.pad(grey, margin, mode="edge")
    height, width = grey.shape
    shifted = (padded[margin + y : margin + y + height, margin + x : margin + x + width] for y, x in line.tolist())
    choose = np.maximum if highest else np.minimum
    found = next(shifted).copy()
    for one in shifted:
        choose(found, one, out=found)
    return found


def _filled(pixels: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return an image whose masked pixels are a distance-weighted mean of the others."""
    if not mask.any() or mask.all():
        return pixels
    values, known = pixels.astype(np.float32), (~mask).astype(np.float32)
    filled, missing = values.copy(), mask
    radius = max(2.0, 0.01 * min(mask.shape))
    while missing.any():
        weight = _blurred(known, radius)
        enough = missing & (weight > 1e-3)
        for channel in range(3):
            mean = _blurred(values[..., channel] * known, radius)
            filled[..., channel][enough] = mean[enough] / weight[enough]
        missing, radius = missing & ~enough, 2 * radius
    return filled.round().clip(0, 255).astype(np.uint8)


def _blurred(grey: Grey, radius: float) -> Grey:
    # Three box filters approximate a Gaussian; Pillow's blurs no floating-point images.
    width = max(1, round(radius))
    kernel = np.convolve(np.convolve(np.ones(2 * width + 1), np.ones(2 * width + 1)), np.ones(2 * width + 1))
    kernel = (kernel / kernel.sum()).astype(np.float32)
    margin = len(kernel) // 2
    padded = np.pad(grey, margin, mode="edge")
    rows = sum(weight * padded[y : y + grey.shape[0]] for y, weight in enumerate(kernel))
    columns = sum(weight * rows[:, x : x + grey.shape[1]] for x, weight in enumerate(kernel))
    return np.asarray(columns, np.float32)

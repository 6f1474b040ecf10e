"""Outline of a segmented lesion, as a polygon to draw over its image."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from lesionlab.results.explanation import Outline
from lesionlab.segmentation.measures import SMALLEST_SHARE
from lesionlab.segmentation.shape import Mask, Points, largest_region

POINTS: Final = 128  # the outline has at most so many
_WINDOW: Final = 7  # corners of pixels in the moving average that removes the steps between pixels


def lesion_outline(probability: NDArray[np.float32], *, threshold: float) -> Outline | None:
    """Return the outline of the largest region of a segmentation; None if no lesion is found.

    Args:
        probability: That a pixel belongs to the lesion, [S, S], of the image resized to a square.
        threshold: A pixel belongs to the lesion at or above it.
    """
    mask = largest_region(probability >= threshold)
    if mask.mean() < SMALLEST_SHARE:
        return None
    corners = boundary(mask)
    indices = np.arange(len(corners))
    smooth = np.mean([corners[(indices + shift) % len(corners)] for shift in range(_WINDOW)], axis=0)
    step = -(-len(corners) // POINTS)
    shares = smooth[::step] / mask.shape[::-1]
    return tuple((round(x, 4), round(y, 4)) for x, y in shares.tolist())


def boundary(mask: Mask) -> Points:
    """Return the corners of pixels along the outer boundary of a 4-connected region, clockwise, [K, 2] as x and y."""
    inside = np.pad(mask, 1)
    y, x = np.argwhere(inside)[0].tolist()
    down, right = 0, 1  # the step to the next corner; the region is on its right-hand side
    start, corners = (y, x), list[tuple[int, int]]()
    while not corners or (y, x) != start or (down, right) != (0, 1):
        corners.append((x - 1, y - 1))
        y, x = y + down, x + right
        if not inside[y + (down + right - 1) // 2, x + (right - down - 1) // 2]:
            down, right = right, -down
        elif inside[y + (down - right - 1) // 2, x + (right + down - 1) // 2]:
            down, right = -right, down
    return np.array(corners, dtype=np.float64)

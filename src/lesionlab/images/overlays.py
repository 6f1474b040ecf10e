"""Overlays with artefacts, to be blended with images."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lesionlab.images import artefacts
from lesionlab.images.ink import Field

# Skin markers: gentian violet, blue, green, and black.
_INKS = ((0.3, 0.16, 0.45), (0.14, 0.2, 0.55), (0.1, 0.35, 0.3), (0.15, 0.14, 0.17))


class Overlays(NamedTuple):
    """Overlays of one size.

    Attributes:
        cover: Coverage of each pixel, uint8 [K, H, W], 255 for all of it.
        tint: Colour of each overlay, float32 [K, 3], from 0 to 1.
    """

    cover: NDArray[np.uint8]
    tint: NDArray[np.float32]


def draw_overlays(count: int, size: int, seed: int) -> Overlays:
    """Draw square overlays, each with one kind of artefact: hair (half of them), a ruler, a skin marker or bubbles.

    Args:
        count: Number of overlays, K.
        size: Width and height in pixels.
        seed: The same arguments give the same overlays.
    """
    rng = np.random.default_rng(seed)
    cover = np.empty((count, size, size), np.uint8)
    tint = np.empty((count, 3), np.float32)
    for index in range(count):
        field, tint[index] = _draw(index % 8, size, rng)
        turned = np.rot90(field, int(rng.integers(4)))
        cover[index] = np.clip(turned * 255 + 0.5, 0, 255).astype(np.uint8)
    return Overlays(cover, tint)


def _draw(kind: int, size: int, rng: np.random.Generator) -> tuple[Field, tuple[float, float, float]]:
    square = (size, size)
    if kind < 4:
        tint = artefacts.DARK_HAIR if rng.random() < 0.75 else artefacts.LIGHT_HAIR
        return artefacts.hairs(square, int(rng.integers(3, 40)), rng), tint
    if kind < 6:
        millimetre = rng.uniform(0.04, 0.2) * size
        return artefacts.ruler(square, millimetre), artefacts.BLACK if rng.random() < 0.8 else artefacts.WHITE
    if kind == 6:
        return artefacts.pen_marks(square, rng), _INKS[rng.integers(len(_INKS))]
    return artefacts.bubbles(square, int(rng.integers(2, 12)), rng), artefacts.WHITE

"""Artefacts drawn beside a lesion, to measure their effect on the prediction and on its map."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lesionlab.images import artefacts
from lesionlab.images.ink import Field

_VIOLET = (0.3, 0.16, 0.45)  # gentian violet, the common ink of skin markers
_DARK = (0.0, 0.0, 0.0)
_CORNER = 1 / 7  # of the side: one cell of most maps

_Draw = Callable[[int, np.random.Generator], Field]


def _aperture(size: int, radius: float, softness: float) -> Field:
    steps = np.linspace(-1, 1, size)
    distance = np.hypot(steps[:, None], steps[None, :])
    return np.asarray(np.clip((distance - radius) / softness, 0, 1), np.float32)


# Coverage of each pixel, [S, S], from 0 to 1, and the colour.
ARTEFACTS: dict[str, tuple[_Draw, tuple[float, float, float]]] = {
    "hair": (lambda size, rng: artefacts.hairs((size, size), 20, rng), artefacts.DARK_HAIR),
    "ruler": (lambda size, _rng: artefacts.ruler((size, size), 0.08 * size), artefacts.BLACK),
    "ink": (lambda size, rng: artefacts.pen_marks((size, size), rng), _VIOLET),
    "bubbles": (lambda size, rng: artefacts.bubbles((size, size), 10, rng), artefacts.WHITE),
    "vignette": (lambda size, _rng: 0.8 * _aperture(size, 0.8, 0.7), _DARK),
    "dark corners": (lambda size, _rng: _aperture(size, 1.05, 0.02), _DARK),
}


def with_artefact(
    pixels: NDArray[np.uint8], name: str, lesion: NDArray[np.bool_], seed: int
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return an image with an artefact beside its lesion, and the mask of the artefact.

    Args:
        pixels: uint8 [S, S, 3].
        name: One of `ARTEFACTS`.
        lesion: Mask of the pixels to keep, [S, S].
        seed: Seed of the random parts.
    """
    draw, colour = ARTEFACTS[name]
    coverage = np.where(lesion, 0, draw(len(pixels), np.random.default_rng(seed)))
    values = pixels / 255
    changed = values + coverage[..., None] * (np.array(colour) - values)
    return (changed * 255 + 0.5).astype(np.uint8), coverage > 0.1


def corners(lesion: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the mask of the four corners, [S, S], each a seventh of the side, without the lesion."""
    size = len(lesion)
    edge = np.arange(size) < round(_CORNER * size)
    edge |= edge[::-1]
    return np.outer(edge, edge) & ~lesion

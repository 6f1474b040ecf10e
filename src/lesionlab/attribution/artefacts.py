"""What lies beside a lesion, put there on purpose: whether the answer, and the map, go after it."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lesionlab.images import artefacts
from lesionlab.images.ink import Field

_VIOLET = (0.3, 0.16, 0.45)  # gentian violet, the usual ink of skin markers
_NIGHT = (0.0, 0.0, 0.0)
_CORNER = 1 / 7  # of the side: a cell of most maps

_Sheet = Callable[[int, np.random.Generator], Field]


def _aperture(size: int, radius: float, softness: float) -> Field:
    steps = np.linspace(-1, 1, size)
    away = np.hypot(steps[:, None], steps[None, :])
    return np.asarray(np.clip((away - radius) / softness, 0, 1), np.float32)


# How much of each pixel is covered, [S, S], and the colour of what covers it.
ARTEFACTS: dict[str, tuple[_Sheet, tuple[float, float, float]]] = {
    "hair": (lambda size, rng: artefacts.hairs((size, size), 20, rng), artefacts.DARK_HAIR),
    "ruler": (lambda size, _rng: artefacts.ruler((size, size), 0.08 * size), artefacts.BLACK),
    "ink": (lambda size, rng: artefacts.pen_marks((size, size), rng), _VIOLET),
    "bubbles": (lambda size, rng: artefacts.bubbles((size, size), 10, rng), artefacts.WHITE),
    "vignette": (lambda size, _rng: 0.8 * _aperture(size, 0.8, 0.7), _NIGHT),
    "dark corners": (lambda size, _rng: _aperture(size, 1.05, 0.02), _NIGHT),
}


def with_artefact(
    pixels: NDArray[np.uint8], name: str, lesion: NDArray[np.bool_], seed: int
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return a picture with something beside its lesion, and where that is.

    Args:
        pixels: uint8 [S, S, 3].
        name: One of `ARTEFACTS`.
        lesion: What stays as it is, [S, S].
        seed: Of what is random about it.
    """
    draw, colour = ARTEFACTS[name]
    cover = np.where(lesion, 0, draw(len(pixels), np.random.default_rng(seed)))
    values = pixels / 255
    changed = values + cover[..., None] * (np.array(colour) - values)
    return (changed * 255 + 0.5).astype(np.uint8), cover > 0.1


def corners(lesion: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the four corners of a picture, [S, S], each a seventh of the side, where the lesion does not reach."""
    size = len(lesion)
    edge = np.arange(size) < round(_CORNER * size)
    edge |= edge[::-1]
    return np.outer(edge, edge) & ~lesion

"""Drawing of artefacts in dermoscopic images: hair, gel bubbles, rulers and skin markers."""

import numpy as np

from lesionlab.images.ink import Field, Ink

DARK_HAIR = (0.1, 0.07, 0.06)
LIGHT_HAIR = (0.78, 0.66, 0.5)
BLACK = (0.12, 0.12, 0.14)
WHITE = (1.0, 1.0, 1.0)
_CURVE = np.linspace(0.0, 1.0, 12)[:, None]


def hairs(size: tuple[int, int], count: int, rng: np.random.Generator) -> Field:
    """Return the coverage of each pixel by curved hairs in roughly one direction, 0 to 1, [H, W]."""
    half_side = min(size) / 2
    ink = Ink(size)
    grain = rng.uniform(0, np.pi)
    extent = np.array(size) / half_side / 2
    for _ in range(count):
        middle = rng.uniform(-extent, extent)
        heading = grain + rng.normal(0, 0.4)
        along = np.array([np.cos(heading), np.sin(heading)]) * rng.uniform(0.2, 0.8)
        bend = np.array([-along[1], along[0]]) * rng.normal(0, 0.35)
        path = middle + (2 * _CURVE - 1) * along + (4 * _CURVE * (1 - _CURVE)) * bend
        width = rng.uniform(0.008, 0.018)
        ink.line((path + extent) * half_side, width * half_side, 0.85)
    return ink.coverage()


def bubbles(size: tuple[int, int], count: int, rng: np.random.Generator) -> Field:
    """Return the coverage of each pixel by the rims of gel bubbles, [H, W]."""
    half_side = min(size) / 2
    ink = Ink(size)
    for _ in range(count):
        centre = (float(rng.uniform(0, size[0])), float(rng.uniform(0, size[1])))
        ink.ring(centre, float(rng.uniform(0.03, 0.12)) * half_side, 0.01 * half_side)
    return np.float32(0.5) * ink.coverage(0.006 * half_side)


def ruler(size: tuple[int, int], millimetre: float) -> Field:
    """Return the coverage of each pixel by the marks of a ruler along the lower edge, [H, W].

    Args:
        size: (width, height) in pixels.
        millimetre: Distance between marks in pixels.
    """
    half_side = min(size) / 2
    ink = Ink(size)
    width, height = size
    for number, x in enumerate(np.arange(0.05 * half_side, width, millimetre)):
        length = (0.16 if number % 5 == 0 else 0.09) * half_side
        ink.line(np.array([[x, height - length], [x, height]]), 0.012 * half_side)
    return np.float32(0.8) * ink.coverage()


def pen_marks(size: tuple[int, int], rng: np.random.Generator) -> Field:
    """Return the coverage of each pixel by a skin marker: thick strokes beside the lesion, [H, W]."""
    half_side = min(size) / 2
    ink = Ink(size)
    middle = np.array(size) / 2
    for _ in range(int(rng.integers(1, 4))):
        # An arc around the lesion: surgeons circle it or draw dashes beside it.
        start, span = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 1.6)
        angles = start + span * _CURVE
        radius = half_side * (rng.uniform(0.7, 1.25) + rng.normal(0, 0.04, _CURVE.shape))
        path = middle + radius * np.hstack([np.cos(angles), np.sin(angles)])
        ink.line(path, rng.uniform(0.03, 0.12) * half_side, 0.8)
    return ink.coverage(0.01 * half_side)

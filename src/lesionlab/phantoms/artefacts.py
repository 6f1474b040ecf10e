"""What lies between the lens and the skin (hair, gel bubbles, a ruler, ink), and the mark that phantoms carry."""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from lesionlab.phantoms.frame import Field, Frame, Ink
from lesionlab.phantoms.view import View

MARK = "PHANTOM"
DARK_HAIR = (0.1, 0.07, 0.06)
LIGHT_HAIR = (0.78, 0.66, 0.5)
BLACK = (0.12, 0.12, 0.14)
WHITE = (1.0, 1.0, 1.0)
_CURVE = np.linspace(0.0, 1.0, 12)[:, None]


def add_hairs(rgb: NDArray[np.float32], view: View, frame: Frame, rng: np.random.Generator) -> None:
    """Draw bent hairs that run in roughly one direction, in place."""
    if view.hairs:
        _paint(rgb, hairs(frame.size, view.hairs, rng), DARK_HAIR if view.dark_hair else LIGHT_HAIR)


def add_bubbles(rgb: NDArray[np.float32], view: View, frame: Frame, rng: np.random.Generator) -> None:
    """Draw the bright rims of bubbles in the immersion gel, in place."""
    if view.bubbles:
        _paint(rgb, bubbles(frame.size, view.bubbles, rng), WHITE)


def add_ruler(rgb: NDArray[np.float32], view: View, frame: Frame) -> None:
    """Draw millimetre marks along the lower edge, in place."""
    if view.ruler:
        _paint(rgb, ruler(frame.size, 0.13 * frame.scale), BLACK)


def hairs(size: tuple[int, int], count: int, rng: np.random.Generator) -> Field:
    """Return how much of each pixel lies under bent hairs that run in roughly one direction, 0 to 1, [H, W]."""
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
    """Return how much of each pixel the rims of gel bubbles cover, [H, W]."""
    half_side = min(size) / 2
    ink = Ink(size)
    for _ in range(count):
        centre = (float(rng.uniform(0, size[0])), float(rng.uniform(0, size[1])))
        ink.ring(centre, float(rng.uniform(0.03, 0.12)) * half_side, 0.01 * half_side)
    return np.float32(0.5) * ink.coverage(0.006 * half_side)


def ruler(size: tuple[int, int], millimetre: float) -> Field:
    """Return how much of each pixel the marks of a ruler along the lower edge cover, [H, W].

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
    """Return how much of each pixel a skin marker covers: thick strokes that pass the lesion by, [H, W]."""
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


def stamp(picture: Image.Image) -> None:
    """Put the mark into the lower left corner, in place: the same pixels in every image of a size."""
    mark = _mark(picture.width)
    picture.paste(mark, (0, picture.height - mark.height))


@cache
def _mark(image_width: int) -> Image.Image:
    """Return the mark as light letters on a dark plate, about a sixth of the image wide, never under 28 pixels."""
    font = ImageFont.load_default_imagefont()  # the bitmap font: the same in every build of Pillow
    left, top, right, bottom = (round(edge) for edge in font.getbbox(MARK))
    plate = Image.new("RGB", (right - left + 4, bottom - top + 2), (40, 40, 44))
    ImageDraw.Draw(plate).text((2 - left, 1 - top), MARK, fill=(225, 225, 225), font=font)
    width = max(28, round(image_width / 6))
    return plate.resize((width, round(width * plate.height / plate.width)), Image.Resampling.LANCZOS)


def _paint(rgb: NDArray[np.float32], cover: Field, colour: tuple[float, float, float]) -> None:
    """Blend a plain colour into the image, in place, by the share of each pixel that it covers."""
    for channel, value in enumerate(colour):
        rgb[..., channel] += cover * (np.float32(value) - rgb[..., channel])

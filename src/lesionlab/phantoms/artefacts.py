"""What lies between the lens and the skin (hair, gel bubbles, a ruler), and the mark that every phantom carries."""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from lesionlab.phantoms.frame import Field, Frame, Ink
from lesionlab.phantoms.view import View

MARK = "PHANTOM"
_DARK_HAIR = (0.1, 0.07, 0.06)
_LIGHT_HAIR = (0.78, 0.66, 0.5)
_CURVE = np.linspace(0.0, 1.0, 12)[:, None]


def add_hairs(rgb: NDArray[np.float32], view: View, frame: Frame, rng: np.random.Generator) -> None:
    """Draw bent hairs that run in roughly one direction, in place."""
    if not view.hairs:
        return
    ink = Ink(frame.size)
    grain = rng.uniform(0, np.pi)
    extent = np.array(frame.size) / frame.half_side / 2
    for _ in range(view.hairs):
        middle = rng.uniform(-extent, extent)
        heading = grain + rng.normal(0, 0.4)
        along = np.array([np.cos(heading), np.sin(heading)]) * rng.uniform(0.2, 0.8)
        bend = np.array([-along[1], along[0]]) * rng.normal(0, 0.35)
        path = middle + (2 * _CURVE - 1) * along + (4 * _CURVE * (1 - _CURVE)) * bend
        width = rng.uniform(0.008, 0.018)
        ink.line((path + extent) * frame.half_side, width * frame.half_side, 0.85)
    _paint(rgb, ink.coverage(), _DARK_HAIR if view.dark_hair else _LIGHT_HAIR)


def add_bubbles(rgb: NDArray[np.float32], view: View, frame: Frame, rng: np.random.Generator) -> None:
    """Draw the bright rims of bubbles in the immersion gel, in place."""
    if not view.bubbles:
        return
    ink = Ink(frame.size)
    width, height = frame.size
    for _ in range(view.bubbles):
        centre = (float(rng.uniform(0, width)), float(rng.uniform(0, height)))
        ink.ring(centre, float(rng.uniform(0.03, 0.12)) * frame.half_side, 0.01 * frame.half_side)
    _paint(rgb, 0.5 * ink.coverage(0.006 * frame.half_side), (1.0, 1.0, 1.0))


def add_ruler(rgb: NDArray[np.float32], view: View, frame: Frame) -> None:
    """Draw millimetre marks along the lower edge, in place."""
    if not view.ruler:
        return
    ink = Ink(frame.size)
    width, height = frame.size
    for number, x in enumerate(np.arange(0.05 * frame.half_side, width, 0.13 * frame.scale)):
        length = (0.16 if number % 5 == 0 else 0.09) * frame.half_side
        ink.line(np.array([[x, height - length], [x, height]]), 0.012 * frame.half_side)
    _paint(rgb, 0.8 * ink.coverage(), (0.12, 0.12, 0.14))


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

"""Rendering of a lesion in a view to pixels."""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from lesionlab.errors import UsageError
from lesionlab.images import artefacts
from lesionlab.images.ink import Field
from lesionlab.phantoms.frame import Frame
from lesionlab.phantoms.lesion import PhantomLesion, draw_lesion
from lesionlab.phantoms.structures import add_structures
from lesionlab.phantoms.tissue import grow
from lesionlab.phantoms.view import View, draw_view
from lesionlab.taxonomy import CODES

MIN_SIZE = (32, 24)
_MARK = "PHANTOM"


def render(lesion: PhantomLesion, view: View, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Draw one image of a lesion, marked as a phantom.

    Args:
        lesion: What all images of the lesion share.
        view: What this image has of its own.
        size: (width, height) in pixels.

    Returns:
        sRGB values, [height, width, 3].

    Raises:
        UsageError: `size` is too small to draw in.
    """
    if size[0] < MIN_SIZE[0] or size[1] < MIN_SIZE[1]:
        raise UsageError(f"a phantom is at least {MIN_SIZE[0]}x{MIN_SIZE[1]} pixels, not {size[0]}x{size[1]}")
    frame = Frame(view, size)
    tissue = grow(lesion, frame)
    add_structures(tissue, lesion, frame)
    rgb = tissue.colour()
    rng = np.random.default_rng(view.seed)
    if view.hairs:
        colour = artefacts.DARK_HAIR if view.dark_hair else artefacts.LIGHT_HAIR
        _blend(rgb, artefacts.hairs(size, view.hairs, rng), colour)
    if view.bubbles:
        _blend(rgb, artefacts.bubbles(size, view.bubbles, rng), artefacts.WHITE)
    if view.ruler:
        _blend(rgb, artefacts.ruler(size, 0.13 * frame.scale), artefacts.BLACK)
    _light(rgb, view, frame)
    rgb += np.float32(view.grain) * rng.standard_normal((*rgb.shape[:2], 1), dtype=np.float32)
    picture = Image.fromarray((np.clip(rgb, 0, 1) * 255 + 0.5).astype(np.uint8))
    if view.blur > 0:
        picture = picture.filter(ImageFilter.GaussianBlur(view.blur * frame.half_side))
    _stamp(picture)
    return np.asarray(picture)


def phantom_image(diagnosis: str, seed: int, size: tuple[int, int] = (600, 450)) -> Image.Image:
    """Draw one image of one lesion; the same arguments give the same pixels.

    Args:
        diagnosis: One of `lesionlab.taxonomy.CODES`.
        seed: 0 or more.
        size: (width, height) in pixels.

    Raises:
        UsageError: An argument is out of its range.

    Example:
        >>> phantom_image("mel", seed=1, size=(64, 48)).size
        (64, 48)
    """
    if diagnosis not in CODES:
        raise UsageError(f"diagnosis {diagnosis!r} is none of {', '.join(CODES)}")
    if seed < 0:
        raise UsageError(f"a seed is 0 or more, not {seed}")
    rng = np.random.default_rng((seed, CODES.index(diagnosis)))
    return Image.fromarray(render(draw_lesion(diagnosis, rng), draw_view(rng), size))


def _light(rgb: NDArray[np.float32], view: View, frame: Frame) -> None:
    """Apply exposure, white balance, uneven light and the round field of view, in place."""
    square = frame.x**2 + frame.y**2
    light = np.float32(view.exposure) * (1 + view.gradient[0] * frame.x + view.gradient[1] * frame.y - 0.05 * square)
    if view.vignette > 0:
        light = light / (1 + np.exp(np.clip((np.sqrt(square) - view.vignette) * 35, -30, 30)))
    for channel, gain in enumerate((1 + view.warmth, 1.0, 1 - view.warmth)):
        rgb[..., channel] *= light * np.float32(gain)


def _blend(rgb: NDArray[np.float32], cover: Field, colour: tuple[float, float, float]) -> None:
    """Blend a colour into the image, in place, by its coverage of each pixel."""
    for channel, value in enumerate(colour):
        rgb[..., channel] += cover * (np.float32(value) - rgb[..., channel])


def _stamp(picture: Image.Image) -> None:
    """Paste the mark into the lower left corner, in place: the same pixels in every image of a size."""
    mark = _mark(picture.width)
    picture.paste(mark, (0, picture.height - mark.height))


@cache
def _mark(image_width: int) -> Image.Image:
    """Return the mark as light letters on a dark plate, about a sixth of the image wide, never under 28 pixels."""
    font = ImageFont.load_default_imagefont()  # the bitmap font: the same in every build of Pillow
    left, top, right, bottom = (round(edge) for edge in font.getbbox(_MARK))
    plate = Image.new("RGB", (right - left + 4, bottom - top + 2), (40, 40, 44))
    ImageDraw.Draw(plate).text((2 - left, 1 - top), _MARK, fill=(225, 225, 225), font=font)
    width = max(28, round(image_width / 6))
    return plate.resize((width, round(width * plate.height / plate.width)), Image.Resampling.LANCZOS)

"""Skin tone, estimated from the margin of an image by the individual typology angle.

Source of the angle and its bands: Chardon et al., Int. J. Cosmetic Science 13, 1991, with the names of Del Bino and
Bernerd, Br. J. Dermatology 169, 2013. The angle was defined for a colorimeter. Immersion, polarised light and white
balance shift it, so it is a coarse grouping of images and not a property of a person.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lesionlab.errors import ImageError
from lesionlab.images.lab import to_lab
from lesionlab.images.source import load_image

UNKNOWN = "unknown"
# Lower limits of the angle in degrees.
_BANDS = ((55.0, "very light"), (41.0, "light"), (28.0, "intermediate"), (10.0, "tan"), (-30.0, "brown"))
_DARKEST = "dark"
TONES = (*(name for _, name in _BANDS), _DARKEST)
_SIDE = 96
_MARGIN = 0.12  # width of the margin relative to the side
_DARK = 15.0  # lightness below which a pixel is vignette, ruler or hair
_MIN_SHARE = 0.2  # minimum share of the margin that is not dark


def typology_angle(image: Image.Image) -> float | None:
    """Return the individual typology angle of an image's margin in degrees; None if the margin is dark.

    Args:
        image: RGB, assumed to be sRGB.
    """
    small = image.convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    lab = to_lab(np.asarray(small))
    lightness, yellow = lab[..., 0], lab[..., 2]
    skin = _margin() & (lightness > _DARK)
    if skin.sum() < _MIN_SHARE * _margin().sum():
        return None
    return float(np.degrees(np.arctan2(np.median(lightness[skin]) - 50, np.median(yellow[skin]))))


def skin_tone(image: Image.Image) -> str:
    """Return the skin tone band of an image, `unknown` for a dark margin."""
    angle = typology_angle(image)
    if angle is None:
        return UNKNOWN
    return next((name for limit, name in _BANDS if angle > limit), _DARKEST)


def skin_tone_of_file(location: str) -> str:
    """Return the skin tone band of an image file, `unknown` for a dark margin or an unreadable image."""
    try:
        return skin_tone(load_image(location, at_least=(_SIDE, _SIDE)).image)
    except ImageError:
        return UNKNOWN


def _margin() -> NDArray[np.bool_]:
    width = round(_MARGIN * _SIDE)
    margin = np.ones((_SIDE, _SIDE), dtype=np.bool_)
    margin[width:-width, width:-width] = False
    return margin

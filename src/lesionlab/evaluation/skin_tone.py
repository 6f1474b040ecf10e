"""An estimate of the skin's tone from the picture itself: the individual typology angle of its margin.

Source of the angle and its bands: Chardon et al., Int. J. Cosmetic Science 13, 1991, with the names of Del Bino and
Bernerd, Br. J. Dermatology 169, 2013. It was made for a colorimeter. Immersion, polarised light and a camera's white
balance shift it, so it sorts pictures roughly, and says nothing of a person.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lesionlab.errors import ImageError
from lesionlab.images import load_image
from lesionlab.images.lab import to_lab

UNKNOWN = "unknown"
# Lower limits of the angle in degrees.
_BANDS = ((55.0, "very light"), (41.0, "light"), (28.0, "intermediate"), (10.0, "tan"), (-30.0, "brown"))
_DARKEST = "dark"
_SIDE = 96
_MARGIN = 0.12  # of the side: lesions lie in the middle
_UNLIT = 15.0  # lightness under which a pixel is the tube of the dermatoscope, a ruler or a hair
_FEWEST = 0.2  # of the margin's pixels that must be lit


def typology_angle(image: Image.Image) -> float | None:
    """Return the individual typology angle of an image's margin in degrees, None where the margin is not lit.

    Args:
        image: RGB, taken for sRGB.
    """
    small = image.convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    lab = to_lab(np.asarray(small))
    lightness, yellow = lab[..., 0], lab[..., 2]
    skin = _margin() & (lightness > _UNLIT)
    if skin.sum() < _FEWEST * _margin().sum():
        return None
    return float(np.degrees(np.arctan2(np.median(lightness[skin]) - 50, np.median(yellow[skin]))))


def skin_tone(location: str) -> str:
    """Return the band of an image's skin, `unknown` where its margin does not show any."""
    try:
        angle = typology_angle(load_image(location, at_least=(_SIDE, _SIDE)).image)
    except ImageError:
        return UNKNOWN
    if angle is None:
        return UNKNOWN
    return next((name for limit, name in _BANDS if angle > limit), _DARKEST)


def _margin() -> NDArray[np.bool_]:
    width = round(_MARGIN * _SIDE)
    margin = np.ones((_SIDE, _SIDE), dtype=np.bool_)
    margin[width:-width, width:-width] = False
    return margin

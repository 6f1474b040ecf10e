"""Measures of a segmented lesion: asymmetry, border, colours and size.

The ABCD rule (Stolz et al., Eur. J. Dermatology 4, 1994) scores these by eye. Here they are measured on a segmentation
mask and not summed to a score. There is no diameter in millimetres, since an image has no scale.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lesionlab.images.lab import to_lab
from lesionlab.results import LesionMeasures
from lesionlab.segmentation.shape import asymmetry, border_irregularity, convex_hull, largest_diameter, largest_region

# A region with a smaller share of the image is noise, not a lesion.
SMALLEST_SHARE = 0.003
_SIDE = 256  # of the longer side, in which shapes are measured
_MIN_COLOUR_SHARE = 0.03
# Typical sRGB values of the six colours that the ABCD rule counts. A pixel belongs to the nearest one in CIELAB. The
# assignment is approximate, since cameras and light shift colours; skin around the lesion would count as light brown or
# red.
COLOURS: Final = {
    "white": (236, 226, 224),
    "red": (190, 84, 84),
    "light brown": (178, 124, 90),
    "dark brown": (104, 62, 44),
    "blue-grey": (104, 116, 138),
    "black": (34, 26, 26),
}


def measure_lesion(probability: NDArray[np.float32], image: Image.Image, *, threshold: float) -> LesionMeasures | None:
    """Measure the largest region of a mask; return None if no lesion is found.

    Args:
        probability: That a pixel belongs to the lesion, [S, S], of the image resized to a square.
        image: The image, RGB, in its original aspect ratio, since squashing changes the shape of the lesion.
        threshold: A pixel belongs to the lesion at or above it.
    """
    scale = _SIDE / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    stretched = np.asarray(Image.fromarray(probability).resize(size, Image.Resampling.BILINEAR))
    mask = largest_region(stretched >= threshold)
    area = float(mask.mean())
    if area < SMALLEST_SHARE:
        return None
    edge = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    pixels = np.asarray(image.resize(size, Image.Resampling.BOX))
    hull = convex_hull(mask)
    return LesionMeasures(
        area=area,
        diameter=largest_diameter(hull) / _SIDE,
        touches_border=bool(edge.mean() > 0.01),
        asymmetry=asymmetry(mask),
        border_irregularity=border_irregularity(mask, hull),
        colours=colours_present(pixels[mask]),
    )


def colours_present(pixels: NDArray[np.uint8]) -> dict[str, float]:
    """Return the colours of at least 3% of sRGB pixels [N, 3] with their shares, the largest first."""
    references = to_lab(np.array([list(COLOURS.values())], dtype=np.uint8))
    nearest = np.linalg.norm(to_lab(pixels[:, np.newaxis]) - references, axis=2).argmin(axis=1)
    shares = np.bincount(nearest, minlength=len(COLOURS)) / len(pixels)
    found = {name: float(share) for name, share in zip(COLOURS, shares, strict=True) if share >= _MIN_COLOUR_SHARE}
    return dict(sorted(found.items(), key=lambda item: -item[1]))

"""Colours of a lesion, of the six that the ABCD rule counts."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from lesionlab.images.lab import to_lab

# Typical sRGB values of the colours. A pixel belongs to the nearest one in CIELAB. The assignment is approximate, since
# cameras and light shift colours; skin around the lesion would count as light brown or red.
COLOURS: Final = {
    "white": (236, 226, 224),
    "red": (190, 84, 84),
    "light brown": (178, 124, 90),
    "dark brown": (104, 62, 44),
    "blue-grey": (104, 116, 138),
    "black": (34, 26, 26),
}
_MIN_SHARE = 0.03


def colours_present(pixels: NDArray[np.uint8]) -> dict[str, float]:
    """Return the colours of at least 3% of the pixels with their shares, the largest first.

    Args:
        pixels: sRGB, uint8 [N, 3], N at least 1.
    """
    references = to_lab(np.array([list(COLOURS.values())], dtype=np.uint8))
    nearest = np.linalg.norm(to_lab(pixels[:, np.newaxis]) - references, axis=2).argmin(axis=1)
    shares = np.bincount(nearest, minlength=len(COLOURS)) / len(pixels)
    found = {name: float(share) for name, share in zip(COLOURS, shares, strict=True) if share >= _MIN_SHARE}
    return dict(sorted(found.items(), key=lambda item: -item[1]))

"""Which of the six colours of dermoscopy a lesion shows."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from lesionlab.images.lab import to_lab

# Typical sRGB values of the colours that the ABCD rule counts. A pixel belongs to the nearest one in CIELAB. Cameras
# and light shift them, so that this is a rough sorting; skin next to a lesion would count as light brown or red.
COLOURS: Final = {
    "white": (236, 226, 224),
    "red": (190, 84, 84),
    "light brown": (178, 124, 90),
    "dark brown": (104, 62, 44),
    "blue-grey": (104, 116, 138),
    "black": (34, 26, 26),
}
_PRESENT = 0.03


def colours_present(pixels: NDArray[np.uint8]) -> dict[str, float]:
    """Return the colours that cover at least 3 % of some pixels with their shares, the largest first.

    Args:
        pixels: sRGB, uint8 [N, 3], N at least 1.
    """
    references = to_lab(np.array([list(COLOURS.values())], dtype=np.uint8))
    nearest = np.linalg.norm(to_lab(pixels[:, np.newaxis]) - references, axis=2).argmin(axis=1)
    shares = np.bincount(nearest, minlength=len(COLOURS)) / len(pixels)
    found = {name: float(share) for name, share in zip(COLOURS, shares, strict=True) if share >= _PRESENT}
    return dict(sorted(found.items(), key=lambda item: -item[1]))

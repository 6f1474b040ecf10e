"""Localisation of a map: its share on the lesion mask, and whether its peak lies on it.

Maps are compared as they are displayed: positive values, interpolated to the size of the image. Negative values, which
are evidence against the class, are ignored.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import distance_transform_edt

# Dilation of the mask, relative to the image side. Most networks have maps of 7x7 cells, whose localisation error is
# half a cell. All methods are measured with the same dilation.
DILATIONS = {"mask": 0.0, "half_cell": 1 / 14, "cell": 1 / 7}
CHOSEN = "half_cell"


@dataclass(frozen=True)
class Localisation:
    """Position of a map relative to the lesion mask.

    Attributes:
        energy: Share of the map on the mask, by name of the dilation; nan for a map without positive values.
        area: Share of the image that the mask covers, by name of the dilation: the energy of a constant map.
        pointing: Whether the peak lies on the mask dilated by `CHOSEN` (pointing game, Zhang et al., IJCV 2018); nan
            for a map without positive values.
    """

    energy: dict[str, float]
    area: dict[str, float]
    pointing: float


def dilated(mask: NDArray[np.bool_], share: float) -> NDArray[np.bool_]:
    """Return a mask [S, S] dilated by a share of its side."""
    if share == 0 or not mask.any():
        return mask
    return np.asarray(distance_transform_edt(~mask) <= share * len(mask))


def enlarged(values: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Return a map [h, w] interpolated to [size, size], as overlays show it."""
    if values.shape == (size, size):
        return values
    return np.asarray(Image.fromarray(values).resize((size, size), Image.Resampling.BILINEAR))


def positive(values: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Return the positive values of a map [h, w], interpolated to [size, size]."""
    return enlarged(np.maximum(values, np.float32(0)), size)


def localise(values: NDArray[np.float32], mask: NDArray[np.bool_]) -> Localisation:
    """Compare a map with a lesion mask.

    Args:
        values: [h, w], positive where it supports the class.
        mask: Lesion mask, [S, S].
    """
    heat = positive(values, len(mask)).astype(np.float64)
    total = heat.sum()
    masks = {name: dilated(mask, share) for name, share in DILATIONS.items()}
    area = {name: float(one.mean()) for name, one in masks.items()}
    if total <= 0:
        return Localisation(dict.fromkeys(masks, float("nan")), area, float("nan"))
    energy = {name: float(heat[one].sum() / total) for name, one in masks.items()}
    return Localisation(energy, area, float(masks[CHOSEN].flat[heat.argmax()]))

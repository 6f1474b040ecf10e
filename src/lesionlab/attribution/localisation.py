"""Whether a map is about the lesion: how much of it lies on the lesion's mask, and where its peak is.

A map is compared as it is shown: what speaks for the class, scaled smoothly over the picture. Below 0 it speaks against
the class; that is no part of the reason for it, and is counted nowhere here.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import distance_transform_edt

# By how much a mask is widened, in parts of the picture's side. A map of 7x7 cells, which most networks have, cannot
# say where within a cell something lies, so that half a cell is its error of reading; a whole one is shown beside it.
# All methods are measured alike, fine maps too.
DILATIONS = {"mask": 0.0, "half_cell": 1 / 14, "cell": 1 / 7}
CHOSEN = "half_cell"


@dataclass(frozen=True)
class Localised:
    """How a map lies to a lesion.

    Attributes:
        energy: Share of the map on the mask, by name of the dilation; nan where nothing speaks for the class.
        area: Share of the picture that the mask covers, by name of the dilation: what a map that says nothing gets.
        pointing: Whether the map's peak lies on the mask of `CHOSEN` (the pointing game, Zhang et al., IJCV 2018); nan
            as for the energy.
    """

    energy: dict[str, float]
    area: dict[str, float]
    pointing: float


def dilated(mask: NDArray[np.bool_], share: float) -> NDArray[np.bool_]:
    """Return a mask [S, S] widened on all sides by a share of its side."""
    if share == 0 or not mask.any():
        return mask
    return np.asarray(distance_transform_edt(~mask) <= share * len(mask))


def enlarged(values: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Return a map [h, w] over all pixels of a square picture, [size, size], as overlays show it."""
    if values.shape == (size, size):
        return values
    return np.asarray(Image.fromarray(values).resize((size, size), Image.Resampling.BILINEAR))


def positive(values: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Return what of a map [h, w] speaks for the class, [size, size]."""
    return enlarged(np.maximum(values, np.float32(0)), size)


def localise(values: NDArray[np.float32], mask: NDArray[np.bool_]) -> Localised:
    """Compare a map with a lesion's mask.

    Args:
        values: [h, w], positive where it speaks for the class.
        mask: Where the lesion is, [S, S].
    """
    heat = positive(values, len(mask)).astype(np.float64)
    total = heat.sum()
    masks = {name: dilated(mask, share) for name, share in DILATIONS.items()}
    area = {name: float(one.mean()) for name, one in masks.items()}
    if total <= 0:
        return Localised(dict.fromkeys(masks, float("nan")), area, float("nan"))
    energy = {name: float(heat[one].sum() / total) for name, one in masks.items()}
    return Localised(energy, area, float(masks[CHOSEN].flat[heat.argmax()]))

"""Where in the picture an answer comes from: the class activation map."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from lesionlab.bundle import LinearHead

METHOD: Final = "class activation map"
GRID: Final = 32  # cells along a side of a map that was placed in its picture


@dataclass(frozen=True, eq=False)
class Explanation:
    """How much each place of a picture speaks for a class.

    Attributes:
        diagnosis: Code of the class that is explained.
        name: Its name.
        method: How the map was made.
        values: float32 [rows, columns] over the whole picture, from 0 to 1, where 1 is the place that speaks for
            the class most. All 0 where no place speaks for it.
    """

    diagnosis: str
    name: str
    method: str
    values: np.ndarray


def class_activation_map(head: LinearHead, feature_map: np.ndarray, index: int) -> np.ndarray:
    """Return how much each place speaks for a class, float32 [h, w], before anything is cut off or scaled.

    Its mean is the class's logit less the bias, as the head is linear and the map is pooled by its mean. For such a
    network it equals Grad-CAM up to a factor. Source: Zhou et al., Learning Deep Features for Discriminative
    Localization, CVPR 2016.

    Args:
        head: The last layer of the network.
        feature_map: float32 [D, h, w] of one image.
        index: Index of the class.
    """
    return np.tensordot(head.weights[index].astype(np.float32), feature_map, axes=1)


def placed(values: np.ndarray, crop: np.ndarray) -> np.ndarray:
    """Return the map of a part of a picture as a map of the whole, float32 [GRID, GRID]; 0 where nothing was looked at.

    Args:
        values: float32 [h, w] over the part.
        crop: Left, top and side of the part in shares of the picture's sides, [3].
    """
    left, top, side = crop.astype(np.float64)
    places = (np.arange(GRID) + 0.5) / GRID
    across, down = (places - left) / side, (places - top) / side
    inside = ((down >= 0) & (down <= 1))[:, None] & ((across >= 0) & (across <= 1))[None, :]
    rows, columns = _between(down, values.shape[0]), _between(across, values.shape[1])
    return np.where(inside, rows @ values @ columns.T, 0).astype(np.float32)


def _between(shares: np.ndarray, count: int) -> np.ndarray:
    """Return the weights of linear interpolation between the middles of cells along a side, [len(shares), count]."""
    positions = np.clip(shares * count - 0.5, 0, count - 1)
    return np.asarray(np.clip(1 - np.abs(positions[:, None] - np.arange(count)), 0, None))


def scaled(activation: np.ndarray) -> np.ndarray:
    """Return a map without what speaks against the class, divided by its maximum, float32 [h, w]."""
    positive = np.maximum(activation, 0, dtype=np.float32)
    highest = float(positive.max())
    return np.asarray(positive / highest if highest > 0 else positive)

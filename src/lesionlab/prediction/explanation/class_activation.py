"""Class activation maps."""

from typing import Final

import numpy as np

from lesionlab.bundle import LinearHead

METHOD: Final = "class activation map"
GRID: Final = 32  # rows and columns of a map of a crop, placed in the whole image


def class_activation_map(head: LinearHead, feature_map: np.ndarray, index: int) -> np.ndarray:
    """Return the evidence for a class at each position, float32 [h, w], without clipping or scaling.

    Its mean is the class's logit minus the bias, since the head is linear and the map is average-pooled. For such a
    network it equals Grad-CAM up to a factor. Source: Zhou et al., Learning Deep Features for Discriminative
    Localization, CVPR 2016.

    Args:
        head: The last layer of the network.
        feature_map: float32 [D, h, w] of one image.
        index: Index of the class.
    """
    return np.tensordot(head.weights[index].astype(np.float32), feature_map, axes=1)


def placed(values: np.ndarray, crop: np.ndarray) -> np.ndarray:
    """Place the map of a crop in the whole image, float32 [GRID, GRID]; 0 outside the crop.

    Args:
        values: float32 [h, w] over the crop.
        crop: Left, top and side of the crop as shares of the image's sides, [3].
    """
    left, top, side = crop.astype(np.float64)
    places = (np.arange(GRID) + 0.5) / GRID
    across, down = (places - left) / side, (places - top) / side
    inside = ((down >= 0) & (down <= 1))[:, None] & ((across >= 0) & (across <= 1))[None, :]
    rows, columns = _between(down, values.shape[0]), _between(across, values.shape[1])
    return np.where(inside, rows @ values @ columns.T, 0).astype(np.float32)


def _between(shares: np.ndarray, count: int) -> np.ndarray:
    """Return weights of linear interpolation between cell centres along a side, [len(shares), count]."""
    positions = np.clip(shares * count - 0.5, 0, count - 1)
    return np.asarray(np.clip(1 - np.abs(positions[:, None] - np.arange(count)), 0, None))


def scaled(activation: np.ndarray) -> np.ndarray:
    """Return the positive part of a map, divided by its maximum, float32 [h, w]."""
    positive = np.maximum(activation, 0, dtype=np.float32)
    highest = float(positive.max())
    return np.asarray(positive / highest if highest > 0 else positive)

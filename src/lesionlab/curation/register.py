"""Registration of two images by local features: the affine map that most matching features agree on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lesionlab.curation.features import SIDE, ImageFeatures

_RATIO = 0.9  # of the distances to the best and the second best match (Lowe, 2004)
_TOLERANCE = 4  # pixels of a square of SIDE pixels
_FEWEST = 5
_LARGEST_STRETCH = 1.9  # a square copy of a 4:3 image that was cropped to a square: 4:3 squared
_SCALES = (0.25, 4.0)
_UNCHANGED = 0.03 * SIDE
# Mirroring reverses the columns of the 4x4 cells of a descriptor and the sense of its 8 directions.
_MIRRORED = np.arange(128).reshape(4, 4, 8)[::-1][:, :, (-np.arange(8)) % 8].reshape(-1)


@dataclass(frozen=True, eq=False)
class Registration:
    """An affine map between two images.

    Attributes:
        matrix: Maps positions of the first image to the second, [2, 3].
        matches: Number of local features that agree on it.
    """

    matrix: NDArray[np.float64]
    matches: int


def register(a: ImageFeatures, i: int, b: ImageFeatures, j: int, *, mirrored: bool = True) -> Registration | None:
    """Return the map between two images, or None where no plausible one is found.

    Args:
        a: Features of the first image.
        i: Its position.
        b: Features of the second image.
        j: Its position.
        mirrored: Whether to search for a mirror image as well.
    """
    n, m = int(a.counts[i]), int(b.counts[j])
    if min(n, m) < _FEWEST:
        return None
    points, descriptors = a.points[i, :n], a.descriptors[i, :n]
    target = (b.points[j, :m], b.descriptors[j, :m].astype(np.float32))
    found = [_fit(points, descriptors.astype(np.float32), *target)]
    if mirrored:
        found.append(_fit(points, descriptors[:, _MIRRORED].astype(np.float32), *target, mirrored=True))
    return max((one for one in found if one is not None), key=lambda one: one.matches, default=None)


def is_mirrored(found: Registration) -> bool:
    """Return whether one image is a mirror image of the other."""
    return bool(np.linalg.det(found.matrix[:, :2]) < 0)


def is_unchanged(found: Registration) -> bool:
    """Return whether the images have the same frame."""
    corners = np.array([[0, 0, 1], [SIDE, 0, 1], [0, SIDE, 1], [SIDE, SIDE, 1]], dtype=np.float64)
    return bool(np.abs(corners @ found.matrix.T - corners[:, :2]).max() < _UNCHANGED)


def _fit(
    points: NDArray[np.float32],
    descriptors: NDArray[np.float32],
    other_points: NDArray[np.float32],
    other_descriptors: NDArray[np.float32],
    *,
    mirrored: bool = False,
) -> Registration | None:
    import cv2

    products = descriptors @ other_descriptors.T
    best, rows = products.argmax(axis=1), np.arange(len(products))
    highest, back = products[rows, best], products.argmax(axis=0)
    products[rows, best] = -1
    # The descriptors have the length 255.
    nearest, second = (2 * (255.0**2 - found).clip(0) for found in (highest, products.max(axis=1)))
    good = (nearest < _RATIO**2 * second) & (back[best] == rows)
    if good.sum() < _FEWEST:
        return None
    cv2.setRNGSeed(0)
    matrix, inliers = cv2.estimateAffine2D(
        points[good], other_points[best[good]], method=cv2.RANSAC, ransacReprojThreshold=_TOLERANCE
    )
    if matrix is None:
        return None
    sizes = np.linalg.svd(matrix[:, :2], compute_uv=False)
    plausible = (
        np.isfinite(sizes).all()
        and sizes[0] < _LARGEST_STRETCH * sizes[1]
        and _SCALES[0] < np.sqrt(sizes.prod()) < _SCALES[1]
        and (np.linalg.det(matrix[:, :2]) < 0) == mirrored
    )
    return Registration(matrix, int(inliers.sum())) if plausible else None

"""Lesion masks: finding them, and reading them as the images are read."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from lesionlab.data import Manifest
from lesionlab.errors import DataError

_SUFFIXES = ("_segmentation", "_mask", "")


def find_masks(folder: Path, manifest: Manifest) -> dict[str, Path]:
    """Return the mask of each image that has one: `ID_segmentation.png`, `ID_mask.png` or `ID.png`, at any depth.

    Raises:
        DataError: There is no such folder, or no mask of these images in it.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder; --masks names the folder of the lesion masks")
    stems = {path.stem: path for path in sorted(folder.rglob("*.png"))}
    found: dict[str, Path] = {}
    for record in manifest:
        path = next((stems[record.image_id + end] for end in _SUFFIXES if record.image_id + end in stems), None)
        if path is not None:
            found[record.image_id] = path
    if not found:
        raise DataError(
            f"{folder} holds no mask of these {len(manifest)} images; masks are called like their image, as in "
            f"{next(iter(manifest)).image_id}_segmentation.png"
        )
    return found


def read_masks(paths: Sequence[Path], size: int) -> NDArray[np.uint8]:
    """Return how much of each pixel is lesion, 0 to 255, of masks squashed to a square.

    Args:
        paths: Pictures in which the lesion is white.
        size: Side of the square.

    Returns:
        uint8 [N, size, size].

    Raises:
        DataError: A file cannot be read.
    """

    def read(path: Path) -> NDArray[np.uint8]:
        try:
            with Image.open(path) as opened:
                squashed = opened.convert("L").resize((size, size), Image.Resampling.BILINEAR)
        except (OSError, UnidentifiedImageError) as error:
            raise DataError(f"mask {path} cannot be read ({error}); copy the file again") from error
        return np.asarray(squashed)

    with ThreadPoolExecutor() as pool:
        masks = list(pool.map(read, paths))
    return np.stack(masks)

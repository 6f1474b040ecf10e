"""Lesion segmentation masks: white lesion on black."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lesionlab.errors import DataError, ImageError
from lesionlab.images import load_image

HAM_MASKS = "HAM10000_segmentations"
_SUFFIX = "_segmentation.png"


class MaskFolder:
    """A folder of masks that are named after their images, as in HAM10000: `ISIC_0024306_segmentation.png`.

    Args:
        path: The folder.

    Raises:
        DataError: The folder does not exist or has no mask.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_dir():
            raise DataError(f"{path}: no such folder; give a folder of lesion masks, such as {HAM_MASKS}")
        self._names = {name.name.removesuffix(_SUFFIX) for name in path.iterdir() if name.name.endswith(_SUFFIX)}
        if not self._names:
            raise DataError(f"{path}: no lesion masks; their names are IMAGE{_SUFFIX}")

    def __contains__(self, image_id: str) -> bool:
        return image_id in self._names

    def read(self, image_id: str, size: int) -> NDArray[np.bool_]:
        """Return the mask, bool [size, size], resized to a square like the image in `Preprocessing`.

        Raises:
            DataError: The image has no mask, or it cannot be read.
        """
        return self.coverage(image_id, size) > 127

    def coverage(self, image_id: str, size: int) -> NDArray[np.uint8]:
        """Return the lesion's coverage of each pixel, 0 to 255, uint8 [size, size]; see `read`.

        Raises:
            DataError: The image has no mask, or it cannot be read.
        """
        path = self.path / f"{image_id}{_SUFFIX}"
        try:
            mask = load_image(path).image.convert("L")
        except ImageError as error:
            raise DataError(f"{path}: {error}") from error
        return np.asarray(mask.resize((size, size), Image.Resampling.BILINEAR))

"""Lesion masks: pictures of the same frame as an image, white where the lesion is."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lesionlab.errors import DataError, ImageError
from lesionlab.images import load_image

HAM_MASKS = "HAM10000_segmentations"
_SUFFIX = "_segmentation.png"


class MaskFolder:
    """A folder of masks named after their images, as HAM10000's are: `ISIC_0024306_segmentation.png`.

    Args:
        path: The folder.

    Raises:
        DataError: There is no such folder, or no mask in it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_dir():
            raise DataError(f"{path}: no such folder; name the folder of lesion masks, such as {HAM_MASKS}")
        self._names = {name.name.removesuffix(_SUFFIX) for name in path.iterdir() if name.name.endswith(_SUFFIX)}
        if not self._names:
            raise DataError(f"{path}: no lesion mask in it; they are named after their images, IMAGE{_SUFFIX}")

    def __contains__(self, image_id: str) -> bool:
        return image_id in self._names

    def read(self, image_id: str, size: int) -> NDArray[np.bool_]:
        """Return where the lesion is, bool [size, size], squashed to a square as `Preprocessing` squashes the image.

        Raises:
            DataError: There is no mask of this image, or it cannot be read.
        """
        return self.coverage(image_id, size) > 127

    def coverage(self, image_id: str, size: int) -> NDArray[np.uint8]:
        """Return how much of each pixel is lesion, 0 to 255, uint8 [size, size]; see `read`.

        Raises:
            DataError: There is no mask of this image, or it cannot be read.
        """
        place = self.path / f"{image_id}{_SUFFIX}"
        try:
            mask = load_image(place).image.convert("L")
        except ImageError as error:
            raise DataError(f"{place}: {error}") from error
        return np.asarray(mask.resize((size, size), Image.Resampling.BILINEAR))

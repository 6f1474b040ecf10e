"""The archives of DermaMNIST (`dermamnist.npz`, `dermamnist_64.npz` etc.): images and labels of three subsets."""

import zipfile
from pathlib import Path

import numpy as np

from lesionlab.data.manifest import ImageRecord
from lesionlab.data.split import TEST, TRAIN, VALIDATION
from lesionlab.errors import DataError

# The class order of these archives, which differs from the taxonomy's and from that of the pixel tables.
LABELS = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
_SUBSETS = {"train": TRAIN, "val": VALIDATION, "test": TEST}


def read_dermamnist(path: Path) -> tuple[np.ndarray, list[ImageRecord]]:
    """Read an archive of DermaMNIST.

    Returns:
        The pixels, uint8 [images, side, side, 3], and one record per image with its label and subset, without a path.
        Lesions are unknown.

    Raises:
        DataError: The file is not such an archive.
    """
    if "dermamnist" not in path.name.lower():
        # Other archives of MedMNIST have the same keys and other classes.
        raise DataError(f"{path}: not DermaMNIST by its name; rename it to dermamnist.npz if it is")
    pixels, records = [], []
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            for key, subset in _SUBSETS.items():
                images, labels = arrays[f"{key}_images"], arrays[f"{key}_labels"].reshape(-1)
                _check(path, key, images, labels)
                pixels.append(images)
                names = [f"{path.stem}_{key}_{row:05d}" for row in range(len(images))]
                records += [
                    ImageRecord(name, "", lesion_id=name, diagnosis=LABELS[label], source=path.stem, subset=subset)
                    for name, label in zip(names, labels.tolist(), strict=True)
                ]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: not a complete DermaMNIST archive ({error}); download it again") from error
    return np.concatenate(pixels), records


def _check(path: Path, key: str, images: np.ndarray, labels: np.ndarray) -> None:
    shape = images.shape
    if images.dtype != np.uint8 or len(shape) != 4 or shape[1] != shape[2] or shape[3] != 3 or len(labels) != shape[0]:
        raise DataError(f"{path}: {key}_images is {images.dtype} {list(shape)}, not uint8 [images, side, side, 3]")
    if labels.size and not (
        np.issubdtype(labels.dtype, np.integer) and labels.min() >= 0 and labels.max() < len(LABELS)
    ):
        raise DataError(f"{path}: {key}_labels has other values than 0 to {len(LABELS) - 1}")

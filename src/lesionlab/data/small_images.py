"""Datasets of small square images: resizing a dataset, and writing one as a folder."""

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from lesionlab.data.dataset import MANIFEST_NAME
from lesionlab.data.manifest import ImageRecord, Manifest
from lesionlab.errors import DataError, ImageError
from lesionlab.files import cannot_write
from lesionlab.images import load_image
from lesionlab.images.bounds import MIN_SIDE

_IMAGES = "images"


def shrink_images(
    manifest: Manifest, size: int, *, grey: bool = False, progress: Callable[[int, int], None] | None = None
) -> np.ndarray:
    """Decode every image of a manifest and resize it to a small square, as in `Preprocessing.through`.

    Images of this size, such as those of `write_small_images`, are unchanged.

    Args:
        manifest: The images.
        size: Side of the squares in pixels.
        grey: Whether to convert to greyscale.
        progress: Called after each image with the number of images done and their total.

    Returns:
        uint8 [images, size, size, 3], with `grey` [images, size, size, 1], in the order of the manifest.

    Raises:
        DataError: An image is missing or cannot be decoded.
    """

    def shrink(record: ImageRecord) -> np.ndarray:
        location = manifest.location(record)
        try:
            image = load_image(location, at_least=(size, size)).image
        except ImageError as error:
            raise DataError(f"{location}: {error}") from error
        small = image.resize((size, size), Image.Resampling.BILINEAR)
        return np.asarray(small.convert("L") if grey else small)

    pixels = np.empty((len(manifest), size, size, 1 if grey else 3), np.uint8)
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        try:
            for done, small in enumerate(pool.map(shrink, manifest.records), start=1):
                pixels[done - 1] = small.reshape(pixels.shape[1:])
                if progress is not None:
                    progress(done, len(manifest))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return pixels


def write_small_images(
    folder: Path,
    records: Iterable[ImageRecord],
    pixels: np.ndarray,
    *,
    lesions_known: bool,
    progress: Callable[[int, int], None] | None = None,
) -> Manifest:
    """Write images as PNG files with a manifest, completely or not at all.

    Args:
        folder: A new or empty folder.
        records: Metadata of the images; their paths are replaced by those of the new files.
        pixels: uint8 [images, side, side, 3 or 1], in the order of `records`.
        lesions_known: Whether the records have lesion ids.
        progress: Called after each image with the number of images written and their total.

    Returns:
        The manifest of the new folder.

    Raises:
        DataError: The images are smaller than `lesionlab.images.bounds.MIN_SIDE`, `folder` is not empty, or an image id
            is not a valid file name.
        LesionlabError: The folder cannot be written.
    """
    side = pixels.shape[1]
    if side < MIN_SIDE:
        raise DataError(f"{folder}: images of {side}x{side} pixels are too small; the minimum is {MIN_SIDE}x{MIN_SIDE}")
    renamed = tuple(replace(record, path=f"{_IMAGES}/{_file_name(record)}") for record in records)
    manifest = Manifest(folder, renamed, lesions_known)
    with new_dataset(folder, (_IMAGES, MANIFEST_NAME)) as built:
        (built / _IMAGES).mkdir()
        for done, (record, square) in enumerate(zip(renamed, pixels, strict=True), start=1):
            (built / record.path).parent.mkdir(parents=True, exist_ok=True)
            _save(square, built / record.path)
            if progress is not None:
                progress(done, len(renamed))
        manifest.save(built / MANIFEST_NAME)
    return manifest


@contextmanager
def new_dataset(folder: Path, names: Sequence[str]) -> Iterator[Path]:
    """Yield a temporary folder whose entries are moved to `folder` at the end; after an error nothing is left.

    Args:
        folder: A new or empty folder.
        names: The entries, in the order of moving; the table last, since without it the folder is not a dataset.

    Raises:
        DataError: `folder` is not empty.
        LesionlabError: The folder cannot be written.
    """
    try:
        check_empty(folder)
        target = folder.resolve()
        existed = target.exists()
        # An existing folder is filled and not replaced, since it may be a mount point or the current one.
        parent = target if existed else target.parent
        parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=parent, prefix=".images.") as temporary:
            built = Path(temporary) / "built"
            built.mkdir()
            yield built
            if existed:
                for name in names:
                    os.replace(built / name, target / name)
            else:
                os.replace(built, target)
    except OSError as error:
        raise cannot_write(folder, error) from error


def check_empty(folder: Path) -> None:
    """Raise a DataError if `folder` is a file or not empty."""
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file: give a folder for the images")
    if folder.is_dir() and any(folder.iterdir()):
        raise DataError(f"{folder} is not empty: give a new folder for the images, or empty this one first")


def _file_name(record: ImageRecord) -> str:
    # The id may be a path (mel/1), but not one out of the folder.
    parts = record.image_id.split("/")
    if any(Path(part).name != part or part in ("", ".", "..") for part in parts):
        raise DataError(f"image id {record.image_id!r} is not a valid file name; change the id")
    return f"{record.image_id}.png"


def _save(square: np.ndarray, path: Path) -> None:
    Image.fromarray(square if square.shape[2] == 3 else square[:, :, 0]).save(path)

"""Sets of small square images: shrinking a dataset to one, and writing one as a folder that can be read."""

import os
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from lesionlab.data.dataset import MANIFEST_NAME
from lesionlab.data.manifest import ImageRecord, Manifest
from lesionlab.errors import DataError, ImageError
from lesionlab.files import cannot_write
from lesionlab.images import decode_image, read_image_bytes
from lesionlab.images.decode import MIN_SIDE

_IMAGES = "images"


def shrink_images(
    manifest: Manifest, size: int, *, grey: bool = False, progress: Callable[[int, int], None] | None = None
) -> np.ndarray:
    """Decode every image of a manifest and squash it to a small square, as `Preprocessing.through` does it.

    An image that has this size already, as one that `write_small_images` wrote, comes back to the bit.

    Args:
        manifest: The images.
        size: Side of the squares in pixels.
        grey: Whether to leave out the colour.
        progress: Called after each image with the number of images done and their total.

    Returns:
        uint8 [images, size, size, 3], with `grey` [images, size, size, 1], in the order of the manifest.

    Raises:
        DataError: An image is missing or cannot be decoded.
    """

    def shrink(record: ImageRecord) -> np.ndarray:
        location = manifest.location(record)
        try:
            image = decode_image(read_image_bytes(location), at_least=(size, size)).image
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
    """Write images as PNG files and a manifest beside them, all of it or nothing.

    Args:
        folder: Where to write: a folder that does not exist yet, or an empty one.
        records: What is known of the images; their paths are replaced by those of the new files.
        pixels: uint8 [images, side, side, 3 or 1], in the order of `records`.
        lesions_known: Whether the records' lesions are known.
        progress: Called after each image with the number of images written and their total.

    Returns:
        What was written.

    Raises:
        DataError: The squares are smaller than an image file may be (`lesionlab.images.decode.MIN_SIDE`),
            `folder` holds something already, or an image id cannot be the name of a file.
        LesionlabError: The folder cannot be written.
    """
    side = pixels.shape[1]
    if side < MIN_SIDE:
        raise DataError(
            f"{folder}: images of {side}x{side} pixels are too small; take larger ones, at least {MIN_SIDE}x{MIN_SIDE}"
        )
    renamed = tuple(replace(record, path=f"{_IMAGES}/{_file_name(record)}") for record in records)
    manifest = Manifest(folder, renamed, lesions_known)
    try:
        refuse_occupied(folder)
        existed = folder.exists()
        # A folder that is there may be a mount point or the current one: it is filled, not replaced.
        beside = folder if existed else folder.resolve().parent
        beside.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=beside, prefix=".images.") as temporary:
            built = Path(temporary) / "built"
            (built / _IMAGES).mkdir(parents=True)
            for done, (record, square) in enumerate(zip(renamed, pixels, strict=True), start=1):
                _save(square, built / record.path)
                if progress is not None:
                    progress(done, len(renamed))
            manifest.save(built / MANIFEST_NAME)
            if existed:
                for name in (_IMAGES, MANIFEST_NAME):  # the table last: without it the folder is no dataset
                    os.replace(built / name, folder / name)
            else:
                os.replace(built, folder)
    except OSError as error:
        raise cannot_write(folder, error) from error
    return manifest


def refuse_occupied(folder: Path) -> None:
    """Raise a DataError if `folder` is a file, or a folder that is not empty."""
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file: name a folder for the images")
    if folder.is_dir() and any(folder.iterdir()):
        raise DataError(f"{folder} is not empty: name a new folder for the images, or empty this one first")


def _file_name(record: ImageRecord) -> str:
    if Path(record.image_id).name != record.image_id:
        raise DataError(f"image id {record.image_id!r} cannot be the name of a file; give the image another")
    return f"{record.image_id}.png"


def _save(square: np.ndarray, path: Path) -> None:
    Image.fromarray(square if square.shape[2] == 3 else square[:, :, 0]).save(path)

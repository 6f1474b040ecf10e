"""The image cache: every image decoded once, at the training size, in one memory-mapped array.

Decoding and resizing a JPEG costs more than reading its pixels back by two orders of magnitude, and training asks
for each image once per epoch. The array holds what `Preprocessing.apply` returns, so training and use see the
same pixels.
"""

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from lesionlab.data import ImageRecord, Manifest
from lesionlab.errors import DataError, ImageError
from lesionlab.files import cache_folder, replacing, sha256_of_json
from lesionlab.images import Preprocessing, decode_image, read_image_bytes
from lesionlab.prediction.session import available_cores
from lesionlab.recipes import CropSettings
from lesionlab.segmentation import Segmenter
from lesionlab.training.crop import LesionCrop

logger = logging.getLogger(__name__)

_ABANDONED_SECONDS = 600
_AT_ONCE = 32
_VERSION = 1  # raised when decoding changes, so that old arrays are not taken for new ones


def open_image_cache(
    manifest: Manifest, preprocessing: Preprocessing, progress: Callable[[int, int], None] | None = None
) -> NDArray[np.uint8]:
    """Return all images of a manifest as one read-only, memory-mapped array, made on the first call.

    Args:
        manifest: The images, in the order of the rows to return.
        preprocessing: Size and filter; normalisation is not applied.
        progress: Called with the number of images done and the number in all.

    Returns:
        uint8 [images, size, size, 3].

    Raises:
        DataError: At least one image cannot be decoded. All such images are listed: none is left out silently.
        LesionlabError: The cache cannot be written.
    """
    path = cache_folder() / "images" / f"{image_cache_key(manifest, preprocessing)}.npy"
    if not path.exists():
        _build(path, manifest, preprocessing, progress)
    # torch wants a writable array behind a tensor; copy-on-write keeps the file as it is.
    array: NDArray[np.uint8] = np.load(path, mmap_mode="c")
    return array


def image_cache_key(manifest: Manifest, preprocessing: Preprocessing) -> str:
    """Return what tells this image cache from others: it changes with the images, their files and their size."""
    files = [_signature(manifest.location(record)) for record in manifest]
    shape = {"size": preprocessing.size, "interpolation": preprocessing.interpolation}
    if preprocessing.through:
        shape["through"] = preprocessing.through
    return sha256_of_json([_VERSION, manifest.sha256, shape, files])[:24]


def _signature(location: str) -> list[int | str]:
    # Size and time of change tell a replaced file without reading it; so do they for an archive as a whole.
    archive, _, member = location.partition("::")
    try:
        status = Path(archive).stat()
    except OSError:
        return [location, "missing"]
    return [status.st_size, status.st_mtime_ns, member]


def _build(
    path: Path, manifest: Manifest, preprocessing: Preprocessing, progress: Callable[[int, int], None] | None
) -> None:
    shape = (len(manifest), preprocessing.size, preprocessing.size, 3)
    logger.info("decoding %d images once, at %d pixels (%.1f GB)", shape[0], shape[1], np.prod(shape) / 1e9)

    def decode(record: ImageRecord) -> NDArray[np.uint8] | str:
        try:
            data = read_image_bytes(manifest.location(record))
            return preprocessing.apply(decode_image(data, at_least=preprocessing.decode_size).image)
        except ImageError as error:
            return f"{record.path}: {error}"

    _remove_leftovers(path)
    failures: list[str] = []
    # Written in order through a file and not through a mapping: on a full disk a mapping dies with SIGBUS.
    with replacing(path, binary=True) as stream, ThreadPoolExecutor() as pool:
        np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": shape})
        for done, result in enumerate(pool.map(decode, manifest), start=1):
            if isinstance(result, str):
                failures.append(result)
            else:
                stream.write(result.tobytes())
            if progress is not None:
                progress(done, len(manifest))
        if failures:
            listed = "; ".join(failures[:5]) + (f"; and {len(failures) - 5} more" if len(failures) > 5 else "")
            raise DataError(
                f"{manifest.root}: {len(failures)} of {len(manifest)} images cannot be used: {listed}. "
                "`lesionlab data check` lists all; repair them or remove them from the metadata"
            )


def _remove_leftovers(path: Path) -> None:
    """Remove what processes killed while they built this cache have left: it may be gigabytes."""
    for leftover in path.parent.glob(f".{path.name}.*.part"):
        # A younger one may belong to a process that is at work.
        if time.time() - leftover.stat().st_mtime > _ABANDONED_SECONDS:
            leftover.unlink(missing_ok=True)


def open_cropped_cache(
    images: NDArray[np.uint8], key: str, crop: CropSettings, progress: Callable[[int, int], None] | None = None
) -> tuple[NDArray[np.uint8], str]:
    """Return the squares around the lesions of cached images, made on the first call, and what tells this array.

    Args:
        images: What `open_image_cache` returned, uint8 [images, size, size, 3].
        key: What `image_cache_key` returned for it.
        crop: Which segmentation model finds the lesions, and how much is left around them.
        progress: Called with the number of images done and the number in all.

    Raises:
        BundleError: There is no such segmentation model.
        LesionlabError: The cache cannot be written.
    """
    segmenter = Segmenter.load(segmentation_folder(crop), threads=available_cores())
    own_key = sha256_of_json([_VERSION, key, segmenter.info.graph_sha256, segmenter.info.threshold, crop.margin])[:24]
    path = cache_folder() / "images" / f"{own_key}.npy"
    if not path.exists():
        _remove_leftovers(path)
        cropper = LesionCrop(images.shape[1], segmenter.info.threshold, crop.margin)
        with replacing(path, binary=True) as stream:
            header = {"descr": "|u1", "fortran_order": False, "shape": images.shape}
            np.lib.format.write_array_header_1_0(stream, header)
            for start in range(0, len(images), _AT_ONCE):
                squares = images[start : start + _AT_ONCE]
                found = torch.from_numpy(segmenter.of_squares(squares))
                view, _ = cropper(torch.from_numpy(squares), found)
                stream.write(view.round().to(torch.uint8).permute(0, 2, 3, 1).numpy().tobytes())
                if progress is not None:
                    progress(start + len(squares), len(images))
    array: NDArray[np.uint8] = np.load(path, mmap_mode="c")
    return array, own_key


def segmentation_folder(crop: CropSettings) -> Path | None:
    """Return the folder of a recipe's segmentation model, None for the one in the package."""
    return None if crop.segmentation == "default" else Path(crop.segmentation)

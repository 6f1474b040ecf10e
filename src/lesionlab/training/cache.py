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

from lesionlab.cpu import available_cores
from lesionlab.data import ImageRecord, Manifest
from lesionlab.errors import DataError, ImageError
from lesionlab.files import cache_folder, replacing, sha256_of_json
from lesionlab.images import Preprocessing, decode_image, read_image_bytes
from lesionlab.recipes import CropSettings, Recipe
from lesionlab.segmentation import Segmenter
from lesionlab.training.crop import CropToLesion

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
    path = _path_of(image_cache_key(manifest, preprocessing))
    if not path.exists():
        _build(path, manifest, preprocessing, progress)
    return _opened(path)


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


def _path_of(key: str) -> Path:
    return cache_folder() / "images" / f"{key}.npy"


def _opened(path: Path) -> NDArray[np.uint8]:
    # torch wants a writable array behind a tensor; copy-on-write keeps the file as it is.
    array: NDArray[np.uint8] = np.load(path, mmap_mode="c")
    return array


def _build(
    path: Path,
    manifest: Manifest,
    preprocessing: Preprocessing,
    progress: Callable[[int, int], None] | None,
    seen: Callable[[NDArray[np.uint8]], NDArray[np.uint8]] | None = None,
    size: int | None = None,
) -> None:
    """Write the array; with `seen` what this returns for some pictures at a time, squares of `size` pixels."""
    side = size or preprocessing.size
    shape = (len(manifest), side, side, 3)
    logger.info("decoding %d images once, at %d pixels (%.1f GB)", shape[0], side, np.prod(shape) / 1e9)

    def decode(record: ImageRecord) -> NDArray[np.uint8] | str:
        try:
            data = read_image_bytes(manifest.location(record))
            return preprocessing.apply(decode_image(data, at_least=preprocessing.decode_size).image)
        except ImageError as error:
            return f"{record.path}: {error}"

    _remove_leftovers(path)
    records, failures = list(manifest), list[str]()
    # Written in order through a file and not through a mapping: on a full disk a mapping dies with SIGBUS.
    with replacing(path, binary=True) as stream, ThreadPoolExecutor() as pool:
        np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": shape})
        for start in range(0, len(records), _AT_ONCE):
            pictures: list[NDArray[np.uint8]] = []
            for done, result in enumerate(pool.map(decode, records[start : start + _AT_ONCE]), start=start + 1):
                if isinstance(result, str):
                    failures.append(result)
                else:
                    pictures.append(result)
                if progress is not None:
                    progress(done, len(records))
            if not failures:
                some = np.stack(pictures)
                stream.write((some if seen is None else seen(some)).tobytes())
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


def open_seen_images(
    manifest: Manifest, recipe: Recipe, progress: Callable[[int, int], None] | None = None
) -> tuple[NDArray[np.uint8], str]:
    """Return what a recipe's network sees of a manifest's images, made on the first call, and what tells this array.

    That is the picture as it is, or the square around the lesion.

    Args:
        manifest: The images, in the order of the rows to return.
        recipe: Its tables `input` and `crop` count.
        progress: Called with the number of images done and the number in all.

    Returns:
        uint8 [images, size, size, 3] and the key.

    Raises:
        DataError: At least one image cannot be decoded.
        BundleError: There is no such segmentation model.
        LesionlabError: The cache cannot be written.
    """
    preprocessing = Preprocessing(**recipe.picture.model_dump())
    key = image_cache_key(manifest, preprocessing)
    if not recipe.crop.segmentation:
        return open_image_cache(manifest, preprocessing, progress), key
    segmenter = Segmenter.load(segmentation_folder(recipe.crop), threads=available_cores())
    info, size = segmenter.info, recipe.input.size
    key = sha256_of_json([_VERSION, key, info.graph_sha256, info.threshold, recipe.crop.margin, size])[:24]
    path = _path_of(key)
    if not path.exists():
        cropper = CropToLesion(size, info.threshold, recipe.crop.margin)

        def squares(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
            view, _ = cropper(torch.from_numpy(pictures), torch.from_numpy(segmenter.segment_squares(pictures)))
            cropped: NDArray[np.uint8] = view.round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
            return cropped

        _build(path, manifest, preprocessing, progress, squares, size)
    return _opened(path), key


def segmentation_folder(crop: CropSettings) -> Path | None:
    """Return the folder of a recipe's segmentation model, None for the one in the package."""
    return None if crop.segmentation == "default" else Path(crop.segmentation)

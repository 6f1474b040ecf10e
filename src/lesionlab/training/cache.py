"""The image cache: every image decoded once, at the training size, in one memory-mapped array.

Decoding and resizing a JPEG is a hundred times as expensive as reading its pixels back, and training reads each image
once per epoch. The array holds the result of `Preprocessing.apply`, so that training and inference use the same pixels.
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
from lesionlab.images import Preprocessing, load_image
from lesionlab.recipes import CropSettings, Recipe
from lesionlab.segmentation import Segmenter
from lesionlab.training.crop import CropToLesion

logger = logging.getLogger(__name__)

_ABANDONED_SECONDS = 600
_CHUNK = 32
_VERSION = 2  # increased when decoding changes, so that old arrays are not reused


def open_image_cache(
    manifest: Manifest, preprocessing: Preprocessing, progress: Callable[[int, int], None] | None = None
) -> NDArray[np.uint8]:
    """Return all images of a manifest as one read-only, memory-mapped array; the first call builds it.

    Args:
        manifest: The images, in the order of the returned rows.
        preprocessing: Size and filter; normalisation is not applied.
        progress: Called with the number of images done and their total.

    Returns:
        uint8 [images, size, size, 3].

    Raises:
        DataError: At least one image cannot be decoded; the message lists them.
        LesionlabError: The cache cannot be written.
    """
    path = _cache_path(image_cache_key(manifest, preprocessing))
    if not path.exists():
        _build(path, manifest, preprocessing, progress)
    return _map_array(path)


def image_cache_key(manifest: Manifest, preprocessing: Preprocessing) -> str:
    """Return the cache key, a hash of the images' metadata, files and size."""
    files = [_signature(manifest.location(record)) for record in manifest]
    shape = {"size": preprocessing.size, "interpolation": preprocessing.interpolation}
    if preprocessing.through:
        shape["through"] = preprocessing.through
    return sha256_of_json([_VERSION, manifest.sha256, shape, files])[:24]


def _signature(location: str) -> list[int | str]:
    # Size and modification time reveal a replaced file or archive without reading it.
    archive, _, member = location.partition("::")
    try:
        status = Path(archive).stat()
    except OSError:
        return [location, "missing"]
    return [status.st_size, status.st_mtime_ns, member]


def _cache_path(key: str) -> Path:
    return cache_folder() / "images" / f"{key}.npy"


def _map_array(path: Path) -> NDArray[np.uint8]:
    # torch requires a writable array; copy-on-write leaves the file unchanged.
    array: NDArray[np.uint8] = np.load(path, mmap_mode="c")
    return array


def _build(
    path: Path,
    manifest: Manifest,
    preprocessing: Preprocessing,
    progress: Callable[[int, int], None] | None,
    transform: Callable[[NDArray[np.uint8]], NDArray[np.uint8]] | None = None,
    size: int | None = None,
) -> None:
    """Write the array; `transform`, if given, maps chunks of images to squares of `size` pixels."""
    side = size or preprocessing.size
    shape = (len(manifest), side, side, 3)
    logger.info("decoding %d images once, at %d pixels (%.1f GB)", shape[0], side, np.prod(shape) / 1e9)

    def decode(record: ImageRecord) -> NDArray[np.uint8] | str:
        try:
            image = load_image(manifest.location(record), at_least=preprocessing.decode_size).image
            return preprocessing.apply(image)
        except ImageError as error:
            return f"{record.path}: {error}"

    _remove_leftovers(path)
    records, failures = list(manifest), list[str]()
    # Written as a file and not through a memory map: on a full disk the latter ends with SIGBUS.
    with replacing(path, binary=True) as stream, ThreadPoolExecutor() as pool:
        np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": shape})
        for start in range(0, len(records), _CHUNK):
            images: list[NDArray[np.uint8]] = []
            for done, result in enumerate(pool.map(decode, records[start : start + _CHUNK]), start=start + 1):
                if isinstance(result, str):
                    failures.append(result)
                else:
                    images.append(result)
                if progress is not None:
                    progress(done, len(records))
            if not failures:
                chunk = np.stack(images)
                stream.write((chunk if transform is None else transform(chunk)).tobytes())
        if failures:
            listed = "; ".join(failures[:5]) + (f"; and {len(failures) - 5} more" if len(failures) > 5 else "")
            raise DataError(
                f"{manifest.root}: {len(failures)} of {len(manifest)} images cannot be used: {listed}. "
                "`lesionlab data check` lists all; repair them or remove them from the metadata"
            )


def _remove_leftovers(path: Path) -> None:
    """Remove incomplete files of killed processes; they may be gigabytes large."""
    for leftover in path.parent.glob(f".{path.name}.*.part"):
        # A newer file may belong to a running process.
        if time.time() - leftover.stat().st_mtime > _ABANDONED_SECONDS:
            leftover.unlink(missing_ok=True)


def open_network_inputs(
    manifest: Manifest, recipe: Recipe, progress: Callable[[int, int], None] | None = None
) -> tuple[NDArray[np.uint8], str]:
    """Return the input pixels of a recipe's network and their cache key; the first call builds the array.

    The input is the whole image or the square around the lesion.

    Args:
        manifest: The images, in the order of the returned rows.
        recipe: Its tables `input` and `crop` are used.
        progress: Called with the number of images done and their total.

    Returns:
        uint8 [images, size, size, 3] and the key.

    Raises:
        DataError: At least one image cannot be decoded.
        BundleError: The segmentation model does not exist.
        LesionlabError: The cache cannot be written.
    """
    preprocessing = Preprocessing(**recipe.graph_input.model_dump())
    key = image_cache_key(manifest, preprocessing)
    if not recipe.crop.segmentation:
        return open_image_cache(manifest, preprocessing, progress), key
    segmenter = Segmenter.load(segmentation_folder(recipe.crop), threads=available_cores())
    info, size = segmenter.info, recipe.input.size
    key = sha256_of_json([_VERSION, key, info.graph_sha256, info.threshold, recipe.crop.margin, size])[:24]
    path = _cache_path(key)
    if not path.exists():
        cropper = CropToLesion(size, info.threshold, recipe.crop.margin)

        def crop(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
            view, _ = cropper(torch.from_numpy(images), torch.from_numpy(segmenter.segment_squares(images)))
            cropped: NDArray[np.uint8] = view.round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
            return cropped

        _build(path, manifest, preprocessing, progress, crop, size)
    return _map_array(path), key


def segmentation_folder(crop: CropSettings) -> Path | None:
    """Return the folder of a recipe's segmentation model, None for the one in the package."""
    return None if crop.segmentation == "default" else Path(crop.segmentation)

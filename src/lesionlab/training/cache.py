"""The image cache: every image decoded once, at the training size, in one memory-mapped array.

Decoding and resizing a JPEG is a hundred times as expensive as reading its pixels back, and training reads each image
once per epoch. The array holds the result of `Preprocessing.apply`, so that training and inference use the same pixels.
"""

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

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

_Signature: TypeAlias = list[int | str]

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
    files = _signatures(manifest)
    path = _cache_path(_key_of(manifest, preprocessing, files))
    if not path.exists():
        _build(path, manifest, files, preprocessing, progress)
    return _map_array(path)


def image_cache_key(manifest: Manifest, preprocessing: Preprocessing) -> str:
    """Return the cache key, a hash of the images' metadata, files and size."""
    return _key_of(manifest, preprocessing, _signatures(manifest))


def _key_of(manifest: Manifest, preprocessing: Preprocessing, files: list[_Signature]) -> str:
    shape = {"size": preprocessing.size, "interpolation": preprocessing.interpolation}
    if preprocessing.through:
        shape["through"] = preprocessing.through
    return sha256_of_json([_VERSION, manifest.sha256, shape, files])[:24]


def _signatures(manifest: Manifest) -> list[_Signature]:
    return [_signature(manifest.location(record)) for record in manifest]


def _signature(location: str) -> _Signature:
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
    try:
        array: NDArray[np.uint8] = np.load(path, mmap_mode="c")
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"the image cache {path} is damaged ({error}); remove this file, to decode again") from error
    return array


def _build(
    path: Path,
    manifest: Manifest,
    files: list[_Signature],
    preprocessing: Preprocessing,
    progress: Callable[[int, int], None] | None,
    transform: Callable[[NDArray[np.uint8]], NDArray[np.uint8]] | None = None,
    size: int | None = None,
) -> None:
    """Write the array; an image that is no longer that of `files` is an error.

    `transform`, if given, maps chunks of images to squares of `size` pixels.
    """
    side = size or preprocessing.size
    shape = (len(manifest), side, side, 3)
    logger.info("decoding %d images once, at %d pixels (%.1f GB)", shape[0], side, np.prod(shape) / 1e9)

    def decode(record: ImageRecord, expected: _Signature) -> NDArray[np.uint8] | str:
        location = manifest.location(record)
        try:
            image = load_image(location, at_least=preprocessing.decode_size).image
        except ImageError as error:
            return f"{record.path}: {error}"
        if _signature(location) != expected:  # the array would hold other pixels than its key states
            return f"{record.path}: the file has changed since the start; train again when it is complete"
        return preprocessing.apply(image)

    _remove_leftovers(path)
    records, failures = list(manifest), list[str]()
    # Written as a file and not through a memory map: on a full disk the latter ends with SIGBUS.
    with replacing(path, binary=True) as stream, ThreadPoolExecutor() as pool:
        np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": shape})
        for start in range(0, len(records), _CHUNK):
            chunk = slice(start, start + _CHUNK)
            images: list[NDArray[np.uint8]] = []
            for done, result in enumerate(pool.map(decode, records[chunk], files[chunk]), start=start + 1):
                if isinstance(result, str):
                    failures.append(result)
                else:
                    images.append(result)
                if progress is not None:
                    progress(done, len(records))
            if not failures:
                squares = np.stack(images)
                stream.write((squares if transform is None else transform(squares)).tobytes())
        if failures:
            listed = "; ".join(failures[:5]) + (f"; and {len(failures) - 5} more" if len(failures) > 5 else "")
            raise DataError(
                f"{manifest.root}: {len(failures)} of {len(manifest)} images cannot be used: {listed}. "
                "`lesionlab data check` lists all; repair them or remove them from the metadata"
            )


def _remove_leftovers(path: Path) -> None:
    """Remove incomplete files of killed processes; they may be gigabytes large."""
    for leftover in path.parent.glob(".*.part"):
        # A newer file may belong to a running process.
        with suppress(OSError):  # another process may remove it as well
            if time.time() - leftover.stat().st_mtime > _ABANDONED_SECONDS:
                leftover.unlink()


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
    files = _signatures(manifest)
    key = _key_of(manifest, preprocessing, files)
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

        _build(path, manifest, files, preprocessing, progress, crop, size)
    return _map_array(path), key


def segmentation_folder(crop: CropSettings) -> Path | None:
    """Return the folder of a recipe's segmentation model, None for the one in the package."""
    return None if crop.segmentation == "default" else Path(crop.segmentation)

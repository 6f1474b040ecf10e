"""Perceptual hashes: copies of an image have similar hashes, also after resizing, compression, mirroring or rotation.

The hash consists of the signs of the lowest frequencies of a discrete cosine transform of the grey image (Zauner,
Implementation and benchmarking of perceptual image hash functions, 2010). Mirroring negates the odd frequencies, and
transposition exchanges the axes, so that the hash of a mirrored or rotated image follows from that of the image.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lesionlab.errors import ImageError
from lesionlab.images.source import load_image

BITS = 256
# Copies differ in up to 23 bits, and the nearest images of other lesions of HAM10000 rarely in fewer: see
# benchmarks/results/seen_images.json.
NEAR_COPY_LIMIT = 24
_SIDE = 16  # frequencies per axis
_CHUNK = 256
_LEAST_CONTRAST = 8  # grey values
_PIXELS = 64  # side of the grey image
_ODD = np.arange(_SIDE) % 2 == 1
_COSINES = np.cos(np.pi / (2 * _PIXELS) * np.outer(np.arange(_SIDE), 2 * np.arange(_PIXELS) + 1))


def perceptual_hash(image: Image.Image) -> NDArray[np.uint8]:
    """Return the hash of an upright image as 32 bytes, uint8 [32]; the aspect ratio has no influence."""
    grey = image.convert("L").resize((_PIXELS, _PIXELS), Image.Resampling.LANCZOS)
    bits = _COSINES @ np.asarray(grey, dtype=np.float64) @ _COSINES.T > 0
    bits[0, 0] = False  # the mean, which is positive for every image
    return np.packbits(bits)


def pixel_hash(image: Image.Image) -> str:
    """Return the SHA-256 of the size and the pixels of an upright RGB image; files of any format may share it."""
    return hashlib.sha256(f"{image.size}".encode() + image.tobytes()).hexdigest()


def hash_images(
    locations: Iterable[str], progress: Callable[[int], None] | None = None, workers: int | None = None
) -> NDArray[np.uint8]:
    """Return the hashes of image files, uint8 [N, 32].

    Args:
        locations: See `lesionlab.images.read_image_bytes`.
        progress: Called with the number of images done.
        workers: Number of threads; default: chosen by Python.

    Raises:
        ImageError: An image cannot be read.
    """

    def of_file(location: str) -> NDArray[np.uint8]:
        try:
            return perceptual_hash(load_image(location, at_least=(_PIXELS, _PIXELS)).image)
        except ImageError as error:
            raise ImageError(f"{location}: {error}") from error

    hashes = []
    with ThreadPoolExecutor(workers) as pool:
        for found in pool.map(of_file, locations):
            hashes.append(found)
            if progress is not None:
                progress(len(hashes))
    return np.array(hashes, dtype=np.uint8).reshape(len(hashes), BITS // 8)


def distances(a: NDArray[np.uint8], b: NDArray[np.uint8], *, oriented: bool = True) -> NDArray[np.float32]:
    """Return the number of differing bits of each pair, float32 [N, M].

    Args:
        a: Hashes, uint8 [N, 32].
        b: Hashes, uint8 [M, 32].
        oriented: Whether to return the lowest number over the eight orientations of the images of `a`.
    """
    of_a = np.unpackbits(a, axis=1).reshape(-1, _SIDE, _SIDE).astype(np.bool_)
    of_b = _signs(np.unpackbits(b, axis=1).astype(np.bool_)).T
    best = np.full((len(a), len(b)), -BITS, dtype=np.float32)
    for turned in (of_a, of_a.transpose(0, 2, 1)) if oriented else (of_a,):
        for upset in (False, True) if oriented else (False,):
            for mirrored in (False, True) if oriented else (False,):
                bits = turned ^ (upset & _ODD)[:, None] ^ (mirrored & _ODD)
                np.maximum(best, _signs(bits.reshape(len(a), BITS)) @ of_b, out=best)
    return (np.float32(BITS) - best) / np.float32(2)


def has_structure(image: Image.Image) -> bool:
    """Return whether an image has contrast; the perceptual hash of a plain one is arbitrary."""
    low, high = image.convert("L").reduce(max(1, min(image.size) // _PIXELS)).getextrema()
    return float(high) - float(low) > _LEAST_CONTRAST  # type: ignore[arg-type]


def near_copies(hashes: NDArray[np.uint8], limit: int = NEAR_COPY_LIMIT) -> Iterator[tuple[int, int, int]]:
    """Yield the positions i < j of images whose hashes differ in at most `limit` bits, with the number of bits.

    Args:
        hashes: Hashes, uint8 [N, 32].
        limit: Largest number of differing bits, over the eight orientations.
    """
    for first in range(0, len(hashes), _CHUNK):
        near = distances(hashes[first : first + _CHUNK], hashes[first:])
        for i, j in np.argwhere(near <= limit):
            if j > i:
                yield first + int(i), first + int(j), int(near[i, j])


def _signs(bits: NDArray[np.bool_]) -> NDArray[np.float32]:
    return np.where(bits, np.float32(1), np.float32(-1))

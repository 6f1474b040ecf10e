"""Index of the images that a model was fitted to (`seen_images.npz`), and the search for them in a dataset.

It holds truncated SHA-256 hashes of the identifiers and perceptual hashes of the training and validation images, but no
identifiers and no pixels.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lesionlab.base_models import StrictModel
from lesionlab.bundle.npz import npz_bytes, read_npz
from lesionlab.images.perceptual_hash import BITS, distances, hash_images

if TYPE_CHECKING:  # a prediction needs no datasets
    from lesionlab.data import ImageRecord, Manifest

# Copies of HAM10000's training images (JPEG down to quality 50 or 112 pixels a side, mirrored, rotated) differ in up to
# 23 bits; see benchmarks/seen_images.py.
HIGHEST_LIMIT = 24
_LOWEST_LIMIT = 8
_FALSE_POSITIVES = 0.001  # accepted share of the training images
_SAMPLE = 2000
_CHUNK = 256
# Identifiers such as `img_001` may coincide by chance. Unrelated images are this close in 1% of the pairs.
_UNRELATED = 0.01
_COINCIDENTAL = 0.25
_FEW = 10

Progress = Callable[[int, int], None]


class SeenCounts(StrictModel):
    """Number of images of a dataset that the model was fitted to.

    Attributes:
        images: Number of images of lesions with at least one recognised image.
        lesions: Number of these lesions.
        by_identifier: Number of images with the identifier of a training or validation image or of its lesion.
        by_pixels: Number of images with the perceptual hash of a training or validation image.
        kept: Whether they are part of the evaluation. All figures are then too optimistic.
    """

    images: int
    lesions: int
    by_identifier: int
    by_pixels: int
    kept: bool = False


@dataclass(frozen=True, eq=False)
class SeenImages:
    """The training and validation images.

    Attributes:
        image_id: Hashes of the identifiers of the images, uint64 [N].
        lesion_id: Hashes of the identifiers of the lesions, uint64 [L].
        pixels: Perceptual hashes of the images, uint8 [N, 32].
        limit: Largest number of differing bits of two images that count as copies.
        unrelated: Number of differing bits that 99% of the pairs of images of different lesions exceed.
    """

    image_id: NDArray[np.uint64]
    lesion_id: NDArray[np.uint64]
    pixels: NDArray[np.uint8]
    limit: int
    unrelated: int

    def __len__(self) -> int:
        return len(self.image_id)

    @classmethod
    def of(cls, images: "Sequence[Manifest]", salt: str, progress: Progress | None = None) -> "SeenImages":
        """Return the index of the images of some subsets.

        The limit is the largest up to `HIGHEST_LIMIT` that confuses at most one training image in 1,000 with an image
        of another lesion.

        Args:
            images: The subsets that the model was fitted to.
            salt: Hash of the training dataset's manifest.
            progress: Called with the number of images done and the total.

        Raises:
            ImageError: An image cannot be read.
        """
        # Oversampled copies of an image have the same file.
        located = {subset.location(record): record for subset in images for record in subset}
        records = list(located.values())
        pixels = hash_images(located, None if progress is None else lambda done: progress(done, len(located)))
        limit, unrelated = _fit_limits(pixels, [record.lesion_id for record in records])
        return cls(
            _hashed(salt, "image", [record.image_id for record in records]),
            np.unique(_hashed(salt, "lesion", [record.lesion_id for record in records])),
            pixels,
            limit,
            unrelated,
        )

    def to_bytes(self) -> bytes:
        """Return the file; the same content is the same bytes."""
        return npz_bytes({field.name: np.asarray(getattr(self, field.name)) for field in fields(self)})

    @classmethod
    def from_bytes(cls, data: bytes) -> "SeenImages":
        """Read the file.

        Raises:
            ValueError: It is not what `to_bytes` writes; the message holds the reason.
        """
        arrays = read_npz(data)
        for field in fields(cls):
            if field.name not in arrays:
                raise ValueError(f"it lacks {field.name}")
        pixels = arrays["pixels"]
        if pixels.ndim != 2:
            raise ValueError("its array pixels has another type or shape")
        for name, kind, shape in (
            ("image_id", np.uint64, (len(pixels),)),
            ("lesion_id", np.uint64, (arrays["lesion_id"].size,)),
            ("pixels", np.uint8, (len(pixels), BITS // 8)),
            ("limit", np.int64, ()),
            ("unrelated", np.int64, ()),
        ):
            if arrays[name].dtype != kind or arrays[name].shape != shape:
                raise ValueError(f"its array {name} has another type or shape")
        return cls(arrays["image_id"], arrays["lesion_id"], pixels, int(arrays["limit"]), int(arrays["unrelated"]))

    def find(
        self, manifest: "Manifest", salt: str, *, identifiers: bool = True, progress: Progress | None = None
    ) -> "tuple[list[ImageRecord], SeenCounts]":
        """Return the images of a dataset that the model was fitted to, with all images of their lesions.

        Args:
            manifest: The images.
            salt: The salt of the index.
            identifiers: Whether to compare identifiers. They count unless at least ten image identifiers match and
                fewer than a quarter of these images resemble the training image of the same identifier.
            progress: Called with the number of images done and the total.

        Raises:
            ImageError: An image cannot be read.
        """
        records = manifest.records
        located = [manifest.location(record) for record in records]
        pixels = hash_images(located, None if progress is None else lambda done: progress(done, len(located)))
        by_pixels = np.array([near.min() <= self.limit for near in _rows(pixels, self.pixels)])
        by_identifier = (
            self._by_identifier(records, pixels, by_pixels, salt) if identifiers else np.zeros_like(by_pixels)
        )
        lesions = {r.lesion_id for r, known in zip(records, by_pixels | by_identifier, strict=True) if known}
        found = [record for record in records if record.lesion_id in lesions]
        return found, SeenCounts(
            images=len(found),
            lesions=len(lesions),
            by_identifier=int(by_identifier.sum()),
            by_pixels=int(by_pixels.sum()),
        )

    def _by_identifier(
        self, records: "Sequence[ImageRecord]", pixels: NDArray[np.uint8], by_pixels: NDArray[np.bool_], salt: str
    ) -> NDArray[np.bool_]:
        image_id = _hashed(salt, "image", [record.image_id for record in records])
        lesion_id = _hashed(salt, "lesion", [record.lesion_id for record in records])
        _, here, there = np.intersect1d(image_id, self.image_id, return_indices=True)
        differing = np.bitwise_count(pixels[here] ^ self.pixels[there]).sum(axis=1)
        similar = by_pixels[here] | (differing <= self.unrelated)
        if len(here) >= _FEW and similar.mean() < _COINCIDENTAL:
            return np.zeros(len(records), dtype=np.bool_)
        return np.isin(image_id, self.image_id) | np.isin(lesion_id, self.lesion_id)


def _hashed(salt: str, kind: str, identifiers: Iterable[str]) -> NDArray[np.uint64]:
    digests = [hashlib.sha256(f"{salt}:{kind}:{text}".encode()).digest()[:8] for text in identifiers]
    return np.frombuffer(b"".join(digests), dtype=">u8").astype(np.uint64)


def _rows(pixels: NDArray[np.uint8], others: NDArray[np.uint8]) -> Iterable[NDArray[np.float32]]:
    for first in range(0, len(pixels), _CHUNK):
        yield from distances(pixels[first : first + _CHUNK], others)


def _fit_limits(pixels: NDArray[np.uint8], lesion_ids: Sequence[str]) -> tuple[int, int]:
    """Return the largest distance of copies, and the lower percentile of the distances of other lesions."""
    lesions = np.unique(np.asarray(lesion_ids, dtype=np.str_), return_inverse=True)[1]
    sample = np.random.default_rng(0).permutation(len(pixels))[:_SAMPLE]
    nearest = [
        np.where(lesions == lesions[row], BITS, near).min()
        for row, near in zip(sample, _rows(pixels[sample], pixels), strict=True)
    ]
    limit = np.clip(np.quantile(nearest, _FALSE_POSITIVES, method="lower") - 1, _LOWEST_LIMIT, HIGHEST_LIMIT)
    few = sample[:_CHUNK]
    pairs = distances(pixels[few], pixels, oriented=False)[lesions[few][:, None] != lesions]
    return int(limit), int(np.quantile(pairs, _UNRELATED)) if len(pairs) else HIGHEST_LIMIT

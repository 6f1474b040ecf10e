"""The nearest training images of an image in the feature space of the network."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from lesionlab.bundle import Bundle, FeatureSpace, TrainingImages
from lesionlab.bundle.features import coordinates
from lesionlab.errors import BundleError
from lesionlab.results import NearestImage
from lesionlab.taxonomy import label_name

COUNT: Final = 5
SIMILARITY_MEANING: Final = "1: equal features; 0: nothing in common"


class NearestImageIndex:
    """An index of the training images of a model.

    A training image finds itself with similarity 1. It is not left out, since the reader needs to know that the image
    was used in training.
    """

    def __init__(self, images: TrainingImages, space: FeatureSpace) -> None:
        """Index images whose coordinates belong to this feature space."""
        self._images = images
        self._space = FeatureSpace(space.mean, space.basis[: images.coordinates.shape[1]], space.limit)
        self._directions = _unit(images.coordinates.astype(np.float32))

    @classmethod
    def of(cls, bundle: Bundle) -> "NearestImageIndex | None":
        """Return the index of a bundle, None for a bundle without one.

        Raises:
            BundleError: It belongs to a feature space that the bundle does not describe.
        """
        if bundle.training_images is None:
            return None
        space = None if bundle.reference is None else bundle.reference.features
        if space is None or bundle.training_images.coordinates.shape[1] > len(space.basis):
            raise BundleError(
                f"{bundle.path}: training_images.npz does not fit its reference.npz; export the bundle again"
            )
        return cls(bundle.training_images, space)

    def nearest(self, features: np.ndarray, count: int = COUNT) -> tuple[NearestImage, ...]:
        """Return the lesions nearest to pooled features [D], the most similar first, each by its nearest image."""
        (direction,) = _unit(coordinates(self._space, features[None]))
        cosines = self._directions @ direction
        return tuple(
            self._nearest_image(row, float(cosines[row])) for row in self._one_of_each(np.argsort(-cosines), count)
        )

    def _one_of_each(self, rows: np.ndarray, count: int) -> Iterator[int]:
        """Yield, of images in their order, the first of each lesion."""
        seen: set[bytes] = set()
        for row in rows:
            if len(seen) == count:
                return
            lesion = self._images.lesion_id[row]
            if lesion not in seen:
                seen.add(lesion)
                yield row

    def _nearest_image(self, row: int, cosine: float) -> NearestImage:
        image, lesion, code = (
            texts[row].decode(errors="backslashreplace")
            for texts in (self._images.image_id, self._images.lesion_id, self._images.diagnosis)
        )
        return NearestImage(
            image_id=image, lesion_id=lesion, code=code, name=label_name(code), similarity=min(1.0, max(0.0, cosine))
        )


def _unit(points: np.ndarray) -> np.ndarray:
    """Return points [N, K] at distance 1 from the origin; one that lies on it stays there."""
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    return np.asarray(points / np.where(lengths > 0, lengths, 1))

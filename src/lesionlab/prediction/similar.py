"""The training cases that are most like an image to the network: facts beside an answer, never a second one."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from lesionlab.bundle import Bundle, Cases, FeatureSpace
from lesionlab.errors import BundleError
from lesionlab.prediction.refusal import roots
from lesionlab.taxonomy import label_name

COUNT: Final = 5
SIMILARITY_MEANING: Final = "1: the network sees the same in both; 0: nothing in common"


@dataclass(frozen=True, slots=True)
class SimilarCase:
    """A training image that is like the one that was judged.

    Attributes:
        image_id: Its identifier in the dataset.
        lesion_id: Identifier of the lesion that it shows.
        diagnosis: Code of what the dataset says that the lesion is.
        name: The same in words.
        similarity: Cosine of the angle between the two images' features as seen from the mean of the training images,
            negative ones as 0. 1: the network sees the same in both; 0: nothing in common.
    """

    image_id: str
    lesion_id: str
    diagnosis: str
    name: str
    similarity: float


class TrainingCases:
    """The training images of a model, to be searched for those that are like another image.

    A picture that the model was trained on finds itself, at similarity 1: that it was among the training images is what
    a reader of its answer has to know, so that it is not left out.
    """

    def __init__(self, cases: Cases, space: FeatureSpace) -> None:
        """Search these cases, whose coordinates belong to this space."""
        self._cases = cases
        self._space = FeatureSpace(space.mean, space.basis[: cases.coordinates.shape[1]], space.limit)
        self._directions = _unit(cases.coordinates.astype(np.float32))

    @classmethod
    def of(cls, bundle: Bundle) -> "TrainingCases | None":
        """Return the cases of a bundle, None where it has none.

        Raises:
            BundleError: They lie in a space that the bundle does not describe.
        """
        if bundle.cases is None:
            return None
        space = None if bundle.reference is None else bundle.reference.features
        if space is None or bundle.cases.coordinates.shape[1] > len(space.basis):
            raise BundleError(f"{bundle.path}: cases.npz does not fit its reference.npz; export the bundle again")
        return cls(bundle.cases, space)

    def nearest(self, features: np.ndarray, count: int = COUNT) -> tuple[SimilarCase, ...]:
        """Return the training lesions that are most like an image, the most similar first, each by its nearest image.

        Args:
            features: Pooled features [D] of the image.
            count: Number of lesions; fewer come back where there are fewer.
        """
        (direction,) = _unit(coordinates(self._space, features[None]))
        cosines = self._directions @ direction
        return tuple(self._case(row, float(cosines[row])) for row in self._one_of_each(np.argsort(-cosines), count))

    def _one_of_each(self, rows: np.ndarray, count: int) -> Iterator[int]:
        """Yield, of images in their order, the first of each lesion."""
        seen: set[bytes] = set()
        for row in rows:
            if len(seen) == count:
                return
            lesion = self._cases.lesion_id[row]
            if lesion not in seen:
                seen.add(lesion)
                yield row

    def _case(self, row: int, cosine: float) -> SimilarCase:
        image, lesion, diagnosis = (
            texts[row].decode(errors="backslashreplace")
            for texts in (self._cases.image_id, self._cases.lesion_id, self._cases.diagnosis)
        )
        return SimilarCase(image, lesion, diagnosis, label_name(diagnosis), min(1.0, max(0.0, cosine)))


def coordinates(space: FeatureSpace, features: np.ndarray) -> np.ndarray:
    """Return where features [N, D] lie along the principal directions of the training images' features, [N, K]."""
    return np.asarray((roots(features) - space.mean.astype(np.float32)) @ space.basis.astype(np.float32).T)


def _unit(points: np.ndarray) -> np.ndarray:
    """Return points [N, K] at distance 1 from the origin; one that lies on it stays there."""
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    return np.asarray(points / np.where(lengths > 0, lengths, 1))

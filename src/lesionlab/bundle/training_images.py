"""Index of the training images (`training_images.npz`), for the nearest training images of a prediction.

It holds the dataset's identifiers and coordinates in the feature space, but no pixels.
"""

from dataclasses import dataclass, fields

import numpy as np

from lesionlab.bundle.npz import npz_bytes, read_npz
from lesionlab.taxonomy import LABELS


@dataclass(frozen=True, eq=False)
class TrainingImages:
    """The training images, one row each. Text is fixed-width UTF-8, so that no pickle is needed.

    Attributes:
        coordinates: Along the first K of `FeatureSpace.basis`, from its mean, float16 [N, K].
        image_id: Identifiers of the images, bytes [N].
        lesion_id: Identifiers of their lesions, bytes [N].
        diagnosis: Codes of the dataset's diagnoses, which may be finer than the classes of the model, bytes [N].
    """

    coordinates: np.ndarray
    image_id: np.ndarray
    lesion_id: np.ndarray
    diagnosis: np.ndarray

    def __len__(self) -> int:
        return len(self.coordinates)

    @property
    def lesion_count(self) -> int:
        """Number of lesions."""
        return len(np.unique(self.lesion_id))

    def to_bytes(self) -> bytes:
        """Return the file; the same content is the same bytes."""
        return npz_bytes({name: getattr(self, name) for name in _ARRAYS})

    @classmethod
    def from_bytes(cls, data: bytes) -> "TrainingImages":
        """Read the file.

        Raises:
            ValueError: It is not what `to_bytes` writes; the message holds the reason.
        """
        arrays = read_npz(data)
        for name in _ARRAYS:
            if name not in arrays:
                raise ValueError(f"it lacks {name}")
        coordinates, *texts = (arrays[name] for name in _ARRAYS)
        if coordinates.dtype != np.float16 or coordinates.ndim != 2 or not np.isfinite(coordinates).all():
            raise ValueError("its array coordinates does not hold rows of finite 16-bit numbers")
        for name, text in zip(_ARRAYS[1:], texts, strict=True):
            if text.dtype.kind != "S" or text.shape != coordinates.shape[:1]:
                raise ValueError(f"its array {name} does not hold a text for each of {len(coordinates)} images")
        if unknown := {code.decode(errors="replace") for code in set(arrays["diagnosis"].tolist())} - set(LABELS):
            raise ValueError(f"its diagnosis {min(unknown)!r} is none of {', '.join(LABELS)}")
        return cls(coordinates, *texts)


_ARRAYS = tuple(field.name for field in fields(TrainingImages))

"""The training images that a bundle names beside its answers."""

from collections.abc import Sequence

import numpy as np

from lesionlab.bundle import FeatureSpace, TrainingImages
from lesionlab.bundle.features import coordinates
from lesionlab.data import ImageRecord

# Of `FeatureSpace.basis`; benchmarks/similar_cases.py compares other numbers, and Euclidean distances.
DIRECTIONS = 64


def index_training_images(records: Sequence[ImageRecord], features: np.ndarray, space: FeatureSpace) -> TrainingImages:
    """Return where training images lie in the feature space.

    Args:
        records: The images.
        features: Their pooled features, [N, D].
        space: The space that is stored in the same bundle.
    """
    return TrainingImages(
        coordinates(space, features)[:, :DIRECTIONS].astype(np.float16),
        _texts([record.image_id for record in records]),
        _texts([record.lesion_id for record in records]),
        _texts([record.diagnosis for record in records]),
    )


def _texts(texts: Sequence[str]) -> np.ndarray:
    return np.array([text.encode() for text in texts])

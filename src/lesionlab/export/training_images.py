"""Index of the training images for the search of nearest images."""

from collections.abc import Sequence

import numpy as np

from lesionlab.bundle import FeatureSpace, TrainingImages
from lesionlab.bundle.features import coordinates
from lesionlab.data import ImageRecord

# Number of directions of `FeatureSpace.basis`; benchmarks/nearest_images.py compares others, and Euclidean distance.
DIRECTIONS = 64


def index_training_images(records: Sequence[ImageRecord], features: np.ndarray, space: FeatureSpace) -> TrainingImages:
    """Return the index of training images: their coordinates in the feature space.

    Args:
        records: The images.
        features: Pooled features, [N, D].
        space: Feature space of the same bundle.
    """
    limit = np.finfo(np.float16).max
    return TrainingImages(
        np.clip(coordinates(space, features)[:, :DIRECTIONS], -limit, limit).astype(np.float16),
        _encoded([record.image_id for record in records]),
        _encoded([record.lesion_id for record in records]),
        _encoded([record.diagnosis for record in records]),
    )


def _encoded(texts: Sequence[str]) -> np.ndarray:
    return np.array([text.encode() for text in texts])

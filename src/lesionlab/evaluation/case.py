"""What was evaluated: the images of one part, what they show, and what the model said of them."""

from dataclasses import dataclass

import numpy as np

from lesionlab.data.manifest import ImageRecord
from lesionlab.metrics import MetricsSummary


@dataclass(frozen=True)
class EvaluatedPart:
    """The images of one part of a dataset with the model's answers and the metrics computed from them.

    Attributes:
        records: One per image.
        labels: int [images], index of the actual diagnosis in `lesionlab.taxonomy.CODES`.
        probabilities: float [images, 7], calibrated, columns in the order of `CODES`.
        locations: Where each image is, as `lesionlab.images.read_image_bytes` takes it.
        summary: Metrics of all images with their intervals.
    """

    records: tuple[ImageRecord, ...]
    labels: np.ndarray
    probabilities: np.ndarray
    locations: tuple[str, ...]
    summary: MetricsSummary

    @property
    def predicted(self) -> np.ndarray:
        """Index of the most probable diagnosis of each image, int [images]."""
        return np.asarray(np.argmax(self.probabilities, axis=1))

    @property
    def confidence(self) -> np.ndarray:
        """Probability of the most probable diagnosis of each image, float [images]."""
        return np.asarray(np.max(self.probabilities, axis=1))

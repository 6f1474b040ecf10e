"""What was evaluated: the images of one part, what they show, and what the model said of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from lesionlab.data.manifest import ImageRecord
from lesionlab.metrics import Estimate, MetricsSummary, evaluate_predictions
from lesionlab.results import Explanation
from lesionlab.taxonomy import DIAGNOSIS, Task

_UNDEFINED = Estimate(value=None, low=None, high=None)


@dataclass(frozen=True)
class EvaluatedSubset:
    """The images of one part of a dataset with the model's answers and the metrics computed from them.

    Attributes:
        records: One per image.
        labels: int [images], index of the actual class in the task's classes.
        probabilities: float [images, C], calibrated, columns in the order of the task's C classes.
        locations: Where each image is, as `lesionlab.images.read_image_bytes` takes it.
        predicted: Index of the class that the model answered for each image, int [images].
        summary: Metrics of all images with their intervals.
        task: What the model tells apart.
        maps: Where the answers to some images come from, by the image's place among the records.
    """

    records: tuple[ImageRecord, ...]
    labels: np.ndarray
    probabilities: np.ndarray
    locations: tuple[str, ...]
    predicted: np.ndarray
    summary: MetricsSummary
    task: Task = DIAGNOSIS
    maps: Mapping[int, Explanation] = field(default_factory=dict)

    @property
    def confidence(self) -> np.ndarray:
        """Probability of the class that the model answered for each image, float [images]."""
        return np.asarray(np.take_along_axis(self.probabilities, self.predicted[:, None], axis=1)[:, 0])

    @property
    def sought(self) -> np.ndarray:
        """Whether each class is one that is looked for (malignant, or melanoma), bool [C]."""
        return np.array([code in self.task.malignant for code in self.task.classes])


def measure(
    labels: np.ndarray,
    probabilities: np.ndarray,
    lesion_ids: Sequence[str],
    task: Task,
    *,
    predicted: np.ndarray | None = None,
    resamples: int,
    seed: int = 0,
) -> MetricsSummary:
    """Return the metrics of a task; those of malignancy are undefined where the task does not tell it.

    Args:
        labels: int [images], index of the actual class.
        probabilities: float [images, C] for the task's C classes.
        lesion_ids: Lesion of each image.
        task: What the model tells apart.
        predicted: int [images], index of the class that was answered; None for the most probable one.
        resamples: Bootstrap resamples behind the intervals.
        seed: Seed of the resamples.
    """
    summary = evaluate_predictions(
        labels,
        probabilities,
        lesion_ids,
        predicted=predicted,
        codes=task.classes,
        malignant=task.malignant,
        resamples=resamples,
        seed=seed,
    )
    if task.tells_malignancy:
        return summary
    overall = {name: _UNDEFINED if name.startswith("malignant_") else e for name, e in summary.overall.items()}
    return summary.model_copy(update={"overall": overall})


def of_sought(summary: MetricsSummary, task: Task, metric: str) -> Estimate:
    """Return how well what is looked for is told from the rest.

    Args:
        summary: Metrics of a task.
        task: The task.
        metric: `recall`, `specificity`, `precision` or `auc`; for a task of two classes any metric by class.
    """
    return summary.per_class[task.classes[1]][metric] if task.binary else summary.overall[f"malignant_{metric}"]

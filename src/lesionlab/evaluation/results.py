"""The images of an evaluated subset with labels, predictions and metrics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from lesionlab.data.manifest import ImageRecord
from lesionlab.metrics import Estimate, MetricsSummary, evaluate_predictions
from lesionlab.results import Explanation, Prediction
from lesionlab.taxonomy import DIAGNOSIS, Target, Task

_UNDEFINED = Estimate(value=None, low=None, high=None)


@dataclass(frozen=True)
class EvaluatedSubset:
    """The images of a subset with the model's predictions and their metrics.

    Abstentions are counted in the metrics: every image has probabilities and a predicted class.

    Attributes:
        records: Metadata of each image.
        labels: Index of the true class in the task's classes, int [N].
        probabilities: Calibrated probabilities in the order of the task's classes, float [N, C].
        locations: Location of each image, as `lesionlab.images.read_image_bytes` takes it.
        predicted: Index of the predicted class by the decision rule, int [N].
        summary: Metrics of all images with intervals.
        task: The task.
        target_scores: Probability of each target by the model's own classes, float [N], where the task does not have
            all of them; empty where it is the sum over the task's classes.
        predictions: Prediction for each image; empty for an evaluation that was read from files.
        maps: Explanations of some predictions, by index of the image.
    """

    records: tuple[ImageRecord, ...]
    labels: np.ndarray
    probabilities: np.ndarray
    locations: tuple[str, ...]
    predicted: np.ndarray
    summary: MetricsSummary
    task: Task = DIAGNOSIS
    target_scores: Mapping[Target, np.ndarray] = field(default_factory=dict)
    predictions: tuple[Prediction, ...] = ()
    maps: Mapping[int, Explanation] = field(default_factory=dict)

    @property
    def confidence(self) -> np.ndarray:
        """Probability of the predicted class of each image, float [N]."""
        return np.asarray(np.take_along_axis(self.probabilities, self.predicted[:, None], axis=1)[:, 0])

    @property
    def is_target(self) -> np.ndarray:
        """Whether each class belongs to the target (malignant, or melanoma), bool [C]."""
        return np.array([code in self.task.malignant for code in self.task.classes])

    @property
    def lesion_ids(self) -> list[str]:
        """Lesion of each image."""
        return [record.lesion_id for record in self.records]

    @property
    def n_abstained(self) -> int | None:
        """Number of abstentions; None for an evaluation that was read from files."""
        return sum(prediction.abstained for prediction in self.predictions) if self.predictions else None


def measure(
    labels: np.ndarray,
    probabilities: np.ndarray,
    lesion_ids: Sequence[str],
    task: Task,
    *,
    predicted: np.ndarray | None = None,
    target_scores: Mapping[Target, np.ndarray] | None = None,
    resamples: int,
    seed: int = 0,
) -> MetricsSummary:
    """Return the metrics of a task. Those of malignancy are undefined for a task that cannot tell it.

    Args:
        labels: Index of the true class, int [N].
        probabilities: In the order of the task's classes, float [N, C].
        lesion_ids: Lesion of each image.
        task: The task.
        predicted: Index of the predicted class, int [N]; None for the most probable one.
        target_scores: As in `EvaluatedSubset`.
        resamples: Bootstrap resamples behind the intervals.
        seed: Seed of the resamples.
    """
    summary = evaluate_predictions(
        labels,
        probabilities,
        lesion_ids,
        predicted=predicted,
        target_scores=target_scores,
        codes=task.classes,
        malignant=task.malignant,
        resamples=resamples,
        seed=seed,
    )
    if task.tells_malignancy:
        return summary
    overall = {name: _UNDEFINED if name.startswith("malignant_") else e for name, e in summary.overall.items()}
    return summary.model_copy(update={"overall": overall})


def target_metric(summary: MetricsSummary, task: Task, metric: str) -> Estimate:
    """Return a metric of the target against the rest.

    Args:
        summary: Metrics of a task.
        task: The task.
        metric: `recall`, `specificity`, `precision` or `auc`; for a binary task any metric by class.
    """
    return summary.per_class[task.classes[1]][metric] if task.binary else summary.overall[f"malignant_{metric}"]

"""The predictions of an evaluated model as a comparison reads them, and their view as those of another task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from lesionlab.base_models import StrictModel
from lesionlab.bundle import DecisionRule
from lesionlab.evaluation.label_mapping import require_view, target_scores, viewed_rule
from lesionlab.metrics.arrays import BoolArray, FloatArray, IntArray
from lesionlab.taxonomy import Target, Task


class EvaluatedModel(StrictModel):
    """Description of a model by its evaluation; None for unknown values.

    Attributes:
        name: Name and hash of the model, or the folder.
        predictions: File of the predictions.
        task: Name of the task.
        leaky: Whether images of one lesion may be on both sides of its split.
        unseen: Whether none of the lesions was used to fit, stop or calibrate it.
        split_sha256: Hash of its split.
    """

    name: str
    predictions: str
    task: str
    leaky: bool | None
    unseen: bool | None
    split_sha256: str | None


@dataclass(frozen=True)
class Predictions:
    """The content of a `predictions.csv`, sorted by image id, with its model.

    Attributes:
        model: The model.
        task: Its task.
        image_ids: Identifier of each image.
        lesion_ids: Lesion of each image.
        diagnoses: Label of each image, which determines the class.
        predicted: Index of the predicted class in the task's classes, int [N].
        probabilities: float [N, C].
        confidence: Score of the predicted class in the decision rule, [N]; None if the file has none.
        sets: Class-conditional conformal sets as a mask, bool [N, C]; None if the file has none.
        thresholds: By target, then by the sensitivity that the threshold was chosen for.
        rule: The decision rule; None if the file does not tell it.
        target_scores: Probability of each target, [N], where it is not the sum over its classes.
    """

    model: EvaluatedModel
    task: Task
    image_ids: tuple[str, ...]
    lesion_ids: tuple[str, ...]
    diagnoses: tuple[str, ...]
    predicted: IntArray
    probabilities: FloatArray
    confidence: FloatArray | None = None
    sets: BoolArray | None = None
    thresholds: Mapping[str, Mapping[float, float]] = field(default_factory=dict)
    rule: DecisionRule | None = None
    target_scores: Mapping[Target, FloatArray] = field(default_factory=dict)

    @cached_property
    def labels(self) -> IntArray:
        """Index of the true class in the task's classes, int [N]."""
        return np.array([self.task.index(diagnosis) for diagnosis in self.diagnoses])

    def threshold(self, target: str, sensitivity: float) -> float | None:
        """Return the model's threshold for a sensitivity; None without one."""
        return self.thresholds.get(target, {}).get(sensitivity)

    def probability_of(self, classes: tuple[str, ...]) -> FloatArray:
        """Return the summed probability of some classes, [N]."""
        chosen: FloatArray = self.probabilities[:, [code in classes for code in self.task.classes]].sum(axis=1)
        return chosen

    def probability_of_target(self, target: Target) -> FloatArray:
        """Return the probability of one of the task's targets, [N]."""
        found = self.target_scores.get(target)
        return self.probability_of(self.task.targets[target]) if found is None else found

    def select(self, chosen: Sequence[bool]) -> "Predictions":
        """Return some of the images."""
        rows = np.flatnonzero(chosen)

        def of_rows(values: Sequence[str]) -> tuple[str, ...]:
            return tuple(values[row] for row in rows.tolist())

        return replace(
            self,
            image_ids=of_rows(self.image_ids),
            lesion_ids=of_rows(self.lesion_ids),
            diagnoses=of_rows(self.diagnoses),
            predicted=self.predicted[rows],
            probabilities=self.probabilities[rows],
            confidence=None if self.confidence is None else self.confidence[rows],
            sets=None if self.sets is None else self.sets[rows],
            target_scores={target: scores[rows] for target, scores in self.target_scores.items()},
        )

    def viewed_as(self, task: Task) -> "Predictions":
        """Return the predictions as those of a task with some of the classes, without prediction sets.

        A predicted class that the task does not have is replaced by the one that the decision rule prefers among the
        others; without a known rule, by the most probable one.

        Raises:
            DataError: The classes do not determine those of the task.
        """
        view = require_view(self.task, task)
        probabilities = view.probabilities(self.probabilities)
        scores = viewed_rule(self.rule or DecisionRule(), view).scores(probabilities)
        kept = np.array([-1 if index is None else index for index in view.class_of])[self.predicted]
        return replace(
            self,
            model=self.model.model_copy(update={"task": task.name}),
            task=task,
            predicted=np.where(kept < 0, scores.argmax(axis=1), kept),
            probabilities=probabilities,
            confidence=None if self.rule is None else scores.max(axis=1),
            sets=None,
            target_scores=dict(self.target_scores) or target_scores(self.task, view, self.probabilities),
        )

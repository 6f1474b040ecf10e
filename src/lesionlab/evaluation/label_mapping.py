"""Datasets that tell less than a model: melanoma or not, malignant or benign."""

from collections.abc import Iterable

import numpy as np

from lesionlab.bundle import BundleInfo
from lesionlab.data import ImageRecord
from lesionlab.errors import DataError
from lesionlab.metrics.arrays import FloatArray, IntArray
from lesionlab.taxonomy import TASKS, Task


def answerable_task(of_model: Task, records: Iterable[ImageRecord]) -> Task:
    """Return the finest task that the images' labels tell and the model's classes answer.

    Raises:
        DataError: There is none.
    """
    labels = {record.diagnosis for record in records}
    for task in (of_model, TASKS["malignant"], TASKS["melanoma"]):
        if all(map(task.determines, labels)) and (task is of_model or _classes(of_model, task) is not None):
            return task
    raise DataError(
        f"the images are labelled {', '.join(sorted(labels))}, which answers no question that a model of task "
        f"{of_model.name} can be asked"
    )


def collapsed(probabilities: FloatArray, of_model: Task, task: Task) -> FloatArray:
    """Return probabilities of a coarser task's classes, [N, K], for those of the model's classes, [N, C].

    Raises:
        DataError: A class of the model stands for several of the task's.
    """
    classes = _classes(of_model, task)
    if classes is None:
        raise DataError(f"a model of task {of_model.name} does not answer task {task.name}")
    return np.asarray(probabilities @ np.eye(len(task.classes))[classes])


def answers(info: BundleInfo, task: Task, probabilities: FloatArray) -> tuple[FloatArray, IntArray]:
    """Return a model's probabilities of a task's classes, [N, K], and the class that it answers, [N].

    Args:
        info: The model; of its own task it answers by its own rule.
        task: The task, its own or a coarser one.
        probabilities: Of the model's own classes, [N, C].
    """
    if task.name == info.task:
        return probabilities, info.decision_rule.scores(probabilities).argmax(axis=1)
    coarse = collapsed(probabilities, TASKS[info.task], task)
    return coarse, coarse.argmax(axis=1)


def _classes(of_model: Task, task: Task) -> list[int] | None:
    """Return to which class of a task each class of the model belongs, None if one belongs to several."""
    found = [{task.index(diagnosis) for diagnosis in held} for held in of_model.members]
    return [one.pop() for one in found] if all(len(one) == 1 for one in found) else None

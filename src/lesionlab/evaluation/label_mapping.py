"""Evaluation on datasets with coarser labels than the model's classes: malignant or benign, melanoma or not."""

from collections.abc import Iterable

import numpy as np

from lesionlab.bundle import BundleInfo
from lesionlab.data import ImageRecord, Manifest, images_of_task
from lesionlab.errors import DataError
from lesionlab.metrics.arrays import FloatArray, IntArray
from lesionlab.taxonomy import TASKS, Task


def task_and_images(
    of_model: Task, manifest: Manifest, name: str | None = None
) -> tuple[Task, Manifest, dict[str, int]]:
    """Return the task to evaluate, the images whose label determines its class, and the number of others by label.

    Args:
        of_model: The model's task.
        manifest: The images.
        name: Name of the task; default: `common_task`.

    Raises:
        DataError: The model's classes, or all labels, do not determine the classes of the task.
    """
    task = TASKS[name] if name else common_task(of_model, manifest)
    if not _determined(of_model, task):
        raise DataError(f"the classes of a model of task {of_model.name} do not determine those of task {task.name}")
    return (task, *images_of_task(manifest, task))


def common_task(of_model: Task, records: Iterable[ImageRecord]) -> Task:
    """Return the finest task that both the labels and the model's classes determine.

    Labels that determine no task, such as an unknown diagnosis, do not count.

    Raises:
        DataError: There is no such task.
    """
    tasks = [task for task in (of_model, TASKS["malignant"], TASKS["melanoma"]) if _determined(of_model, task)]
    found = {record.diagnosis for record in records}
    labels = {label for label in found if any(task.determines(label) for task in TASKS.values())} or found
    for task in tasks:
        if all(map(task.determines, labels)):
            return task
    raise DataError(f"a model of task {of_model.name} cannot be evaluated on the labels {', '.join(sorted(labels))}")


def collapsed(probabilities: FloatArray, of_model: Task, task: Task) -> FloatArray:
    """Sum the probabilities of the model's classes, [N, C], to those of a coarser task, [N, K].

    Raises:
        DataError: A class of the model holds diagnoses of several classes of the task.
    """
    indices = _class_indices(of_model, task)
    if indices is None:
        raise DataError(f"the classes of a model of task {of_model.name} do not determine those of task {task.name}")
    return np.asarray(probabilities @ np.eye(len(task.classes))[indices])


def predict_task(info: BundleInfo, task: Task, probabilities: FloatArray) -> tuple[FloatArray, IntArray]:
    """Return probabilities of a task's classes, [N, K], and the index of the predicted class, [N].

    For the model's own task the decision rule of the model predicts the class, for a coarser one the most probable
    class is predicted.

    Args:
        info: The model.
        task: Its own task or a coarser one.
        probabilities: Of the model's own classes, [N, C].
    """
    if task.name == info.task:
        return probabilities, info.decision_rule.scores(probabilities).argmax(axis=1)
    coarse = collapsed(probabilities, TASKS[info.task], task)
    return coarse, coarse.argmax(axis=1)


def _determined(of_model: Task, task: Task) -> bool:
    return task is of_model or _class_indices(of_model, task) is not None


def _class_indices(of_model: Task, task: Task) -> list[int] | None:
    """Return the class of the task for each class of the model; None if one belongs to several."""
    found = [{task.index(diagnosis) for diagnosis in held} for held in of_model.members]
    return [one.pop() for one in found] if all(len(one) == 1 for one in found) else None

"""Evaluation on datasets whose labels are not the model's classes: coarser ones, or more or fewer diagnoses.

How the classes of one task follow from those of another is defined in `lesionlab.taxonomy.views`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lesionlab.bundle import BundleInfo, DecisionRule
from lesionlab.data import ImageRecord, Manifest, images_of_task
from lesionlab.errors import DataError
from lesionlab.metrics.arrays import FloatArray, IntArray
from lesionlab.taxonomy import DIAGNOSIS, TASKS, Target, Task
from lesionlab.taxonomy.views import View, view_of


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
    require_view(of_model, task)
    return (task, *images_of_task(manifest, task))


def common_task(of_model: Task, records: Iterable[ImageRecord]) -> Task:
    """Return the finest task that both the labels and the model's classes determine.

    For labels of the seven diagnoses alone it is `diagnosis`, also for a model of more: classes that no label has
    could only be wrong. Labels that determine no task, such as an unknown diagnosis, do not count.

    Raises:
        DataError: There is no such task.
    """
    candidates = (DIAGNOSIS, of_model, TASKS["malignant"], TASKS["melanoma"])
    tasks = [task for task in candidates if view_of(of_model, task) is not None]
    found = {record.diagnosis for record in records}
    labels = {label for label in found if any(task.determines(label) for task in TASKS.values())} or found
    for task in tasks:
        if all(map(task.determines, labels)):
            return task
    raise DataError(f"a model of task {of_model.name} cannot be evaluated on the labels {', '.join(sorted(labels))}")


def require_view(of_model: Task, task: Task) -> View:
    """Return the view of a model's classes as a task.

    Raises:
        DataError: The model's classes do not determine those of the task.
    """
    view = view_of(of_model, task)
    if view is None:
        raise DataError(f"the classes of a model of task {of_model.name} do not determine those of task {task.name}")
    return view


@dataclass(frozen=True, slots=True)
class TaskPredictions:
    """Predictions of a model as those of a task.

    Attributes:
        probabilities: Of the task's classes, [N, K].
        predicted: Index of the predicted class, [N].
        target_scores: See `target_scores`.
    """

    probabilities: FloatArray
    predicted: IntArray
    target_scores: Mapping[Target, FloatArray]


def predict_task(info: BundleInfo, task: Task, probabilities: FloatArray) -> TaskPredictions:
    """Return the predictions of a model as those of its own task, or of one that its classes determine.

    Args:
        info: The model.
        task: The task.
        probabilities: Of the model's own classes, [N, C].
    """
    view = require_view(TASKS[info.task], task)
    of_task = view.probabilities(probabilities)
    predicted = viewed_rule(info.decision_rule, view).scores(of_task).argmax(axis=1)
    return TaskPredictions(of_task, predicted, target_scores(TASKS[info.task], view, probabilities))


def rule_of(info: BundleInfo, task: Task) -> DecisionRule:
    """Return the rule that predicts a class of a task: the model's, or the most probable class for sums of classes."""
    return viewed_rule(info.decision_rule, require_view(TASKS[info.task], task))


def viewed_rule(rule: DecisionRule, view: View) -> DecisionRule:
    """Return the rule of a model in a view of its classes: its weights of the classes that the view selects."""
    if not view.selects or not rule.weights:
        return DecisionRule()
    pairs = zip(view.class_of, rule.weights, strict=True)
    weights = {index: weight for index, weight in pairs if index is not None}
    return rule.model_copy(update={"weights": tuple(weights[index] for index in range(len(view.task.classes)))})


def target_scores(of_model: Task, view: View, probabilities: FloatArray) -> dict[Target, FloatArray]:
    """Return the probability of each target, [N], by the model's own classes; empty if the view has all of them.

    Args:
        of_model: The model's task.
        view: A view of its classes.
        probabilities: Of the model's own classes, [N, C].
    """
    if not view.conditional:
        return {}
    columns = {target: [code in held for code in of_model.classes] for target, held in of_model.targets.items()}
    return {target: probabilities[:, columns[target]].sum(axis=1) for target in view.task.targets}

"""The `predictions.csv` of an evaluation, written and read, with the description of the model in `metrics.json`."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from lesionlab.base_models import FrozenModel
from lesionlab.bundle import BundleInfo, DecisionRule
from lesionlab.errors import DataError
from lesionlab.evaluation.label_mapping import rule_of
from lesionlab.evaluation.predictions import EvaluatedModel, Predictions
from lesionlab.evaluation.results import EvaluatedSubset
from lesionlab.metrics.arrays import FloatArray
from lesionlab.taxonomy import LABELS, TASKS, Target, Task

METRICS, PREDICTIONS = "metrics.json", "predictions.csv"
_REQUIRED = ("image_id", "lesion_id", "diagnosis", "predicted")
_TARGET = "target_"  # columns with the probability of a target, where it is not the sum over the classes
# Six decimals of up to eleven classes, from a softmax that may have been float16.
_SUM_TOLERANCE = 5e-3


class _Threshold(FrozenModel):
    target: str = "malignant"
    target_sensitivity: float
    confidence: float | None = None
    threshold: float


class _MetricsFile(FrozenModel):
    """The keys of a `metrics.json` that a comparison needs."""

    bundle: str
    leaky: bool
    unseen: bool | None
    split_sha256: str | None = None
    operating_points: tuple[_Threshold, ...] = ()
    decision_rule: DecisionRule | None = None


@dataclass(frozen=True)
class _Row:
    """One line of a `predictions.csv`."""

    image_id: str
    lesion_id: str
    diagnosis: str
    predicted: int
    probabilities: list[float]
    target_scores: dict[Target, float]
    confidence: float | None
    conformal_set: list[str] | None


def predictions_csv(evaluated: EvaluatedSubset, info: BundleInfo) -> str:
    """Return the text of a `predictions.csv`; the columns are described in docs/evaluate.md."""
    classes = evaluated.task.classes
    columns: dict[str, Sequence[str]] = {
        "image_id": [record.image_id for record in evaluated.records],
        "lesion_id": evaluated.lesion_ids,
        "diagnosis": [record.diagnosis for record in evaluated.records],
    }
    if not evaluated.task.of_diagnoses:
        columns["actual"] = [classes[index] for index in evaluated.labels]
    columns["predicted"] = [classes[index] for index in evaluated.predicted]
    for code, values in zip(classes, evaluated.probabilities.T, strict=True):
        columns[f"p_{code}"] = _decimals(values)
    for target, scores in evaluated.target_scores.items():
        columns[f"{_TARGET}{target}"] = _decimals(scores)
    if classes == info.classes or evaluated.target_scores:
        columns["confidence"] = _decimals(rule_of(info, evaluated.task).scores(evaluated.probabilities).max(axis=1))
    if classes == info.classes and info.prediction_sets is not None:
        members = info.prediction_sets.class_conditional_members(evaluated.probabilities)
        columns["conformal_set"] = [" ".join(np.array(classes)[row]) for row in members]
    if evaluated.predictions:
        columns["status"] = [prediction.status for prediction in evaluated.predictions]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return stream.getvalue()


def find_predictions(path: Path, subset: str) -> Path:
    """Return the predictions file of a run folder or an evaluation folder, or the file itself.

    Raises:
        DataError: There is none.
    """
    for candidate in (path, path / PREDICTIONS, path / "evaluation" / subset / PREDICTIONS):
        if candidate.is_file():
            return candidate
    if not path.exists():
        raise DataError(f"{path} does not exist: give a run, an evaluation folder or a {PREDICTIONS}")
    command = f"lesionlab evaluate --model {path} --subset {subset}"
    raise DataError(f"{path} has no predictions of the {subset} set: run `{command}`")


def read_predictions(path: Path) -> Predictions:
    """Read a `predictions.csv`, and the `metrics.json` beside it if there is one.

    Raises:
        DataError: A file cannot be read or has another format.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            task = _task_of(path, reader.fieldnames or ())
            rows = [_checked_row(f"{path}, line {reader.line_num}", task, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as CSV ({error}); evaluate the model again") from error
    if not rows:
        raise DataError(f"{path} has no images; evaluate the model again")
    # The files of two models are compared in the same order.
    rows.sort(key=lambda row: row.image_id)
    twice = next((one.image_id for one, following in pairwise(rows) if one.image_id == following.image_id), None)
    if twice is not None:
        raise DataError(f"{path} has {twice} more than once; evaluate the model again")
    metrics = _read_metrics(path)
    confidence = [row.confidence for row in rows if row.confidence is not None]
    sets = [row.conformal_set for row in rows if row.conformal_set is not None]
    return Predictions(
        model=EvaluatedModel(
            name=metrics.bundle if metrics else str(path),
            predictions=str(path),
            task=task.name,
            leaky=metrics.leaky if metrics else None,
            unseen=metrics.unseen if metrics else None,
            split_sha256=metrics.split_sha256 if metrics else None,
        ),
        task=task,
        image_ids=tuple(row.image_id for row in rows),
        lesion_ids=tuple(row.lesion_id for row in rows),
        diagnoses=tuple(row.diagnosis for row in rows),
        predicted=np.array([row.predicted for row in rows]),
        probabilities=np.array([row.probabilities for row in rows]),
        confidence=np.array(confidence) if len(confidence) == len(rows) else None,
        sets=np.array([[c in held for c in task.classes] for held in sets]) if len(sets) == len(rows) else None,
        thresholds=_thresholds(metrics),
        rule=metrics.decision_rule if metrics else None,
        target_scores={
            target: np.array([row.target_scores[target] for row in rows]) for target in rows[0].target_scores
        },
    )


def _decimals(values: FloatArray) -> list[str]:
    return [f"{value:.6f}" for value in values]


def _task_of(path: Path, columns: Sequence[str]) -> Task:
    """Return the task of the columns `p_CODE`; further columns are ignored."""
    classes = tuple(column.removeprefix("p_") for column in columns if column.startswith("p_"))
    task = next((task for task in TASKS.values() if task.classes == classes), None)
    if task is None or not set(_REQUIRED) <= set(columns):
        raise DataError(
            f"{path} does not have the columns {', '.join(_REQUIRED)} and one p_CODE for each class of a task; give a "
            "file written by `lesionlab evaluate`"
        )
    return task


def _checked_row(where: str, task: Task, row: dict[str, str]) -> _Row:
    # `csv.DictReader` marks a row of the wrong length by a None.
    if None in row.values() or None in row:
        raise DataError(f"{where}: the number of values differs from that of the columns; evaluate the model again")
    image_id, lesion_id, diagnosis, predicted = (row[column] for column in _REQUIRED)
    if not task.determines(diagnosis):
        raise DataError(f"{where}: diagnosis {diagnosis!r} is none of {', '.join(filter(task.determines, LABELS))}")
    if predicted not in task.classes:
        raise DataError(f"{where}: predicted {predicted!r} is none of {', '.join(task.classes)}")
    try:
        probabilities = [float(row[f"p_{code}"]) for code in task.classes]
        scores = {target: float(row[f"{_TARGET}{target}"]) for target in task.targets if f"{_TARGET}{target}" in row}
        confidence = float(row["confidence"]) if row.get("confidence") else None
    except ValueError as error:
        raise DataError(f"{where}: {error}; give a probability for each class") from error
    # The negated comparison is also true for nan.
    if not (min(probabilities) >= 0 and abs(sum(probabilities) - 1) <= _SUM_TOLERANCE):
        raise DataError(f"{where}: the probabilities are negative or do not sum to 1; evaluate the model again")
    if not all(0 <= score <= 1 for score in scores.values()):
        raise DataError(f"{where}: the probability of a target is not between 0 and 1; evaluate the model again")
    return _Row(
        image_id=image_id,
        lesion_id=lesion_id,
        diagnosis=diagnosis,
        predicted=task.classes.index(predicted),
        probabilities=probabilities,
        target_scores=scores,
        confidence=confidence,
        conformal_set=row["conformal_set"].split() if "conformal_set" in row else None,
    )


def _read_metrics(predictions: Path) -> _MetricsFile | None:
    """Return the `metrics.json` beside the predictions; None without one."""
    path = predictions.with_name(METRICS)
    try:
        return _MetricsFile.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise DataError(f"{path} is damaged; evaluate the model again") from error


def _thresholds(metrics: _MetricsFile | None) -> dict[str, dict[float, float]]:
    found: dict[str, dict[float, float]] = {}
    for point in metrics.operating_points if metrics else ():
        if point.confidence is not None:
            continue  # a guaranteed threshold has a lower specificity than the one for this sensitivity
        found.setdefault(point.target, {})[point.target_sensitivity] = point.threshold
    return found

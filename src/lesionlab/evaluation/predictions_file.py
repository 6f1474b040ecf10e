"""The `predictions.csv` of an evaluation, read again with what `metrics.json` beside it tells of the model."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from lesionlab.errors import DataError
from lesionlab.metrics.arrays import BoolArray, FloatArray, IntArray
from lesionlab.taxonomy import CODES, TASKS, Task

METRICS, PREDICTIONS = "metrics.json", "predictions.csv"
_NEEDED = ("image_id", "lesion_id", "diagnosis", "predicted")
# Six decimals of up to seven classes, from a softmax that may have been float16.
_SUM_TOLERANCE = 5e-3


class Model(BaseModel):
    """One of the two models, as its evaluation describes it; None stands for what is not known.

    Attributes:
        name: Identity of the bundle, or the folder where that is not known.
        predictions: File of the predictions.
        task: Name of the task.
        leaky: Whether images of one lesion may stand on both sides of its split.
        unseen: Whether none of the lesions was used to fit, stop or calibrate it.
        split_sha256: Hash of its split.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    predictions: str
    task: str
    leaky: bool | None
    unseen: bool | None
    split_sha256: str | None


@dataclass(frozen=True)
class Predictions:
    """The content of a `predictions.csv`, in the order of the image ids, and the model behind it.

    Attributes:
        model: The model.
        task: What it was asked.
        image_ids: One per image.
        lesion_ids: Lesion of each image.
        diagnoses: Actual diagnosis of each image, one of the seven codes.
        decisions: Index in the task's classes of what the model decided, int [images].
        probabilities: float [images, classes].
        certainty: Score of the answer in the model's own rule, [images]; None in files that do not hold it.
        sets: Which classes are in the prediction set, bool [images, classes]; None where there are no sets.
        thresholds: By what they look for, then by the sensitivity that they were chosen for.
    """

    model: Model
    task: Task
    image_ids: tuple[str, ...]
    lesion_ids: tuple[str, ...]
    diagnoses: tuple[str, ...]
    decisions: IntArray
    probabilities: FloatArray
    certainty: FloatArray | None = None
    sets: BoolArray | None = None
    thresholds: Mapping[str, Mapping[float, float]] = field(default_factory=dict)

    @property
    def labels(self) -> IntArray:
        """Index in the task's classes of the actual class, int [images]."""
        return np.array([self.task.index(diagnosis) for diagnosis in self.diagnoses])

    def threshold(self, finding: str, sensitivity: float) -> float | None:
        """Return the model's threshold for a sensitivity, None where it has none."""
        return self.thresholds.get(finding, {}).get(sensitivity)

    def probability_of(self, classes: tuple[str, ...]) -> FloatArray:
        """Return the probability that the class is one of some, [images]."""
        chosen: FloatArray = self.probabilities[:, [code in classes for code in self.task.classes]].sum(axis=1)
        return chosen


class _Threshold(BaseModel):
    target: str = "malignant"
    target_sensitivity: float
    threshold: float


class _MetricsFile(BaseModel):
    """The part of a `metrics.json` that a comparison needs."""

    bundle: str
    leaky: bool
    unseen: bool
    split_sha256: str | None = None
    operating_points: tuple[_Threshold, ...] = ()


def find_predictions(place: Path, subset: str) -> Path:
    """Return the predictions of a run folder, an evaluation folder, or the file itself.

    Raises:
        DataError: There are none.
    """
    for candidate in (place, place / PREDICTIONS, place / "evaluation" / subset / PREDICTIONS):
        if candidate.is_file():
            return candidate
    if not place.exists():
        raise DataError(f"{place} does not exist: give a run, an evaluation folder or a {PREDICTIONS}")
    raise DataError(
        f"{place} holds no predictions of the {subset} part: run `lesionlab evaluate {place} --subset {subset}`"
    )


def read_predictions(path: Path) -> Predictions:
    """Read a `predictions.csv` and the `metrics.json` beside it, if there is one.

    Raises:
        DataError: One of them cannot be read or does not hold what `lesionlab evaluate` writes.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            task = _task_of(path, reader.fieldnames or ())
            # Sorted by image, so that the files of two models are in one order.
            rows = sorted(_checked_row(f"{path}, line {reader.line_num}", task, row) for row in reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as CSV ({error}); evaluate the model again") from error
    if not rows:
        raise DataError(f"{path} holds no image; evaluate the model again")
    image_ids, lesion_ids, diagnoses, decisions, probabilities, certainty, sets = zip(*rows, strict=True)
    twice = next((one for one, following in pairwise(image_ids) if one == following), None)
    if twice is not None:
        raise DataError(f"{path} holds {twice} more than once; evaluate the model again")
    known = _known(path)
    return Predictions(
        _model(path, task, known),
        task,
        image_ids,
        lesion_ids,
        diagnoses,
        np.array(decisions),
        np.array(probabilities),
        None if None in certainty else np.array(certainty, dtype=np.float64),
        None if None in sets else np.array([[code in held for code in task.classes] for held in sets]),
        _thresholds(known),
    )


def _task_of(path: Path, columns: Sequence[str]) -> Task:
    """Return the task whose classes the columns name; columns that are not needed may stand between them."""
    classes = tuple(column.removeprefix("p_") for column in columns if column.startswith("p_"))
    task = next((task for task in TASKS.values() if task.classes == classes), None)
    if task is None or not set(_NEEDED) <= set(columns):
        raise DataError(
            f"{path} does not have the columns {', '.join(_NEEDED)} and one p_CLASS for each class of a task; give a "
            "file that `lesionlab evaluate` wrote"
        )
    return task


_Row = tuple[str, str, str, int, list[float], float | None, list[str] | None]


def _checked_row(where: str, task: Task, row: dict[str, str]) -> _Row:
    # What the reader makes of a row that is too short or too long.
    if None in row.values() or None in row:
        raise DataError(f"{where}: the number of values is not that of the columns; evaluate the model again")
    image_id, lesion_id, diagnosis, predicted = (row[column] for column in _NEEDED)
    if diagnosis not in CODES:
        raise DataError(f"{where}: diagnosis {diagnosis!r} is none of {', '.join(CODES)}")
    if predicted not in task.classes:
        raise DataError(f"{where}: predicted {predicted!r} is none of {', '.join(task.classes)}")
    try:
        probabilities = [float(row[f"p_{code}"]) for code in task.classes]
        certainty = float(row["certainty"]) if row.get("certainty") else None
    except ValueError as error:
        raise DataError(f"{where}: {error}; give a probability for each class") from error
    # Written so that nan, which fails every comparison, is refused as well.
    if not (min(probabilities) >= 0 and abs(sum(probabilities) - 1) <= _SUM_TOLERANCE):
        raise DataError(f"{where}: the probabilities are negative or do not sum to 1; evaluate the model again")
    held = row["prediction_set"].split() if "prediction_set" in row else None
    return image_id, lesion_id, diagnosis, task.classes.index(predicted), probabilities, certainty, held


def _known(predictions: Path) -> _MetricsFile | None:
    """Return what `metrics.json` beside the predictions tells; None where there is none."""
    path = predictions.with_name(METRICS)
    try:
        return _MetricsFile.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise DataError(f"{path} is damaged; evaluate the model again") from error


def _thresholds(known: _MetricsFile | None) -> dict[str, dict[float, float]]:
    found: dict[str, dict[float, float]] = {}
    for point in known.operating_points if known else ():
        found.setdefault(point.target, {})[point.target_sensitivity] = point.threshold
    return found


def _model(predictions: Path, task: Task, known: _MetricsFile | None) -> Model:
    return Model(
        name=known.bundle if known else str(predictions),
        predictions=str(predictions),
        task=task.name,
        leaky=known.leaky if known else None,
        unseen=known.unseen if known else None,
        split_sha256=known.split_sha256 if known else None,
    )

"""Evaluations of a model on datasets that it was not made from, as `metrics.json` tells of them."""

import math
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lesionlab.bundle import BundleInfo
from lesionlab.bundle.operating_points import NOUNS
from lesionlab.errors import DataError, UsageError
from lesionlab.evaluation.predictions_file import METRICS
from lesionlab.metrics import Estimate
from lesionlab.taxonomy import TASKS, Task


class ExternalPoint(BaseModel):
    """One of the model's thresholds on the other dataset; None for what its images do not define."""

    model_config = ConfigDict(frozen=True)

    name: str
    target: Literal["malignant", "melanoma"] = "malignant"
    target_sensitivity: float
    threshold: float
    sensitivity: float | None
    specificity: float | None
    ppv: float | None
    npv: float | None
    prevalence: float | None
    intervals: dict[str, tuple[float, float]] = Field(default_factory=dict)
    measured_on: Literal["validation", "test", "other"] = "other"

    @property
    def purpose(self) -> str:
        """What the threshold is for, in words."""
        return f"{100 * self.target_sensitivity:g}% sensitivity for {NOUNS[self.target]}"


class ExternalEvaluation(BaseModel):
    """What a card needs of a `metrics.json`; see `lesionlab.evaluation.write_evaluation` for the whole.

    Attributes:
        bundle: Identity of the model.
        graph_sha256: Its graph.
        task: What the dataset tells; a model is measured on that.
        dataset: Name of the other dataset.
        part: Name of the part; `all` for every dataset but the model's own.
        unseen: Whether none of the lesions was used to fit, stop or calibrate the model.
        leaky: Whether the split behind the model is leaky.
        lesions_known: Whether the dataset tells which images show one lesion.
        manifest_sha256: Hash of its manifest.
        date: Day of the evaluation, ISO 8601.
        n_images: Number of images.
        n_lesions: Number of lesions that they show.
        support: Number of images of each class.
        overall: Metrics of all images by name.
        per_class: By class, then by name of the metric.
        operating_points: The model's thresholds with what was measured here.
    """

    model_config = ConfigDict(frozen=True)

    bundle: str
    graph_sha256: str
    task: Literal["diagnosis", "malignant", "melanoma"]
    dataset: str
    subset: str
    unseen: bool
    leaky: bool
    lesions_known: bool
    manifest_sha256: str
    date: str
    n_images: int
    n_lesions: int
    support: dict[str, int]
    overall: dict[str, Estimate]
    per_class: dict[str, dict[str, Estimate]]
    operating_points: tuple[ExternalPoint, ...]

    @property
    def told(self) -> Task:
        """What the dataset tells."""
        return TASKS[self.task]

    @property
    def classes(self) -> tuple[str, ...]:
        """Codes of the classes that the dataset tells."""
        return self.told.classes


def read_external(place: Path, info: BundleInfo) -> ExternalEvaluation:
    """Read what was measured of a model on a dataset that is not its own.

    Args:
        place: The folder that `lesionlab evaluate` wrote, or its `metrics.json`.
        info: The model that it should be of.

    Raises:
        DataError: There is no such file, or it is not what `lesionlab evaluate` writes.
        UsageError: It is of another model, or of the images that this model was made from.
    """
    path = place / METRICS if place.is_dir() else place
    try:
        found = ExternalEvaluation.model_validate_json(path.read_bytes())
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"{path} cannot be read ({reason}); give a folder that `lesionlab evaluate` wrote") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "the file"
        message = f"{path} is not what `lesionlab evaluate` writes ({key}: {first['msg']}); evaluate the model again"
        raise DataError(message) from error
    if found.graph_sha256 != info.graph_sha256:
        raise UsageError(f"{path} is an evaluation of {found.bundle}, not of {info.identity}; evaluate this model")
    if found.subset != "all" or not found.unseen or found.manifest_sha256 == info.training_data.manifest_sha256:
        raise UsageError(
            f"{path} was measured on the data that {info.identity} was made from; give an evaluation on another dataset"
        )
    # The same graph may have been calibrated anew since; its probabilities are then not those that were measured.
    if not _same_thresholds(found, info):
        raise UsageError(f"{path} was measured with other thresholds than {info.identity} has; evaluate it again")
    return found


def _same_thresholds(found: ExternalEvaluation, info: BundleInfo) -> bool:
    told = TASKS[found.task].targets  # of a dataset that tells melanoma alone only those of melanoma are measured
    measured = {point.name: point.threshold for point in found.operating_points}
    stated = {point.name: point.threshold for point in info.operating_points if point.target in told}
    return measured.keys() == stated.keys() and all(math.isclose(measured[name], stated[name]) for name in stated)

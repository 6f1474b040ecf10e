"""Reading of evaluations on other datasets than the model's own, from `metrics.json`."""

import math
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from lesionlab.base_models import FrozenModel
from lesionlab.bundle import BundleInfo, GroupMetrics, SeenCounts, Subgroup, WithinSourceAuc
from lesionlab.bundle.operating_points import NOUNS
from lesionlab.errors import DataError, UsageError
from lesionlab.evaluation.predictions_file import METRICS
from lesionlab.metrics import Estimate
from lesionlab.taxonomy import TASKS, Task, TaskName


class ExternalPoint(FrozenModel):
    """One of the model's thresholds on the other dataset; None for undefined figures."""

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
        """Name and target in words."""
        return f"{self.name} for {NOUNS[self.target]}"


class ExternalEvaluation(FrozenModel):
    """The keys of a `metrics.json` that a card needs; see `lesionlab.evaluation.write_evaluation`.

    Attributes:
        bundle: Name and hash of the model.
        graph_sha256: Hash of its graph.
        task: The task that was evaluated.
        dataset: Name of the other dataset.
        subset: Name of the subset; `all` for another dataset.
        unseen: Whether none of the lesions was used to fit, stop or calibrate the model; None if unknown.
        seen: Number of images that the model was fitted to; None if not searched for.
        leaky: Whether the model's split is leaky.
        lesions_known: Whether the dataset identifies lesions.
        manifest_sha256: Hash of its manifest.
        date: Day of the evaluation, ISO 8601.
        n_images: Number of images.
        n_lesions: Number of lesions.
        support: Number of images of each class.
        overall: Metrics of all images by name.
        per_class: Metrics by class, then by name.
        operating_points: The model's thresholds with their performance on the dataset.
        subgroups: Figures of subgroups; empty where not measured.
        by_source: Figures by source of the image; empty where no source is known.
        by_confirmation: Figures by confirmation of the diagnosis; empty where unknown.
        within_source_auc: AUC by target, pooled and within source; empty with fewer than two sources.
    """

    bundle: str
    graph_sha256: str
    task: TaskName
    dataset: str
    subset: str
    unseen: bool | None
    seen: SeenCounts | None = None
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
    subgroups: tuple[Subgroup, ...] = ()
    by_source: tuple[GroupMetrics, ...] = ()
    by_confirmation: tuple[GroupMetrics, ...] = ()
    within_source_auc: tuple[WithinSourceAuc, ...] = ()

    @property
    def task_labels(self) -> Task:
        """The task that the labels of the dataset determine."""
        return TASKS[self.task]

    @property
    def classes(self) -> tuple[str, ...]:
        """Codes of the task's classes."""
        return self.task_labels.classes


def read_external(path: Path, info: BundleInfo) -> ExternalEvaluation:
    """Read the evaluation of a model on another dataset than its own.

    Args:
        path: The folder of `lesionlab evaluate`, or its `metrics.json`.
        info: The model.

    Raises:
        DataError: The file is missing or has another format.
        UsageError: It is of another model, or of the model's own dataset.
    """
    path = path / METRICS if path.is_dir() else path
    try:
        found = ExternalEvaluation.model_validate_json(path.read_bytes())
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"{path} cannot be read ({reason}); give a folder written by `lesionlab evaluate`") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "the file"
        message = f"{path} was not written by `lesionlab evaluate` ({key}: {first['msg']}); evaluate the model again"
        raise DataError(message) from error
    if found.graph_sha256 != info.graph_sha256:
        raise UsageError(f"{path} is an evaluation of {found.bundle}, not of {info.identity}; evaluate this model")
    # The training images of an imported model are unknown, and the card says so beside the figures.
    unknown = info.imported is not None and found.unseen is None
    if found.unseen is not True and not unknown and found.subset == "all":
        reason = "may contain" if found.unseen is None else "contains"
        raise UsageError(
            f"{path} is no external validation: it {reason} images that {info.identity} was fitted to; export the run "
            "again for an index of its training images, and evaluate without --keep-seen"
        )
    if found.subset != "all" or found.manifest_sha256 == info.training_data.manifest_sha256:
        raise UsageError(
            f"{path} is an evaluation on the dataset of {info.identity} itself; give an evaluation on another dataset"
        )
    # The same graph with another calibration has other probabilities.
    if not _same_thresholds(found, info):
        raise UsageError(f"{path} has other thresholds than {info.identity}; evaluate the model again")
    return found


def _same_thresholds(found: ExternalEvaluation, info: BundleInfo) -> bool:
    targets = TASKS[found.task].targets  # labels of melanoma alone determine its thresholds only
    measured = {(point.name, point.target): point.threshold for point in found.operating_points}
    stored = {(p.name, p.target): p.threshold for p in info.operating_points if p.target in targets}
    return measured.keys() == stored.keys() and all(math.isclose(measured[key], stored[key]) for key in stored)

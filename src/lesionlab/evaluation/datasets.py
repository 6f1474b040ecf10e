"""Figures of one model on several datasets, in one table."""

from pydantic import Field

from lesionlab.base_models import StrictModel
from lesionlab.bundle import GroupMetrics, SeenCounts, WithinSourceAuc
from lesionlab.evaluation.evaluate import Evaluation
from lesionlab.evaluation.groups import measure_group
from lesionlab.metrics import Estimate

DATASETS = "datasets.json"


class DatasetFigures(StrictModel):
    """Figures of one dataset.

    Attributes:
        bundle: Identity of the model.
        folder: Name of the folder with the complete evaluation.
        dataset: Name of the dataset.
        subset: Name of the subset.
        manifest_sha256: Hash of the dataset's manifest.
        task: The finest task that the labels and the model's classes determine.
        unseen: Whether none of the lesions was used to fit, stop or calibrate the model; None if unknown.
        seen: Number of images that the model was fitted to; None if not searched for.
        left_out: Number of images whose label determines no class of the task, by label; they were not evaluated.
        whole: Figures of the main target on all images.
        balanced_accuracy: Mean recall over the classes that occur.
        within_source_auc: AUC by target, pooled and within source; empty with fewer than two sources.
        by_source: Figures by source.
    """

    bundle: str
    folder: str
    dataset: str
    subset: str
    manifest_sha256: str
    task: str
    unseen: bool | None
    seen: SeenCounts | None
    left_out: dict[str, int] = Field(default_factory=dict)
    whole: GroupMetrics
    balanced_accuracy: Estimate
    within_source_auc: tuple[WithinSourceAuc, ...]
    by_source: tuple[GroupMetrics, ...]


def dataset_figures(evaluation: Evaluation, folder: str) -> DatasetFigures:
    """Return the figures of an evaluation for a table of several.

    Args:
        evaluation: The evaluation.
        folder: Name of the folder that holds its files.
    """
    evaluated, groups = evaluation.evaluated, evaluation.groups
    return DatasetFigures(
        bundle=evaluation.info.identity,
        folder=folder,
        dataset=evaluation.dataset,
        subset=evaluation.subset,
        manifest_sha256=evaluation.manifest_sha256,
        task=evaluated.task.name,
        unseen=evaluation.unseen,
        seen=evaluation.seen,
        left_out=dict(evaluation.left_out),
        whole=measure_group(evaluated, evaluation.operating_points, folder),
        balanced_accuracy=evaluated.summary.overall["balanced_accuracy"],
        within_source_auc=groups.within_source_auc,
        by_source=groups.by_source,
    )

"""The results of a cross-validation: figures of each fold, of the pooled predictions, and their spread."""

import datetime as dt
from collections.abc import Sequence
from statistics import mean, stdev
from typing import Any, Literal

import numpy as np

from lesionlab import RESEARCH_ONLY
from lesionlab.base_models import StrictModel
from lesionlab.bundle import GroupMetrics, WithinSourceAuc
from lesionlab.data import Manifest
from lesionlab.evaluation import EvaluatedSubset, dataset_name
from lesionlab.evaluation.groups import measure_groups
from lesionlab.evaluation.predictions import Predictions
from lesionlab.evaluation.results import measure
from lesionlab.experiments.completion import RESAMPLES, describe_platform
from lesionlab.experiments.folds import Fold
from lesionlab.files import sha256_of_json
from lesionlab.metrics import Estimate, MetricsSummary
from lesionlab.recipes import Recipe


class FoldOutcome(StrictModel):
    """Result of one fold.

    Attributes:
        fold: Number of the fold, from 0.
        folder: Run folder, relative to that of the cross-validation.
        bundle: Identity of the model.
        images: Number of images of each subset.
        epochs: Number of trained epochs.
        training_seconds: Duration of the training.
        figures: Overall figures on the images of the fold.
        source: The source that was held out; None for folds by lesion.
        by_source: Figures of the fold by source, with sensitivity and specificity at its model's thresholds.
    """

    fold: int
    folder: str
    bundle: str
    images: dict[str, int]
    epochs: int
    training_seconds: float
    figures: dict[str, Estimate]
    source: str | None = None
    by_source: tuple[GroupMetrics, ...] = ()


class FoldSpread(StrictModel):
    """Distribution of one figure over the folds.

    Attributes:
        mean: Mean.
        sd: Standard deviation, with the number of folds minus one degrees of freedom.
        lowest: Minimum.
        highest: Maximum.
    """

    mean: float
    sd: float
    lowest: float
    highest: float


class CrossValidation(MetricsSummary):
    """The content of a cross-validation's `metrics.json`: figures of the pooled predictions, and the folds.

    The keys are those of an evaluation's `metrics.json`, so that `lesionlab compare` reads both.

    Attributes:
        notice: Limits of use.
        bundle: Name of the recipe and the number of folds.
        task: The task of the models.
        dataset: Sources of the images.
        unseen: Whether no model was fitted on lesions of its test subset.
        leaky: Whether lesions may be shared between training and test.
        lesions_known: Whether the dataset identifies the lesion of each image.
        manifest_sha256: Hash of the manifest.
        split_sha256: Hash of the split into folds, or of the list of the hashes of the splits by source.
        date: Day of writing, ISO 8601.
        environment: Versions, platform, device and precision.
        recipe: All settings, with `{fold}` in place of a fold's number.
        planned: Number of folds in total.
        folds: Finished folds.
        spread: Each overall figure over the finished folds; empty for a single one.
        group_by: `source` if each source was held out in turn; None for folds by lesion.
        by_source: Figures of the pooled predictions by source, without operating points.
        by_confirmation: The same by confirmation of the diagnosis.
        within_source_auc: AUC of the pooled predictions, over all pairs and within source.
    """

    notice: str = RESEARCH_ONLY
    bundle: str
    task: str
    dataset: str
    unseen: bool = True
    leaky: bool
    lesions_known: bool
    manifest_sha256: str
    split_sha256: str
    date: str
    environment: dict[str, str]
    recipe: Recipe
    planned: int
    folds: tuple[FoldOutcome, ...]
    spread: dict[str, FoldSpread]
    group_by: Literal["source"] | None = None
    by_source: tuple[GroupMetrics, ...] = ()
    by_confirmation: tuple[GroupMetrics, ...] = ()
    within_source_auc: tuple[WithinSourceAuc, ...] = ()


def outcome_of(number: int, one: Fold, metrics: dict[str, Any]) -> FoldOutcome:
    """Return the result of a fold from the `metrics.json` of its run."""
    history = one.run.read_history()
    return FoldOutcome(
        fold=number,
        folder=one.run.path.name,
        bundle=metrics["bundle"],
        images={subset: len(ids) for subset, ids in one.split.subsets(one.fold).items()},
        epochs=len(history),
        training_seconds=round(sum(row["seconds"] for row in history), 1),
        figures={name: Estimate.model_validate(value) for name, value in metrics["overall"].items()},
        source=one.source,
        by_source=tuple(GroupMetrics.model_validate(row) for row in metrics["by_source"]),
    )


def summarize(
    recipe: Recipe,
    manifest: Manifest,
    plan: Sequence[Fold],
    outcomes: Sequence[FoldOutcome],
    predictions: Sequence[Predictions],
) -> CrossValidation:
    """Return the results of the folds that are finished.

    Args:
        recipe: The recipe, with `{fold}` in place of a fold's number.
        manifest: The images.
        plan: All folds.
        outcomes: The results of the finished ones, in their order.
        predictions: Their predictions.
    """
    labels = np.concatenate([one.labels for one in predictions])
    probabilities = np.concatenate([one.probabilities for one in predictions])
    predicted = np.concatenate([one.predicted for one in predictions])
    by_id = {record.image_id: record for record in manifest}
    records = tuple(by_id[image_id] for one in predictions for image_id in one.image_ids)
    lesions, task = [record.lesion_id for record in records], predictions[0].task
    metrics = measure(labels, probabilities, lesions, task, predicted=predicted, resamples=RESAMPLES)
    groups = measure_groups(EvaluatedSubset(records, labels, probabilities, (), predicted, metrics, task), ())
    by_source = plan[0].source is not None
    hashes = [one.split.sha256 for one in plan]
    return CrossValidation(
        **dict(metrics),
        bundle=f"{recipe.name} ({f'{len(plan)} sources held out' if by_source else f'{len(plan)} folds'})",
        task=recipe.task,
        dataset=dataset_name(manifest),
        leaky=plan[0].split.leaky,
        lesions_known=manifest.lesions_known,
        manifest_sha256=manifest.sha256,
        split_sha256=sha256_of_json(hashes) if by_source else hashes[0],
        date=dt.datetime.now(dt.UTC).date().isoformat(),
        environment=describe_platform() | plan[outcomes[-1].fold].run.record().environment,
        recipe=recipe,
        planned=len(plan),
        folds=tuple(outcomes),
        spread=_spreads(outcomes),
        group_by="source" if by_source else None,
        by_source=groups.by_source,
        by_confirmation=groups.by_confirmation,
        within_source_auc=groups.within_source_auc,
    )


def _spreads(outcomes: Sequence[FoldOutcome]) -> dict[str, FoldSpread]:
    spreads: dict[str, FoldSpread] = {}
    for name in outcomes[0].figures:
        values = [one.figures[name].value for one in outcomes]
        defined = [value for value in values if value is not None]
        if len(defined) == len(values) > 1:
            spreads[name] = FoldSpread(mean=mean(defined), sd=stdev(defined), lowest=min(defined), highest=max(defined))
    return spreads

"""Figures on other datasets, stored in the bundle for its page."""

from pathlib import Path

from lesionlab.bundle import Bundle, ExternalFigures, GroupMetrics, GroupPoint, save_bundle
from lesionlab.errors import UsageError
from lesionlab.evaluation.card.external import ExternalEvaluation, ExternalPoint, read_external
from lesionlab.metrics import Estimate

_UNDEFINED = Estimate(value=None, low=None, high=None)


def store_external(bundle: Bundle, place: Path) -> Bundle:
    """Add an evaluation on another dataset to the bundle at its path; an earlier one of this dataset is replaced.

    Args:
        bundle: The model, with the results on its own test set.
        place: The folder of `lesionlab evaluate`, or its `metrics.json`.

    Raises:
        DataError: The file is missing or has another format.
        UsageError: It is of another model, or of the model's own dataset, or the bundle has no test results.
        LesionlabError: The bundle cannot be written.
    """
    if bundle.evaluation is None:
        raise UsageError(f"{bundle.path} has no test results to add to; evaluate its run on its own dataset first")
    found = external_figures(read_external(place, bundle.info))
    others = tuple(row for row in bundle.evaluation.external if row.dataset != found.dataset)
    return save_bundle(
        bundle.path,
        bundle.info,
        bundle.graph,
        reference=bundle.reference,
        evaluation=bundle.evaluation.model_copy(update={"external": (*others, found)}),
        training_images=bundle.training_images,
        seen_images=bundle.seen_images,
        clinical=bundle.clinical,
    )


def external_figures(evaluation: ExternalEvaluation) -> ExternalFigures:
    """Return the figures of the main target that the labels of the dataset determine."""
    target, classes = next(iter(evaluation.task_labels.targets.items()))
    overall = evaluation.overall
    figures = GroupMetrics(
        value=evaluation.dataset,
        n_images=evaluation.n_images,
        n_lesions=evaluation.n_lesions,
        n_positive=sum(evaluation.support[code] for code in classes),
        auc=overall[f"{target}_auc"],
        ece=overall.get(f"{target}_ece", _UNDEFINED),
        operating_points=tuple(_point(point) for point in evaluation.operating_points if point.target == target),
    )
    return ExternalFigures(
        dataset=evaluation.dataset,
        date=evaluation.date,
        target=target,
        figures=figures,
        skin_tone=tuple(row for row in evaluation.subgroups if row.group == "skin_tone"),
    )


def _point(point: ExternalPoint) -> GroupPoint:
    def estimate(name: str, value: float | None) -> Estimate:
        low, high = point.intervals.get(name, (None, None))
        return Estimate(value=value, low=low, high=high)

    return GroupPoint(
        name=point.name,
        target=point.target,
        threshold=point.threshold,
        sensitivity=estimate("sensitivity", point.sensitivity),
        specificity=estimate("specificity", point.specificity),
    )

"""The report of an evaluation: one self-contained HTML file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from jinja2 import Template
from markupsafe import Markup

from lesionlab.bundle.operating_points import NOUNS
from lesionlab.bundle.schema import BundleInfo
from lesionlab.bundle.seen_images import SeenCounts
from lesionlab.data import left_out_in_words
from lesionlab.data.groups import DX_TYPES
from lesionlab.evaluation import figures, wording
from lesionlab.evaluation.examples import draw_samples, worst_mistakes
from lesionlab.evaluation.figures.curves import History
from lesionlab.evaluation.groups import GroupResults
from lesionlab.evaluation.results import EvaluatedSubset, target_metric
from lesionlab.evaluation.seen import overlap_in_words
from lesionlab.evaluation.subgroups import MIN_LESIONS
from lesionlab.evaluation.tables import (
    ASSUMED_PREVALENCES,
    PointRow,
    confusion_cells,
    operating_point_rows,
    positives_and_scores,
)
from lesionlab.evaluation.uncertainty import Uncertainty
from lesionlab.metrics import Estimate
from lesionlab.metrics.calibration import target_reliability_bins
from lesionlab.pages import page_environment
from lesionlab.taxonomy import Target

_ECE_SCALE = 0.2  # minimum end of the scale under the ECE


@dataclass(frozen=True)
class ReportContext:
    """Content of a report beside the predictions and metrics.

    Attributes:
        title: Heading of the page.
        bundle: Description of the model.
        dataset: Name of the dataset.
        subset: Evaluated subset in words: "test set, split by lesion".
        unseen: Whether none of the lesions was used to fit, stop or calibrate the model; None if unknown.
        seen: Number of images that the model was fitted to; None if not searched for.
        left_out: Number of images whose label determines no class, by label; they were not evaluated.
        lesions_known: Whether the dataset identifies lesions.
        history: One row per epoch of the training (see `figures.draw_training_curves`); empty if unknown.
        environment: Versions and device of the evaluation by name.
        uncertainty: Prediction sets, selective prediction, net benefit, robustness and subgroups.
        groups: Figures by source and by confirmation, and the AUC within source.
        times_test_was_read: Number of evaluations of this test set including this one; None for other subsets.
    """

    title: str
    bundle: BundleInfo
    dataset: str
    subset: str
    unseen: bool | None = True
    seen: SeenCounts | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
    lesions_known: bool = True
    history: History = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    uncertainty: Uncertainty = field(default_factory=Uncertainty)
    groups: GroupResults = field(default_factory=GroupResults)
    times_test_was_read: int | None = None


@dataclass(frozen=True, slots=True)
class _Tile:
    name: str
    meaning: str
    estimate: Estimate
    lowest: float
    highest: float

    def position(self, value: float) -> float:
        """Return the position of a value on the scale in percent."""
        return round(100 * min(max((value - self.lowest) / (self.highest - self.lowest), 0.0), 1.0), 1)


def render_report(evaluated: EvaluatedSubset, context: ReportContext) -> str:
    """Return the report as one self-contained HTML page with about 22 thumbnails.

    Args:
        evaluated: Images, predictions and metrics.
        context: Further content.
    """
    leaky = context.bundle.training_data.leaky
    points = operating_point_rows(evaluated, context.bundle.operating_points)
    words = wording.terms(evaluated.task)
    return _template().render(
        evaluated=evaluated,
        summary=evaluated.summary,
        context=context,
        bundle=context.bundle,
        leaky=leaky,
        unseen=context.unseen and not leaky,
        overlap=overlap_in_words(context.unseen, context.seen),
        left_out=left_out_in_words(context.left_out, evaluated.task),
        view=wording.view_in_words(len(context.bundle.classes), evaluated.task),
        lesions_known=context.lesions_known and context.bundle.training_data.lesions_known,
        sensitivity=target_metric(evaluated.summary, evaluated.task, "recall"),
        specificity=target_metric(evaluated.summary, evaluated.task, "specificity"),
        tiles=_tiles(evaluated),
        classes=[(code, evaluated.task.name_of(code)) for code in evaluated.task.classes],
        task=evaluated.task,
        words=words,
        confusion=confusion_cells(evaluated),
        points=points,
        assumed_prevalences=ASSUMED_PREVALENCES,
        target_reliability={target: _reliability(evaluated, target) for target in evaluated.task.targets},
        groups=context.groups,
        dx_types=DX_TYPES,
        min_lesions=MIN_LESIONS,
        samples=draw_samples(evaluated),
        mistakes=worst_mistakes(evaluated),
        recipe=json.dumps(context.bundle.recipe, indent=2, ensure_ascii=False, default=str),
        monitored=("lowest " if _monitor(context.bundle) == "loss" else "highest ")
        + _monitor(context.bundle).replace("_", " "),
        **_figures(evaluated, context, points, words),
    )


@cache
def _template() -> Template:
    environment = page_environment(
        number=wording.number, interval=wording.interval, counted=wording.counted, finding=NOUNS.__getitem__
    )
    return environment.get_template("evaluation/report.html.jinja")


def _figures(
    evaluated: EvaluatedSubset, context: ReportContext, points: list[PointRow], words: wording.Terms
) -> dict[str, Markup | dict[str, Markup | None] | None]:
    positive, scores = positives_and_scores(evaluated)
    summary, task, labels, probabilities = (
        evaluated.summary,
        evaluated.task,
        evaluated.labels,
        evaluated.probabilities,
    )
    # For a binary task the curve of the target is the only one.
    panels = {} if task.binary else dict(enumerate(task.classes))
    shown = {code: (labels == index, probabilities[:, index]) for index, code in panels.items()}
    metrics = summary.per_class
    main = next(iter(task.targets))
    marked = [
        figures.MarkedPoint(row.stored.name, row.here.sensitivity, row.here.specificity)
        for row in points
        if row.stored.target == main
    ]
    sensitivity, specificity = (target_metric(summary, task, metric).value for metric in ("recall", "specificity"))
    if sensitivity is not None and specificity is not None:
        marked.append(figures.MarkedPoint("predicted class", sensitivity, specificity, has_threshold=False))
    leaky = context.bundle.training_data.leaky
    mark = wording.LEAKY if leaky else wording.SEEN if context.unseen is False else ""
    auc, ece = target_metric(summary, task, "auc"), summary.overall["ece"]
    return {
        "roc": figures.draw_roc(positive, scores, auc, marked, mark=mark, words=words),
        "class_roc": {c: figures.draw_class_roc(c, *shown[c], metrics[c]["auc"], mark=mark) for c in shown},
        "pr": figures.draw_precision_recall(positive, scores, mark=mark, words=words),
        "class_pr": {
            c: figures.draw_class_precision_recall(c, *shown[c], metrics[c]["average_precision"], mark=mark)
            for c in shown
        },
        "reliability": figures.draw_reliability(labels, probabilities, ece, mark=mark, noun=words.classes[0]),
        "robustness": figures.draw_robustness(context.uncertainty.robustness, mark=mark),
        "curves": figures.draw_training_curves(context.history, monitor=_monitor(context.bundle), leaky=leaky),
    }


def _reliability(evaluated: EvaluatedSubset, target: Target) -> list[tuple[float, float, int]]:
    """Return mean probability, observed share and number of images of the bins that hold an image."""
    bins = target_reliability_bins(*positives_and_scores(evaluated, target))
    rows = zip(bins.confidence.tolist(), bins.accuracy.tolist(), bins.count.tolist(), strict=True)
    return [row for row in rows if row[2]]


def _monitor(info: BundleInfo) -> str:
    """Return the metric of the best epoch."""
    training = info.recipe.get("training")
    return str(training.get("monitor", "balanced_accuracy")) if isinstance(training, dict) else "balanced_accuracy"


def _tiles(evaluated: EvaluatedSubset) -> tuple[_Tile, ...]:
    summary, task, words = evaluated.summary, evaluated.task, wording.terms(evaluated.task)
    overall = summary.overall
    classes = sum(count > 0 for count in summary.support.values())
    recall = f"mean recall of {classes} {words.classes[classes > 1]}"
    scale_end = max(_ECE_SCALE, overall["ece"].high or 0.0)
    against = f"{words.positive} against {words.negative}; chance level 0.50"
    area = _Tile(f"{words.positive.capitalize()} AUC", against, target_metric(summary, task, "auc"), 0.5, 1)
    if task.binary:
        balance = f"harmonic mean of precision and recall for {words.positives}"
        f1 = target_metric(summary, task, "f1")
        between = (area, _Tile(f"{words.positive.capitalize()} F1", balance, f1, 0, 1))
    else:
        macro = "each diagnosis against the rest; chance level 0.50"
        between = (_Tile("Macro AUC", macro, overall["macro_auc"], 0.5, 1), area)
    return (
        _Tile("Balanced accuracy", f"{recall}; chance level {1 / classes:.2f}", overall["balanced_accuracy"], 0, 1),
        *between,
        _Tile("Calibration error (ECE)", "gap between confidence and accuracy", overall["ece"], 0, scale_end),
    )

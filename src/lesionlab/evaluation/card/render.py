"""Rendering of a bundle's model card and of its appendix."""

import json
from collections.abc import Sequence
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import ValidationError

from lesionlab import RESEARCH_ONLY, __version__
from lesionlab.attribution.result import ModelCheck
from lesionlab.bundle import Bundle, BundleInfo, EvaluationSummary, OperatingPoint
from lesionlab.bundle.operating_points import NOUNS
from lesionlab.data.groups import DX_TYPES
from lesionlab.evaluation.card import markdown
from lesionlab.evaluation.card.external import ExternalEvaluation, ExternalPoint
from lesionlab.evaluation.seen import overlap_in_words
from lesionlab.evaluation.subgroups import MIN_LESIONS
from lesionlab.evaluation.tables import ASSUMED_PREVALENCES
from lesionlab.evaluation.wording import counted, number_word, task_in_words, terms
from lesionlab.images.formats import FORMATS
from lesionlab.metrics import Estimate, predictive_values
from lesionlab.prediction.decision.risk import DEFAULT_SENSITIVITY
from lesionlab.prediction.explanation.class_activation import METHOD
from lesionlab.recipes import Recipe
from lesionlab.taxonomy import TASKS

# Per core of an unknown processor: Lannelongue et al., Green Algorithms, Adv. Sci. 8, 2100707 (2021).
_WATTS_PER_CORE = 12.0

METRICS = {
    "balanced_accuracy": ("Balanced accuracy", "mean recall of the classes that occur"),
    "accuracy": ("Accuracy", "share of correct predictions"),
    "macro_f1": ("Macro F1", "mean F1 of the classes"),
    "weighted_f1": ("Weighted F1", "mean F1 of the classes, weighted by their numbers of images"),
    "macro_auc": ("Macro AUC", "mean over the classes, each against the rest"),
    "malignant_auc": ("AUC, malignant against benign", "ranked by P(malignant)"),
    "malignant_recall": (
        "Sensitivity for malignancy of the predicted class",
        "positive: a malignant class is predicted",
    ),
    "malignant_specificity": ("Specificity for malignancy of the predicted class", "as above"),
    "malignant_precision": ("PPV for malignancy of the predicted class", "as above"),
    "melanoma_auc": ("AUC, melanoma against the rest", "ranked by P(melanoma)"),
    "ece": ("Expected calibration error", "gap between confidence and accuracy; the interval is biased upward"),
    "malignant_ece": (
        "Calibration error of P(malignant)",
        "gap between P(malignant) and the share of malignant images",
    ),
    "malignant_calibration_in_the_large": ("Mean P(malignant) minus share of malignant images", "0 is best"),
    "melanoma_ece": ("Calibration error of P(melanoma)", "as for P(malignant)"),
    "melanoma_calibration_in_the_large": ("Mean P(melanoma) minus the share of melanomas", "0 is best"),
    "classwise_ece": ("Classwise calibration error", "mean over the classes of the calibration error of each"),
    "malignant_brier": ("Brier score of P(malignant)", "reliability - resolution + uncertainty"),
    "malignant_brier_reliability": ("Its reliability", "due to miscalibration; lower is better"),
    "malignant_brier_resolution": ("Its resolution", "separation of malignant from benign; higher is better"),
    "malignant_brier_uncertainty": ("Its uncertainty", "score of the constant prevalence"),
    "brier": ("Brier score", "squared error of the probabilities, summed over the classes"),
    "nll": ("Negative log-likelihood", "per image"),
}
_UNDEFINED = Estimate(value=None, low=None, high=None)


def render_card(
    bundle: Bundle, external: Sequence[ExternalEvaluation] = (), explained: ModelCheck | None = None
) -> str:
    """Return the model card of a bundle as Markdown, with intervals as far as the bundle has them.

    Args:
        bundle: The model.
        external: Evaluations on other datasets; see `read_external`.
        explained: Measures of its explanations; see `read_explanations`.
    """
    return _render("card.md.jinja", bundle, external, explained)


def render_appendix(
    bundle: Bundle, external: Sequence[ExternalEvaluation] = (), explained: ModelCheck | None = None
) -> str:
    """Return the appendix of the card as Markdown: all metrics, the recipe, and the reporting checklists.

    The arguments are those of `render_card`.
    """
    return _render("appendix.md.jinja", bundle, external, explained)


def _render(template: str, bundle: Bundle, external: Sequence[ExternalEvaluation], explained: ModelCheck | None) -> str:
    info, evaluation = bundle.info, bundle.evaluation
    task, data = TASKS[info.task], info.training_data
    points = evaluation.operating_points if evaluation is not None else info.operating_points
    text = (
        _templates()
        .get_template(template)
        .render(
            bundle=bundle,
            info=info,
            data=data,
            evaluation=evaluation,
            overall=evaluation.overall if evaluation is not None else info.metrics,
            points=points,
            external=external,
            explained=explained,
            leaky=data.leaky or (evaluation is not None and evaluation.leaky),
            task=task,
            words=terms(task),
            diagnosis=task.of_diagnoses,
            number=number_word(len(task.classes)),
            headlines=_headlines,
            overlap=overlap_in_words,
            recipe=_recipe(info),
            settings=json.dumps(info.recipe, indent=2, ensure_ascii=False, default=str),
            predictive=_predictive,
            main_points=_main_points,
            nouns=NOUNS,
            prevalences=ASSUMED_PREVALENCES,
            explanation=METHOD,
            energy=_energy(info),
            formats=FORMATS,
            metrics=METRICS if task.tells_malignancy else {k: v for k, v in METRICS.items() if "malignant" not in k},
            dx_types=DX_TYPES,
            small=MIN_LESIONS,
            small_groups=_small_groups(evaluation),
            research_only=RESEARCH_ONLY,
            version=__version__,
        )
    )
    return markdown.tidy(text)


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("lesionlab.evaluation.card", ""),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - the output is Markdown; `plain` and `code` escape foreign text
    )
    environment.filters |= {
        "counted": counted,
        "hours": _hours,
        "in_words": task_in_words,
        "plain": markdown.plain,
        "code": markdown.code,
        "link": markdown.link,
        "estimate": markdown.estimate,
        "share": markdown.share,
        "figure": _figure_of,
        "defined": lambda figure, leaky: markdown.estimate(figure or _UNDEFINED, leaky),
        "zipped": lambda *columns: zip(*columns, strict=True),
    }
    return environment


def _recipe(info: BundleInfo) -> Recipe | None:
    """Return the recipe; None for one of another version."""
    try:
        return Recipe.model_validate(info.recipe)
    except ValidationError:
        return None


def _energy(info: BundleInfo) -> float | None:
    """Return the estimated energy of a training on a CPU, kWh; None for other devices or if the time is unknown."""
    time, threads = info.training_time, info.versions.get("threads", "")
    if time is None or info.versions.get("accelerator") != "cpu" or not threads.isdecimal():
        return None
    return (time.seconds + (time.earlier_seconds or 0.0)) / 3600 * int(threads) * _WATTS_PER_CORE / 1000


def _hours(seconds: float) -> str:
    """Return a time in words: minutes below 90 minutes, else hours."""
    return counted(round(seconds / 60), "minute") if seconds < 5400 else f"{seconds / 3600:.1f} hours"


def _headlines(evaluation: EvaluationSummary | ExternalEvaluation | None) -> list[tuple[str, Estimate]]:
    """Return the three main metrics, as far as the task defines them."""
    if evaluation is None:
        return []
    overall, classes = evaluation.overall, evaluation.classes
    names = ["balanced_accuracy", "malignant_auc", "melanoma_auc"]
    found = [(METRICS[name][0], overall[name]) for name in names if name in overall]
    if len(classes) == 2:
        auc = evaluation.per_class.get(classes[1], {}).get("auc")
        found = found[:1] + ([] if auc is None else [("AUC", auc)])
    return [(name, figure) for name, figure in found if figure.value is not None]


def _small_groups(evaluation: EvaluationSummary | None) -> list[str]:
    """Return the classes and subgroups with fewer than `MIN_LESIONS` lesions, in words."""
    if evaluation is None:
        return []
    # The bundle counts the images of a class, not its lesions.
    classes = [f"class {markdown.code(code)}" for code, count in evaluation.support.items() if count < MIN_LESIONS]
    groups = [
        f"{row.group.replace('dx_type', 'confirmed by')} {markdown.plain(DX_TYPES.get(row.value, row.value))}"
        for row in evaluation.subgroups
        if row.n_lesions < MIN_LESIONS
    ]
    return classes + groups


def _figure_of(point: OperatingPoint | ExternalPoint, name: str, leaky: bool) -> str:
    """Return one figure of a threshold with its interval, if it is stored."""
    low, high = point.intervals.get(name, (None, None))
    return markdown.estimate(Estimate(value=getattr(point, name), low=low, high=high), leaky)


def _main_points(points: Sequence[OperatingPoint | ExternalPoint]) -> list[OperatingPoint | ExternalPoint]:
    """Return the threshold behind the default risk level, or the first one."""
    target = points[0].target if points else None
    wanted = [p for p in points if (p.target, p.target_sensitivity) == (target, DEFAULT_SENSITIVITY)]
    return (wanted or list(points))[:1]


def _predictive(points: Sequence[OperatingPoint | ExternalPoint]) -> dict[str, list[tuple[float, float]]]:
    """Return PPV and NPV at the assumed prevalences by operating point."""
    return {
        point.purpose: [predictive_values(point.sensitivity, point.specificity, p) for p in ASSUMED_PREVALENCES]
        for point in points
        if point.sensitivity is not None and point.specificity is not None
    }

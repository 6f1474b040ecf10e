"""From a bundle to the text of its model card."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from lesionlab import RESEARCH_ONLY, __version__
from lesionlab.attribution.result import ModelCheck
from lesionlab.bundle import Bundle, EvaluationSummary, OperatingPoint, Subgroup
from lesionlab.evaluation.card import decision, markdown
from lesionlab.evaluation.card.checklists import CLAIM, TRIPOD_AI, Fact, Item, Status
from lesionlab.evaluation.card.datasets import DATASETS
from lesionlab.evaluation.card.energy import estimated_energy, hours
from lesionlab.evaluation.card.external import ExternalEvaluation, ExternalPoint
from lesionlab.evaluation.card.recipe import architecture, read_recipe, training_rows
from lesionlab.evaluation.subgroups import FEWEST_LESIONS
from lesionlab.evaluation.tables import ASSUMED_PREVALENCES, DX_TYPES
from lesionlab.evaluation.wording import counted, terms
from lesionlab.images.decode import FORMATS
from lesionlab.metrics import Estimate, predictive_values
from lesionlab.prediction.explanation.class_activation import METHOD
from lesionlab.taxonomy import DIAGNOSIS, TASKS

_METRICS = {
    "balanced_accuracy": ("Balanced accuracy", "mean recall of the classes that occur"),
    "accuracy": ("Accuracy", "share of images with the right decision"),
    "macro_f1": ("Macro F1", "mean of the classes' F1"),
    "weighted_f1": ("Weighted F1", "the same, weighted by the classes' numbers of images"),
    "macro_auc": ("Macro AUC", "mean over classes, each against the rest"),
    "malignant_auc": ("AUC, malignant against benign", "ranked by P(malignant)"),
    "malignant_recall": (
        "Sensitivity for malignancy of the decision",
        "no threshold; the decision is a malignant class",
    ),
    "malignant_specificity": ("Specificity for malignancy of the decision", "the same"),
    "malignant_precision": ("PPV for malignancy of the decision", "the same"),
    "melanoma_auc": ("AUC, melanoma against the rest", "ranked by P(melanoma)"),
    "ece": ("Expected calibration error", "claimed against true certainty; 0 is best; the interval is biased upward"),
    "brier": ("Brier score", "squared error of the probabilities, summed over classes; 0 is best"),
    "nll": ("Negative log likelihood", "0 is best"),
}
_CLASS_METRICS = {
    "recall": "recall (sensitivity)",
    "specificity": "specificity",
    "precision": "precision (PPV)",
    "f1": "F1",
    "auc": "AUC",
    "average_precision": "average precision",
}
_UNDEFINED = Estimate(value=None, low=None, high=None)  # what a subgroup does not define is None
_GROUPS = {
    "source": "source of the image",
    "sex": "sex",
    "age": "age in years",
    "site": "site on the body",
    "dx_type": "how the diagnosis was confirmed (`dx_type`)",
    "skin_tone": "skin tone, estimated from the picture's margin (individual typology angle)",
}


@dataclass(frozen=True, slots=True)
class _Elsewhere:
    """An operating point at another prevalence than it was measured at."""

    purpose: str
    prevalence: float
    ppv: float
    npv: float


def render_card(
    bundle: Bundle, external: Sequence[ExternalEvaluation] = (), explained: ModelCheck | None = None
) -> str:
    """Return the model card of a bundle as Markdown.

    Every number has its interval where the bundle has one; what is not known is said to be not known.

    Args:
        bundle: The model.
        external: What was measured of it on other datasets; see `read_external`.
        explained: What was measured of its explanations; see `read_explanations`.
    """
    info, evaluation = bundle.info, bundle.evaluation
    task, recipe, data = TASKS[info.task], read_recipe(info.recipe), info.training_data
    points = evaluation.operating_points if evaluation is not None else info.operating_points
    facts = _facts(bundle, external, readable=recipe is not None)
    environment = Environment(
        loader=PackageLoader("lesionlab.evaluation.card", ""),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - what comes out is Markdown; `plain` and `code` disarm what others wrote
    )
    environment.filters |= {
        "counted": counted,
        "hours": hours,
        "plain": markdown.plain,
        "code": markdown.code,
        "link": markdown.link,
        "anchor": markdown.anchor,
        "estimate": markdown.estimate,
        "share": markdown.share,
        "figure": _figure_of,
        "defined": lambda figure, leaky: markdown.estimate(figure or _UNDEFINED, leaky),
        "zipped": lambda *columns: zip(*columns, strict=True),
    }
    text = environment.get_template("card.md.jinja").render(
        bundle=bundle,
        info=info,
        data=data,
        evaluation=evaluation,
        overall=evaluation.overall if evaluation is not None else info.metrics,
        external=external,
        leaky=data.leaky or (evaluation is not None and evaluation.leaky),
        task=task,
        words=terms(task),
        diagnosis=task is DIAGNOSIS,
        headlines=_headlines(evaluation),
        headlines_of=_headlines,
        architecture=None if recipe is None else architecture(recipe),
        views=None if recipe is None else recipe.inference.tta,
        training=None if recipe is None else training_rows(recipe, info.versions.get("starting weights")),
        settings=json.dumps(info.recipe, indent=2, ensure_ascii=False, default=str),
        datasets={name: DATASETS.get(name) for name in data.sources},
        limits=[limit for name in data.sources if name in DATASETS for limit in DATASETS[name].limits],
        calibration=decision.calibration_words(info.calibration),
        methods=decision.methods_words(info.calibration),
        decision=decision.decision_words(info.decision_rule, info),
        patient=decision.patient_words(info.patient_effects),
        refusals=decision.refusal_rows(bundle),
        points=points,
        elsewhere=_elsewhere,
        explanation=METHOD,
        energy=estimated_energy(info),
        explained=explained,
        formats=FORMATS,
        metrics=_METRICS if task.tells_malignancy else {k: v for k, v in _METRICS.items() if "malignant" not in k},
        class_metrics=_CLASS_METRICS,
        groups=_grouped(evaluation),
        group_names=_GROUPS,
        dx_types=DX_TYPES,
        small=FEWEST_LESIONS,
        small_groups=_small_groups(evaluation),
        checklists={"claim": _answered(CLAIM, facts), "tripod": _answered(TRIPOD_AI, facts)},
        research_only=RESEARCH_ONLY,
        version=__version__,
    )
    return markdown.tidy(text)


def _facts(bundle: Bundle, external: Sequence[ExternalEvaluation], *, readable: bool) -> set[Fact]:
    evaluation, sources = bundle.evaluation, bundle.info.training_data.sources
    found = {
        Fact.EVALUATED: evaluation is not None,
        Fact.EXTERNAL: bool(external),
        Fact.EXPLAINS: bundle.explainable,
        Fact.DATASET: bool(sources) and all(name in DATASETS for name in sources),
        Fact.RECIPE: readable,
        Fact.SUBGROUPS: evaluation is not None and bool(evaluation.subgroups),
    }
    return {fact for fact, holds in found.items() if holds}


def _headlines(evaluation: EvaluationSummary | ExternalEvaluation | None) -> list[tuple[str, Estimate]]:
    """Return the three figures that a reader looks for first, those that the task has."""
    if evaluation is None:
        return []
    overall, classes = evaluation.overall, evaluation.classes
    names = ["balanced_accuracy", "malignant_auc", "melanoma_auc"]
    found = [(_METRICS[name][0], overall[name]) for name in names if name in overall]
    if len(classes) == 2:
        auc = evaluation.per_class.get(classes[1], {}).get("auc")
        found = found[:1] + ([] if auc is None else [("AUC", auc)])
    return [(name, figure) for name, figure in found if figure.value is not None]


def _grouped(evaluation: EvaluationSummary | None) -> dict[str, list[Subgroup]]:
    rows = () if evaluation is None else evaluation.subgroups
    return {group: [row for row in rows if row.group == group] for group in _GROUPS}


def _small_groups(evaluation: EvaluationSummary | None) -> list[str]:
    """Return the classes and subgroups that are too small to say much of, in words."""
    if evaluation is None:
        return []
    # The bundle counts images of a class, not its lesions; there cannot be more lesions than images.
    classes = [f"class {markdown.code(code)}" for code, count in evaluation.support.items() if count < FEWEST_LESIONS]
    groups = [
        f"{row.group.replace('dx_type', 'confirmed by')} {markdown.plain(DX_TYPES.get(row.value, row.value))}"
        for row in evaluation.subgroups
        if row.n_lesions < FEWEST_LESIONS
    ]
    return classes + groups


def _figure_of(point: OperatingPoint | ExternalPoint, name: str, leaky: bool) -> str:
    """Return one figure of a threshold with its interval, where it is kept."""
    low, high = point.intervals.get(name, (None, None))
    return markdown.estimate(Estimate(value=getattr(point, name), low=low, high=high), leaky)


def _elsewhere(points: Sequence[OperatingPoint | ExternalPoint]) -> list[_Elsewhere]:
    return [
        _Elsewhere(point.purpose, prevalence, *predictive_values(sensitivity, specificity, prevalence))
        for point in points
        if (sensitivity := point.sensitivity) is not None and (specificity := point.specificity) is not None
        for prevalence in ASSUMED_PREVALENCES
    ]


def _answered(items: Sequence[Item], facts: set[Fact]) -> dict[str, object]:
    answers = [item.answered(facts) for item in items]
    counts = Counter(decision.status for decision in answers)
    return {
        "rows": list(zip((item.topic for item in items), answers, strict=True)),
        "counts": [(status, counts[status]) for status in Status if counts[status]],
    }

"""The report of an evaluation: one HTML file that asks nothing of the network and nothing of its reader's patience."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from lesionlab import RESEARCH_ONLY, __version__
from lesionlab.bundle.schema import BundleInfo
from lesionlab.evaluation import figures, wording
from lesionlab.evaluation.examples import draw_samples, worst_mistakes
from lesionlab.evaluation.figures.curves import History
from lesionlab.evaluation.figures.style import COLOURS
from lesionlab.evaluation.results import EvaluatedSubset, of_sought
from lesionlab.evaluation.subgroups import FEWEST_LESIONS
from lesionlab.evaluation.tables import (
    ASSUMED_PREVALENCES,
    PointRow,
    confirmation_rows,
    confusion_cells,
    operating_point_rows,
    positives_and_scores,
)
from lesionlab.evaluation.uncertainty import Uncertainty
from lesionlab.metrics import Estimate

_WIDEST_ECE = 0.2  # scale of the bar under the ECE, unless its interval reaches further


@dataclass(frozen=True)
class ReportContext:
    """What a report says beside the results.

    Attributes:
        title: Heading of the page.
        bundle: Description of the model.
        dataset: Name of the dataset.
        part: Which part of it was evaluated, in words: "test part, split by lesion".
        unseen: Whether none of the lesions was used to fit, stop or calibrate the model.
        lesions_known: Whether the dataset tells which images show one lesion.
        history: One row per epoch of the training (see `figures.draw_training_curves`), empty if unknown.
        environment: Versions and device of the evaluation, by name.
        trust: Prediction sets, leaving out doubtful images, net benefit.
        times_test_was_read: How often this test part was evaluated so far, this time included, if known.
    """

    title: str
    bundle: BundleInfo
    dataset: str
    subset: str
    unseen: bool = True
    lesions_known: bool = True
    history: History = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    trust: Uncertainty = field(default_factory=Uncertainty)
    times_test_was_read: int | None = None


@dataclass(frozen=True, slots=True)
class _Tile:
    name: str
    meaning: str
    estimate: Estimate
    lowest: float
    highest: float

    def place(self, value: float) -> float:
        """Return where a value lies on the bar, in percent."""
        return round(100 * min(max((value - self.lowest) / (self.highest - self.lowest), 0.0), 1.0), 1)


def render_report(case: EvaluatedSubset, context: ReportContext) -> str:
    """Return the report as one self-contained HTML page.

    Thumbnails of about 22 images are part of it, under their maps as well where the model has such; an image that
    cannot be read is left out with a word.

    Args:
        case: The images, the answers and their metrics.
        context: What is said beside them.
    """
    leaky = context.bundle.training_data.leaky
    points = operating_point_rows(case, context.bundle.operating_points)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"number": wording.number, "interval": wording.interval, "counted": wording.counted}
    return environment.from_string(_resource("report.html.jinja")).render(
        case=case,
        summary=case.summary,
        context=context,
        bundle=context.bundle,
        leaky=leaky,
        unseen=context.unseen and not leaky,
        lesions_known=context.lesions_known and context.bundle.training_data.lesions_known,
        answer=_answer(case, leaky=leaky),
        tiles=_tiles(case),
        classes=[(code, case.task.name_of(code)) for code in case.task.classes],
        task=case.task,
        words=wording.terms(case.task),
        confusion=confusion_cells(case),
        points=points,
        assumed_prevalences=ASSUMED_PREVALENCES,
        groups=confirmation_rows(case),
        fewest_lesions=FEWEST_LESIONS,
        samples=draw_samples(case),
        mistakes=worst_mistakes(case),
        recipe=json.dumps(context.bundle.recipe, indent=2, ensure_ascii=False, default=str),
        style=Markup(_resource("report.css")),  # noqa: S704 - a file of the package
        palettes={"light": _palette("light"), "dark": _palette("dark")},
        monitored=("lowest " if _monitor(context.bundle) == "loss" else "highest ")
        + _monitor(context.bundle).replace("_", " "),
        research_only=RESEARCH_ONLY,
        version=__version__,
        **_figures(case, context, points, leaky=leaky),
    )


def _figures(
    case: EvaluatedSubset, context: ReportContext, points: list[PointRow], *, leaky: bool
) -> dict[str, Markup | dict[str, Markup | None] | None]:
    positive, scores = positives_and_scores(case)
    words, summary = wording.terms(case.task), case.summary
    # One against the rest is all there is to draw for two classes.
    panels = {} if case.task.binary else dict(enumerate(case.task.classes))
    shown = {code: (case.labels == index, case.probabilities[:, index]) for index, code in panels.items()}
    metrics = summary.per_class
    main = next(iter(case.task.targets))
    marked = [
        figures.MarkedPoint(row.short_name, row.here.sensitivity, row.here.specificity)
        for row in points
        if row.stated.target == main
    ]
    found, cleared = (of_sought(summary, case.task, metric).value for metric in ("recall", "specificity"))
    if found is not None and cleared is not None:
        marked.append(figures.MarkedPoint("the answer", found, cleared, chosen=False))
    auc, ece = of_sought(summary, case.task, "auc"), summary.overall["ece"]
    return {
        "roc": figures.draw_roc(positive, scores, auc, marked, leaky=leaky, words=words),
        "class_roc": {c: figures.draw_class_roc(c, *shown[c], metrics[c]["auc"], leaky=leaky) for c in shown},
        "pr": figures.draw_precision_recall(positive, scores, leaky=leaky, words=words),
        "class_pr": {
            c: figures.draw_class_precision_recall(c, *shown[c], metrics[c]["average_precision"], leaky=leaky)
            for c in shown
        },
        "reliability": figures.draw_reliability(case.labels, case.probabilities, ece, leaky=leaky, answer=words.answer),
        "robustness": figures.draw_robustness(context.trust.robustness, leaky=leaky),
        "curves": figures.draw_training_curves(context.history, monitor=_monitor(context.bundle), leaky=leaky),
    }


def _monitor(info: BundleInfo) -> str:
    """Return the metric that the best epoch was chosen by."""
    training = info.recipe.get("training")
    return str(training.get("monitor", "balanced_accuracy")) if isinstance(training, dict) else "balanced_accuracy"


def _answer(case: EvaluatedSubset, *, leaky: bool) -> str:
    """Return the first sentence of the page: what the model does, in counts out of a hundred."""
    words = wording.terms(case.task)
    found = wording.out_of_100(of_sought(case.summary, case.task, "recall"), leaky=leaky)
    cleared = wording.out_of_100(of_sought(case.summary, case.task, "specificity"), leaky=leaky)
    sentences = []
    if found:
        sentences.append(f"Of 100 images of {words.positives} it calls {found} {words.positive}")
    if cleared:
        sentences.append(f"of 100 images of {words.negatives} it calls {cleared} {words.negative}")
    text = "; ".join(sentences) + "."
    return text[0].upper() + text[1:]


def _tiles(case: EvaluatedSubset) -> tuple[_Tile, ...]:
    overall, words = case.summary.overall, wording.terms(case.task)
    classes = sum(count > 0 for count in case.summary.support.values())
    recall = f"mean recall of {classes} {words.answer if classes == 1 else words.answers}"
    widest = max(_WIDEST_ECE, overall["ece"].high or 0.0)
    against = f"{words.positive} against {words.negative}; guessing gives 0.50"
    area = _Tile(f"{words.positive.capitalize()} AUC", against, of_sought(case.summary, case.task, "auc"), 0.5, 1)
    if case.task.binary:
        balance = f"harmonic mean of precision and recall for {words.positives}"
        f1 = of_sought(case.summary, case.task, "f1")
        between = (area, _Tile(f"{words.positive.capitalize()} F1", balance, f1, 0, 1))
    else:
        macro = "each diagnosis against the rest; guessing gives 0.50"
        between = (_Tile("Macro AUC", macro, overall["macro_auc"], 0.5, 1), area)
    return (
        _Tile("Balanced accuracy", f"{recall}; guessing gives {1 / classes:.2f}", overall["balanced_accuracy"], 0, 1),
        *between,
        _Tile("Calibration error (ECE)", "claimed against true certainty; lower is better", overall["ece"], 0, widest),
    )


def _palette(page: str) -> Markup:
    """Return the colours that page and figures share as CSS declarations."""
    return Markup(  # noqa: S704 - constants of the package
        " ".join(f"--{colour.variable}: {colour.light if page == 'light' else colour.dark};" for colour in COLOURS)
    )


def _resource(name: str) -> str:
    return (files("lesionlab.evaluation") / name).read_text(encoding="utf-8")

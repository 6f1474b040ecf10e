"""Precision-recall curves with the prevalence as their baseline: what a rare class costs in false alarms."""

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from lesionlab.evaluation.figures.style import (
    ACCENT,
    CLASS_COLOURS,
    FULL_WIDTH,
    MUTED,
    drawing_settings,
    new_figure,
    new_panel,
    on_page,
    thin,
    to_inline_svg,
    unit_axes,
)
from lesionlab.evaluation.wording import MALIGNANCY, Terms, short_estimate
from lesionlab.metrics import Estimate
from lesionlab.metrics.ranking import average_precision, precision_recall_curve
from lesionlab.taxonomy import BY_CODE

_HIGH = 0.9  # a baseline above it has its label below the line
_LOW = 0.15  # a baseline below it leaves no room under itself


def draw_precision_recall(
    positive: np.ndarray, scores: np.ndarray, *, leaky: bool, words: Terms = MALIGNANCY
) -> Markup | None:
    """Draw precision against recall for what is looked for; None where no image shows it.

    Args:
        positive: bool [images], whether the lesion is malignant, or a melanoma.
        scores: float [images], probability of that.
        leaky: Whether to mark the numbers as leaky.
        words: What is looked for, in words.
    """
    if not positive.any():
        return None
    mark = " leaky" if leaky else ""
    with drawing_settings():
        figure = new_figure(FULL_WIDTH, 368)
        axes = figure.add_subplot()
        _draw_curve(axes, positive, scores, on_page(ACCENT))
        precision = f"Of those called {words.positive}, truly so (precision)"
        unit_axes(axes, across=f"{words.found} found (recall)", up=precision)
        area, prevalence = float(average_precision(positive, scores)), float(positive.mean())
        below = prevalence > _HIGH
        axes.text(
            0.01,
            prevalence + (-0.02 if below else 0.02),
            f"prevalence {prevalence:.2f}",
            va="top" if below else "bottom",
            color=on_page(MUTED),
            fontsize=10,
        )
        where = 0.03 if prevalence > _LOW else prevalence + 0.12
        axes.text(
            0.01, where, f"average precision {area:.2f}{mark}", color=on_page(ACCENT), fontweight="bold", va="bottom"
        )
        figures = f"Average precision {area:.2f}{mark}, prevalence {prevalence:.2f}"
        label = f"Precision-recall curve for {words.disease}. {figures}"
        return to_inline_svg(figure, "pr", label)


def draw_class_precision_recall(
    code: str, positive: np.ndarray, scores: np.ndarray, area: Estimate, *, leaky: bool
) -> Markup | None:
    """Draw a small precision-recall curve of one class against the rest; None where the class has no image.

    Args:
        code: The class.
        positive: bool [images], whether the image shows it.
        scores: float [images], its probability.
        area: Average precision with its interval.
        leaky: Whether to mark the numbers as leaky.
    """
    if not positive.any():
        return None
    with drawing_settings():
        figure, axes = new_panel()
        _draw_curve(axes, positive, scores, on_page(CLASS_COLOURS[code]))
        unit_axes(axes, across="", up="")
        label = (
            f"Precision-recall curve of {BY_CODE[code].name}. Average precision {short_estimate(area, leaky=leaky)}, "
            f"prevalence {positive.mean():.3f}"
        )
        return to_inline_svg(figure, f"pr-{code}", label)


def _draw_curve(axes: Axes, positive: np.ndarray, scores: np.ndarray, colour: str) -> None:
    curve = precision_recall_curve(positive, scores)
    axes.axhline(float(positive.mean()), color=on_page(MUTED), linewidth=1, linestyle=(0, (2, 3)))
    # Steps, as average precision counts them: between two thresholds no precision can be claimed.
    across, up = thin(curve.recall, curve.precision)
    axes.fill_between(across, up, step="pre", color=colour, alpha=0.1, linewidth=0)
    axes.plot(across, up, color=colour, drawstyle="steps-pre")

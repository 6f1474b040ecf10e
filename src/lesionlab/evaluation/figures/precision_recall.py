"""Precision-recall curves with the prevalence as baseline."""

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

_HIGH = 0.9  # above it the label of the baseline is drawn below the line
_LOW = 0.15  # below it there is no space under the baseline


def draw_precision_recall(
    positive: np.ndarray, scores: np.ndarray, *, leaky: bool, words: Terms = MALIGNANCY
) -> Markup | None:
    """Draw precision against recall for the target; None without positive images.

    Args:
        positive: Whether each image is positive for the target, bool [N].
        scores: Target probability, float [N].
        leaky: Whether to mark the numbers as leaky.
        words: Terms of the task.
    """
    if not positive.any():
        return None
    mark = " leaky" if leaky else ""
    with drawing_settings():
        figure = new_figure(FULL_WIDTH, 368)
        axes = figure.add_subplot()
        _draw_curve(axes, positive, scores, on_page(ACCENT))
        unit_axes(axes, across=f"{words.recall_label} detected (recall)", up="Precision (PPV)")
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
        height = 0.03 if prevalence > _LOW else prevalence + 0.12
        axes.text(
            0.01, height, f"average precision {area:.2f}{mark}", color=on_page(ACCENT), fontweight="bold", va="bottom"
        )
        figures = f"Average precision {area:.2f}{mark}, prevalence {prevalence:.2f}"
        label = f"Precision-recall curve for {words.target}. {figures}"
        return to_inline_svg(figure, "pr", label)


def draw_class_precision_recall(
    code: str, positive: np.ndarray, scores: np.ndarray, area: Estimate, *, leaky: bool
) -> Markup | None:
    """Draw a small precision-recall curve of one class against the rest; None without images of the class.

    Args:
        code: Code of the class.
        positive: Whether each image is of the class, bool [N].
        scores: Its probability, float [N].
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
    # Step interpolation, consistent with average precision.
    across, up = thin(curve.recall, curve.precision)
    axes.fill_between(across, up, step="pre", color=colour, alpha=0.1, linewidth=0)
    axes.plot(across, up, color=colour, drawstyle="steps-pre")

"""ROC and precision-recall curves of the target and of each class against the rest."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from lesionlab.evaluation.figures.style import (
    FULL_WIDTH,
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
from lesionlab.metrics.ranking import average_precision, precision_recall_curve, roc_curve
from lesionlab.pages.colours import ACCENT, CARD, CLASS_COLOURS, INK, MUTED
from lesionlab.taxonomy import BY_CODE

_LABEL_STEP = 0.065  # minimum distance of two labels: a line of text in units of the axis
_HIGH = 0.9  # above it the label of the baseline is drawn below the line
_LOW = 0.15  # below it there is no space under the baseline
_LEFT = 0.35  # marks left of it have their label on the right


@dataclass(frozen=True, slots=True)
class MarkedPoint:
    """A decision marked on the curve.

    Attributes:
        name: Name of the decision.
        sensitivity: Its sensitivity.
        specificity: Its specificity.
        has_threshold: True for an operating point, False for the predicted class.
    """

    name: str
    sensitivity: float
    specificity: float
    has_threshold: bool = True


def draw_roc(
    positive: np.ndarray,
    scores: np.ndarray,
    auc: Estimate,
    points: Sequence[MarkedPoint],
    *,
    mark: str,
    words: Terms = MALIGNANCY,
) -> Markup | None:
    """Draw the ROC curve of the target with marked decisions.

    Args:
        positive: Whether each image is positive for the target, bool [N].
        scores: Target probability, float [N].
        auc: Area under the curve with its interval.
        points: Decisions to mark, measured on these images.
        mark: Word behind every number: `leaky`, `seen`, or empty.
        words: Terms of the task.

    Returns:
        The figure; None without positives or without negatives.
    """
    if positive.all() or not positive.any():
        return None
    with drawing_settings():
        figure = new_figure(FULL_WIDTH, 368)
        axes = figure.add_subplot()
        _draw_roc_curve(axes, positive, scores, on_page(ACCENT))
        false_alarms = f"False positive rate: {words.others} (1 - specificity)"
        unit_axes(axes, across=false_alarms, up=f"{words.recall_label} detected (sensitivity)")
        area = short_estimate(auc, mark=mark)
        axes.text(0.99, 0.03, f"AUC {area}", ha="right", color=on_page(ACCENT), fontweight="bold")
        _mark(axes, points, mark=mark)
        named = "; ".join(f"{p.name}: sensitivity {p.sensitivity:.2f}, specificity {p.specificity:.2f}" for p in points)
        label = f"ROC curve, {words.positive} against {words.negative}. Area under the curve {area}. {named}"
        return to_inline_svg(figure, "roc", label)


def draw_class_roc(code: str, positive: np.ndarray, scores: np.ndarray, auc: Estimate, *, mark: str) -> Markup | None:
    """Draw a small ROC curve of one class against the rest; None if one of them has no images.

    Args:
        code: Code of the class.
        positive: Whether each image is of the class, bool [N].
        scores: Its probability, float [N].
        auc: Area under the curve with its interval.
        mark: Word behind every number: `leaky`, `seen`, or empty.
    """
    if positive.all() or not positive.any():
        return None
    with drawing_settings():
        figure, axes = new_panel()
        _draw_roc_curve(axes, positive, scores, on_page(CLASS_COLOURS[code]))
        unit_axes(axes, across="", up="")
        area = short_estimate(auc, mark=mark)
        label = f"ROC curve, {BY_CODE[code].name} against the rest. Area under the curve {area}"
        return to_inline_svg(figure, f"roc-{code}", label)


def draw_precision_recall(
    positive: np.ndarray, scores: np.ndarray, *, mark: str, words: Terms = MALIGNANCY
) -> Markup | None:
    """Draw precision against recall for the target; None without positive images.

    Args:
        positive: Whether each image is positive for the target, bool [N].
        scores: Target probability, float [N].
        mark: Word behind every number: `leaky`, `seen`, or empty.
        words: Terms of the task.
    """
    if not positive.any():
        return None
    suffix = f" {mark}" if mark else ""
    with drawing_settings():
        figure = new_figure(FULL_WIDTH, 368)
        axes = figure.add_subplot()
        _draw_precision_recall_curve(axes, positive, scores, on_page(ACCENT))
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
            0.01, height, f"average precision {area:.2f}{suffix}", color=on_page(ACCENT), fontweight="bold", va="bottom"
        )
        figures = f"Average precision {area:.2f}{suffix}, prevalence {prevalence:.2f}"
        label = f"Precision-recall curve for {words.target}. {figures}"
        return to_inline_svg(figure, "pr", label)


def draw_class_precision_recall(
    code: str, positive: np.ndarray, scores: np.ndarray, area: Estimate, *, mark: str
) -> Markup | None:
    """Draw a small precision-recall curve of one class against the rest; None without images of the class.

    Args:
        code: Code of the class.
        positive: Whether each image is of the class, bool [N].
        scores: Its probability, float [N].
        area: Average precision with its interval.
        mark: Word behind every number: `leaky`, `seen`, or empty.
    """
    if not positive.any():
        return None
    with drawing_settings():
        figure, axes = new_panel()
        _draw_precision_recall_curve(axes, positive, scores, on_page(CLASS_COLOURS[code]))
        unit_axes(axes, across="", up="")
        label = (
            f"Precision-recall curve of {BY_CODE[code].name}. Average precision {short_estimate(area, mark=mark)}, "
            f"prevalence {positive.mean():.3f}"
        )
        return to_inline_svg(figure, f"pr-{code}", label)


def _draw_roc_curve(axes: Axes, positive: np.ndarray, scores: np.ndarray, colour: str) -> None:
    curve = roc_curve(positive, scores)
    axes.plot([0, 1], [0, 1], color=on_page(MUTED), linewidth=1, linestyle=(0, (2, 3)))
    across, up = thin(curve.false_positive_rate, curve.true_positive_rate)
    axes.fill_between(across, up, color=colour, alpha=0.1, linewidth=0)
    axes.plot(across, up, color=colour)


def _draw_precision_recall_curve(axes: Axes, positive: np.ndarray, scores: np.ndarray, colour: str) -> None:
    curve = precision_recall_curve(positive, scores)
    axes.axhline(float(positive.mean()), color=on_page(MUTED), linewidth=1, linestyle=(0, (2, 3)))
    # Step interpolation, consistent with average precision.
    across, up = thin(curve.recall, curve.precision)
    axes.fill_between(across, up, step="pre", color=colour, alpha=0.1, linewidth=0)
    axes.plot(across, up, color=colour, drawstyle="steps-pre")


def _mark(axes: Axes, points: Sequence[MarkedPoint], *, mark: str) -> None:
    suffix = f" {mark}" if mark else ""
    ordered = sorted(points, key=lambda point: -point.sensitivity)
    for point, height in zip(ordered, _label_heights([point.sensitivity for point in ordered]), strict=True):
        x, y = 1 - point.specificity, point.sensitivity
        shape, size, fill = ("o", 8, INK) if point.has_threshold else ("s", 7, CARD)
        (symbol,) = axes.plot(x, y, shape, markersize=size, color=on_page(fill), zorder=5)
        symbol.set(markeredgecolor=on_page(INK), markeredgewidth=1.5)
        # Labels of marks further right end at the edge of the figure.
        across, align = (x + 0.03, "left") if x < _LEFT else (0.99, "right")
        axes.annotate(
            f"{point.name}: {point.sensitivity:.2f} / {point.specificity:.2f}{suffix}",
            (x, y),
            (across, height),
            ha=align,
            va="center",
            fontsize=10,
            arrowprops={"arrowstyle": "-", "color": on_page(MUTED), "linewidth": 0.7, "shrinkA": 1, "shrinkB": 4},
        )


def _label_heights(sensitivities: Sequence[float]) -> list[float]:
    """Return a height for each label, below its mark if possible, at least a line of text apart."""
    heights, free = [], 0.93
    for sensitivity in sensitivities:
        heights.append(min(sensitivity - 0.045, free))
        free = heights[-1] - _LABEL_STEP
    floor = 0.11  # above the line with the AUC
    for index in reversed(range(len(heights))):
        heights[index] = max(heights[index], floor)
        floor = heights[index] + _LABEL_STEP
    return heights

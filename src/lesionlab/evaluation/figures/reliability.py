"""The reliability diagram: accuracy by confidence."""

import numpy as np
from markupsafe import Markup

from lesionlab.evaluation.figures.style import FULL_WIDTH, drawing_settings, new_figure, on_page, to_inline_svg
from lesionlab.evaluation.wording import short_estimate
from lesionlab.metrics import Estimate
from lesionlab.metrics.calibration import reliability_bins
from lesionlab.pages.colours import ACCENT, CARD, MUTED, SECOND

_TICKS = [0, 0.25, 0.5, 0.75, 1]


def draw_reliability(
    labels: np.ndarray, probabilities: np.ndarray, ece: Estimate, *, mark: str, noun: str = "diagnosis"
) -> Markup:
    """Draw accuracy against confidence in bins, above a histogram of the confidence.

    Args:
        labels: int [N].
        probabilities: float [N, C].
        ece: Expected calibration error with its interval.
        mark: Word behind every number: `leaky`, `seen`, or empty.
        noun: `diagnosis` or `class`.
    """
    bins = reliability_bins(labels, probabilities)
    filled = bins.count > 0
    centres = ((bins.edges[1:] + bins.edges[:-1]) / 2)[filled]
    width = 0.92 * float(bins.edges[1] - bins.edges[0])
    confidence, accuracy, count = bins.confidence[filled], bins.accuracy[filled], bins.count[filled]
    with drawing_settings():
        figure = new_figure(FULL_WIDTH, 400)
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3.2, 1])
        upper.bar(centres, accuracy, width, color=on_page(ACCENT), alpha=0.25, linewidth=0)
        upper.plot([0, 1], [0, 1], color=on_page(MUTED), linewidth=1, linestyle=(0, (2, 3)))
        upper.vlines(confidence, accuracy, confidence, color=on_page(SECOND), linewidth=2)
        upper.plot(
            confidence, accuracy, "o", color=on_page(ACCENT), markersize=7, markeredgecolor=on_page(CARD), zorder=5
        )
        upper.set_title(f"ECE {short_estimate(ece, mark=mark)}", color=on_page(ACCENT), weight="bold")
        upper.set_title("gap between confidence and accuracy", loc="right", color=on_page(SECOND), fontsize=10)
        upper.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), ylabel="Accuracy")
        lower.bar(centres, count, width, color=on_page(MUTED), alpha=0.6, linewidth=0)
        lower.set(xlabel=f"Probability of the most probable {noun}", ylabel="Images")
        lower.locator_params(axis="y", nbins=3, integer=True)
        upper.set_yticks(_TICKS, [f"{tick:g}" for tick in _TICKS])
        lower.set_xticks(_TICKS, [f"{tick:g}" for tick in _TICKS])
        label = "Reliability diagram: " + ", ".join(
            f"{n} images with confidence {c:.2f} have accuracy {a:.2f}"
            for n, c, a in zip(count.tolist(), confidence.tolist(), accuracy.tolist(), strict=True)
        )
        return to_inline_svg(figure, "reliability", f"{label}. ECE {short_estimate(ece, mark=mark)}")

"""Balanced accuracy over the severity of each corruption, one small panel each."""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from lesionlab.bundle.evaluation import RobustnessPoint
from lesionlab.evaluation.figures.style import FULL_WIDTH, drawing_settings, new_figure, on_page, to_inline_svg
from lesionlab.pages.colours import ACCENT, MUTED, SECOND

_COLUMNS = 3


def draw_robustness(points: Sequence[RobustnessPoint], *, mark: str) -> Markup | None:
    """Draw balanced accuracy and abstention rate against severity, a panel per corruption; None without points."""
    names = list(dict.fromkeys(point.corruption for point in points if point.severity > 0))
    if not names:
        return None
    clean = [point for point in points if point.severity == 0]
    rows = -(-len(names) // _COLUMNS)
    with drawing_settings():
        figure = new_figure(FULL_WIDTH, 30 + 92 * rows)
        panels = np.atleast_1d(figure.subplots(rows, _COLUMNS, sharex=True, sharey=True)).ravel()
        for panel, name in zip(panels, names, strict=False):
            line = [*clean, *(point for point in points if point.corruption == name)]
            severity = [point.severity for point in line]
            values = [_number(point.balanced_accuracy.value) for point in line]
            low = [_number(point.balanced_accuracy.low) for point in line]
            high = [_number(point.balanced_accuracy.high) for point in line]
            panel.fill_between(severity, low, high, color=on_page(ACCENT), alpha=0.18, linewidth=0)
            panel.plot(severity, values, "o-", color=on_page(ACCENT), markersize=3.5, linewidth=1.5)
            abstained = [point.abstained for point in line]
            panel.plot(severity, abstained, color=on_page(SECOND), linewidth=1.2, linestyle=(0, (3, 2)))
            panel.set_title(name, fontsize=10)
            panel.set(ylim=(-0.03, 1.03), xlim=(-0.2, 5.2))
            panel.set_xticks([0, 5])
            panel.set_yticks([0, 0.5, 1])
        for panel in panels[len(names) :]:
            panel.set_axis_off()
        suffix = f" ({mark})" if mark else ""
        figure.suptitle(
            f"balanced accuracy{suffix}", x=0.01, ha="left", color=on_page(ACCENT), fontsize=10, weight="bold"
        )
        figure.text(0.99, 0.985, "abstention rate", ha="right", va="top", color=on_page(SECOND), fontsize=10)
        figure.supxlabel("severity", fontsize=10, color=on_page(MUTED))
        worst = {
            name: _number([p.balanced_accuracy.value for p in points if p.corruption == name][-1]) for name in names
        }
        label = "Balanced accuracy at the highest severity: " + ", ".join(f"{n} {v:.2f}" for n, v in worst.items())
        return to_inline_svg(figure, "robustness", label + suffix)


def _number(value: float | None) -> float:
    return float("nan") if value is None else value

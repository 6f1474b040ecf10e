"""Figure of a simulation: a panel for each strategy, against random sampling."""

import io

import numpy as np

from lesionlab import RESEARCH_ONLY
from lesionlab.evaluation.figures.style import FULL_WIDTH, drawing_settings, new_figure, on_white
from lesionlab.labelling.curves import LearningCurve, Simulation
from lesionlab.labelling.simulate import BASELINE
from lesionlab.pages.colours import ACCENT, MUTED

_COLUMNS = 2


def draw_curves(simulation: Simulation) -> str:
    """Return the learning curves of all strategies as SVG, each with random sampling behind it."""
    base = next(curve for curve in simulation.curves if curve.strategy == BASELINE)
    others = [curve for curve in simulation.curves if curve.strategy != BASELINE] or [base]
    rows = -(-len(others) // _COLUMNS)
    with drawing_settings(on_white):
        figure = new_figure(FULL_WIDTH * 3 // 2, 60 + 130 * rows)
        panels = np.atleast_1d(figure.subplots(rows, _COLUMNS, sharex=True, sharey=True)).ravel()
        for panel, curve in zip(panels, others, strict=False):
            for shown, colour, style in ((base, MUTED, (0, (3, 2))), (curve, ACCENT, "-")):
                labels, (value, low, high) = _columns(shown)
                panel.fill_between(labels, low, high, color=on_white(colour), alpha=0.15, linewidth=0)
                panel.plot(labels, value, color=on_white(colour), linewidth=1.5, linestyle=style)
            panel.set_title(curve.strategy, fontsize=10)
        for panel in panels[len(others) :]:
            panel.set_axis_off()
        leaky = " (LEAKY)" if any("LEAKY" in warning for warning in simulation.warnings) else ""
        figure.suptitle(
            f"Balanced accuracy{leaky} against random sampling (dashed); 95% intervals", x=0.01, ha="left", fontsize=10
        )
        figure.supxlabel(f"labelled lesions. {RESEARCH_ONLY}", fontsize=9, color=on_white(MUTED))
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()


def _columns(curve: LearningCurve) -> tuple[list[int], list[list[float]]]:
    points = curve.points
    estimates = [point.balanced_accuracy for point in points]
    columns = ([getattr(one, name) for one in estimates] for name in ("value", "low", "high"))
    return [point.labels for point in points], [[np.nan if x is None else x for x in found] for found in columns]

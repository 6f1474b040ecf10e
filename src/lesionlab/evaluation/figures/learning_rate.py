"""The figure of a learning-rate range test."""

from collections.abc import Sequence
from pathlib import Path

from lesionlab.evaluation.figures.curves import save_figure
from lesionlab.evaluation.figures.style import FULL_WIDTH, drawing_settings, new_figure, on_white
from lesionlab.pages.colours import ACCENT, INK, SECOND


def write_rate_curve(
    rates: Sequence[float], losses: Sequence[float], smoothed: Sequence[float], suggestion: float, path: Path
) -> None:
    """Draw loss against learning rate into a file on a white background.

    Args:
        rates: Learning rates, rising, [N].
        losses: Training loss at each, [N].
        smoothed: Smoothed loss at each, [N].
        suggestion: The suggested rate.
        path: A name with the ending `.png` or `.svg`.

    Raises:
        UsageError: The name has another ending.
        LesionlabError: The file cannot be written.
    """
    with drawing_settings(on_white):
        figure = new_figure(FULL_WIDTH, 280)
        axes = figure.subplots()
        axes.plot(rates, losses, color=on_white(SECOND), linewidth=1, label="loss")
        axes.plot(rates, smoothed, color=on_white(ACCENT), label="smoothed")
        axes.axvline(suggestion, color=on_white(INK), linewidth=1, linestyle=(0, (2, 3)), label=f"{suggestion:g}")
        axes.set_xscale("log")
        axes.set_ylim(0, 1.5 * max(losses[0], *smoothed[:5]))
        axes.set_xlabel("Learning rate")
        axes.set_title("Training loss")
        axes.legend(frameon=False, fontsize=10)
        save_figure(figure, path)

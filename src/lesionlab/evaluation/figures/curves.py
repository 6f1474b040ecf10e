"""Training curves: loss and validation metrics per epoch, with the best epoch."""

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lesionlab.errors import UsageError
from lesionlab.evaluation.figures.style import (
    FULL_WIDTH,
    Paint,
    drawing_settings,
    new_figure,
    on_page,
    on_white,
    to_inline_svg,
)
from lesionlab.evaluation.wording import LEAKY
from lesionlab.files import replacing
from lesionlab.pages.colours import ACCENT, INK, MUTED, SECOND, Colour

History = Sequence[Mapping[str, float | None]]

_LOSSES = (("train_loss", "training", SECOND), ("validation_loss", "validation", ACCENT))
_METRICS = (
    ("validation_macro_auc", "macro AUC", SECOND),
    ("validation_balanced_accuracy", "balanced accuracy", ACCENT),
)
_PIXELS_PER_INCH = 200


def draw_training_curves(history: History, *, monitor: str = "balanced_accuracy", leaky: bool = False) -> Markup | None:
    """Draw the curves for a page; None for an empty history.

    Args:
        history: One row per epoch with `epoch`, `train_loss`, `validation_loss`, `validation_balanced_accuracy` and
            `validation_macro_auc`; missing values leave gaps.
        monitor: Validation metric of the best epoch, as in the recipe.
        leaky: Whether to mark the numbers as leaky.
    """
    if not history:
        return None
    with drawing_settings():
        figure = _draw(history, (FULL_WIDTH, 400), columns=1, paint=on_page, monitor=monitor, leaky=leaky)
        best = _best_row(history, monitor)
        label = f"Training and validation loss, balanced accuracy and macro AUC over {len(history)} epochs."
        if best is not None:
            label += f" Best epoch {_epoch(best)}: balanced accuracy {_value(best, _METRICS[1][0]):.3f}"
            label += f" {LEAKY}" if leaky else ""
        return to_inline_svg(figure, "curves", label)


def write_curves(history: History, path: Path, *, monitor: str = "balanced_accuracy", leaky: bool = False) -> None:
    """Draw the curves into a file on a white background.

    Args:
        history: As for `draw_training_curves`, at least one row.
        path: A name with the ending `.png` or `.svg`.
        monitor: As for `draw_training_curves`.
        leaky: Whether to mark the numbers as leaky.

    Raises:
        UsageError: The name has another ending.
        LesionlabError: The file cannot be written.
    """
    with drawing_settings(on_white):
        figure = _draw(history, (2 * FULL_WIDTH, 280), columns=2, paint=on_white, monitor=monitor, leaky=leaky)
        save_figure(figure, path)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure to a file on a white background, within `drawing_settings(on_white)`.

    Raises:
        UsageError: The name does not end in `.png` or `.svg`.
        LesionlabError: The file cannot be written.
    """
    kind = path.suffix.removeprefix(".").lower()
    if kind not in ("png", "svg"):
        raise UsageError(f"{path}: curves are written as .png or .svg; use a name with one of these endings")
    stream = io.BytesIO()
    metadata = {"Date": None} if kind == "svg" else None
    figure.savefig(stream, format=kind, dpi=_PIXELS_PER_INCH, facecolor="white", metadata=metadata)
    with replacing(path, binary=True) as target:
        target.write(stream.getvalue())


def _draw(history: History, size: tuple[int, int], *, columns: int, paint: Paint, monitor: str, leaky: bool) -> Figure:
    figure = new_figure(*size)
    upper, lower = figure.subplots(2 // columns, columns, sharex=columns == 1)
    _draw_lines(upper, history, _LOSSES, paint)
    _draw_lines(lower, history, _METRICS, paint)
    upper.set_title("Loss")
    lower.set_title("Validation set")
    upper.set_ylim(bottom=0)
    lower.set_ylim(top=1.0)
    for axes in (upper, lower):
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    for axes in (lower,) if columns == 1 else (upper, lower):
        axes.set_xlabel("Epoch")
    best = _best_row(history, monitor)
    if best is not None:
        for axes in (upper, lower):
            axes.axvline(_epoch(best), color=paint(MUTED), linewidth=1, linestyle=(0, (2, 3)), zorder=1)
        value = _value(best, _METRICS[1][0])
        lower.plot(_epoch(best), value, "o", color=paint(INK), markersize=7, zorder=5)
        lower.annotate(
            f"best epoch {_epoch(best)}: {value:.3f}" + (f" {LEAKY}" if leaky else ""),
            (_epoch(best), value),
            (-4 if _epoch(best) > len(history) / 2 else 4, -12),
            textcoords="offset points",
            ha="right" if _epoch(best) > len(history) / 2 else "left",
            va="top",
            fontsize=10,
        )
    return figure


def _draw_lines(axes: Axes, history: History, lines: Sequence[tuple[str, str, Colour]], paint: Paint) -> None:
    epochs = [_epoch(row) for row in history]
    ends = []
    for key, name, colour in lines:
        values = [_value(row, key) for row in history]
        shape = "o-" if len(history) == 1 else "-"
        (line,) = axes.plot(epochs, values, shape, color=paint(colour), label=name)
        ends.append(line)
    axes.legend(
        handles=ends,
        loc="lower right",
        bbox_to_anchor=(1, 1),
        ncols=2,
        frameon=False,
        fontsize=10,
        borderaxespad=0,
        labelcolor="linecolor",
        handlelength=1.2,
        columnspacing=1.2,
    )


def _best_row(history: History, monitor: str) -> Mapping[str, float | None] | None:
    """Return the first row with the best monitored metric; None if no row has it."""
    column, sign = f"validation_{monitor}", -1 if monitor == "loss" else 1
    rows = [row for row in history if not math.isnan(_value(row, column))]
    return max(rows, key=lambda row: sign * _value(row, column), default=None)


def _epoch(row: Mapping[str, float | None]) -> int:
    return int(row["epoch"] or 0)


def _value(row: Mapping[str, float | None], key: str) -> float:
    value = row.get(key)
    return math.nan if value is None else float(value)

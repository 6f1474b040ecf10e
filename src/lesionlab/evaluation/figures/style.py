"""Style of the figures, and conversion from matplotlib to SVG with the colours of the page.

Figures are drawn in placeholder colours. On a page each placeholder becomes a CSS variable, so that one drawing works
in light mode, in dark mode and in print; in a file it becomes the colour of the light page.
"""

import io
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from markupsafe import Markup, escape
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lesionlab.pages.colours import COLOURS, GRID, INK, MUTED, Colour

POINTS_PER_INCH = 72
FULL_WIDTH, PANEL_WIDTH = 380, 168  # in points: 11-point text is readable on a phone of 350 pixels


# Unique colours for matplotlib that are replaced afterwards.
_PLACEHOLDERS = {colour.variable: f"#0102{number:02x}" for number, colour in enumerate(COLOURS)}

_SETTINGS: dict[Any, Any] = {  # the stubs of matplotlib have literal keys
    "svg.fonttype": "none",  # keeps text selectable and in the font of the page
    "svg.hashsalt": "lesionlab",  # reproducible output
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.linewidth": 0.8,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "grid.linewidth": 0.8,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "lines.linewidth": 2,
    "lines.solid_capstyle": "round",
}


Paint = Callable[[Colour], str]


def on_page(colour: Colour) -> str:
    """Return the placeholder of a colour for a figure that is passed to `to_inline_svg`."""
    return _PLACEHOLDERS[colour.variable]


def on_white(colour: Colour) -> str:
    """Return a colour for a figure in a file."""
    return colour.light


def drawing_settings(paint: Paint = on_page) -> AbstractContextManager[None]:
    """Return the context in which figures are created and drawn."""
    ink, muted, grid = paint(INK), paint(MUTED), paint(GRID)
    colours: dict[Any, Any] = {
        "text.color": ink,
        "axes.labelcolor": muted,
        "axes.titlecolor": ink,
        "axes.edgecolor": muted,
        "axes.facecolor": "none",
        "figure.facecolor": "none",
        "savefig.facecolor": "none",
        "xtick.color": muted,
        "ytick.color": muted,
        "grid.color": grid,
    }
    return rc_context({**_SETTINGS, **colours})


def new_figure(width: int, height: int) -> Figure:
    """Return an empty figure of the given size in points with constrained layout."""
    return Figure(figsize=(width / POINTS_PER_INCH, height / POINTS_PER_INCH), layout="constrained")


def new_panel() -> tuple[Figure, Axes]:
    """Return a small figure with axes at a fixed position."""
    figure = Figure(figsize=(PANEL_WIDTH / POINTS_PER_INCH, PANEL_WIDTH / POINTS_PER_INCH))
    return figure, figure.add_axes((0.15, 0.13, 0.83, 0.83))


def unit_axes(axes: Axes, *, across: str, up: str) -> None:
    """Set up axes from 0 to 1 with a small margin for curves at the edge."""
    ticks = [0, 0.25, 0.5, 0.75, 1] if across else [0, 0.5, 1]
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal", xlabel=across, ylabel=up)
    names = [f"{tick:g}" for tick in ticks]
    axes.set_xticks(ticks, names)
    axes.set_yticks(ticks, names)


def to_inline_svg(figure: Figure, key: str, label: str) -> Markup:
    """Return a figure as an `<svg>` element for a page.

    Args:
        figure: Drawn with the colours of `on_page` inside `drawing_settings`.
        key: Unique within the page; the ids inside the element start with it.
        label: Description of the figure for screen readers.
    """
    svg = _svg_text(figure)
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    # matplotlib's style sheet would apply to the whole page.
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bd="([^"]*)"', lambda path: f'd="{_shorter(path[1])}"', svg)
    opening, rest = svg.split(">", 1)
    svg = re.sub(r'\s(xmlns(:\w+)?|version|width|height)="[^"]*"', "", opening) + ">" + rest
    svg = svg.replace("xlink:href", "href")
    svg = re.sub(r'\bid="', f'id="{key}-', svg)
    svg = re.sub(r'(url\(#|href="#)', rf"\g<1>{key}-", svg)
    svg = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", svg)
    svg = re.sub(r"font-family: [^;\"]*;?", "", svg)
    for name, value in _PLACEHOLDERS.items():
        svg = svg.replace(value, f"var(--{name})")
    svg = re.sub(r"\n\s*", "\n", svg).strip()
    named = f'<svg role="img" aria-label="{escape(label)}"'
    return Markup(named + svg.removeprefix("<svg"))  # noqa: S704 - matplotlib escapes text, `label` is escaped here


def thin(across: np.ndarray, up: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a curve in the unit square without points less than a third of a pixel apart."""
    rounded = np.round(np.stack([across, up]), 3)
    kept = np.append(True, (np.diff(rounded, axis=1) != 0).any(axis=0))
    return across[kept], up[kept]


def _shorter(path: str) -> str:
    return re.sub(r"(\.\d\d)\d+", r"\1", " ".join(path.split()))


def _svg_text(figure: Figure) -> str:
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()

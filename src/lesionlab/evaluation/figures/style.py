"""The look of every figure, and the way from a matplotlib figure to SVG that follows the page's colours.

A figure is drawn in placeholder colours. On a page each placeholder becomes a CSS variable, so that one drawing
serves the light page, the dark page and paper; in a file of its own it becomes the colour of the light page.
"""

import io
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup, escape
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

POINTS_PER_INCH = 72
FULL_WIDTH, PANEL_WIDTH = 380, 168  # in points; text of 11 points stays readable when a phone shows 350 pixels


class Colour(NamedTuple):
    """A colour of the page: the name of its CSS variable and its values on a light and on a dark page."""

    variable: str
    light: str
    dark: str


# Distinguishable with the common colour vision deficiencies (after Okabe and Ito, 2008, darkened for white and
# lightened for black until each has a contrast of at least 3:1). No figure relies on colour alone.
INK = Colour("ink", "#1c2127", "#e8eaed")
MUTED = Colour("muted", "#59626c", "#a4adb8")
GRID = Colour("grid", "#e3e6ea", "#333a43")
CARD = Colour("card", "#ffffff", "#1b2027")
ACCENT = Colour("accent", "#0b5cad", "#6cb2ff")
SECOND = Colour("second", "#c25400", "#ff9a4d")
CLASS_COLOURS: dict[str, Colour] = {
    "mel": Colour("mel", "#c25400", "#ff9a4d"),
    "nv": Colour("nv", "#0072b2", "#56b4e9"),
    "bcc": Colour("bcc", "#b0508a", "#e69ac8"),
    "akiec": Colour("akiec", "#946800", "#f0c04a"),
    "bkl": Colour("bkl", "#00805c", "#3ccb9b"),
    "df": Colour("df", "#5b3fa0", "#b39dff"),
    "vasc": Colour("vasc", "#4a4a4a", "#d0d0d0"),
    "benign": Colour("benign", "#0072b2", "#56b4e9"),
    "malignant": Colour("malignant", "#c25400", "#ff9a4d"),
    "other": Colour("other", "#0072b2", "#56b4e9"),
}
COLOURS = (INK, MUTED, GRID, CARD, ACCENT, SECOND, *CLASS_COLOURS.values())

# What matplotlib draws with: values that no drawing uses for anything else.
_PLACEHOLDERS = {colour.variable: f"#0102{number:02x}" for number, colour in enumerate(COLOURS)}

_SETTINGS: dict[Any, Any] = {  # the stubs of matplotlib spell every key out as a literal
    "svg.fonttype": "none",  # text stays text: selectable, searchable, in the page's font
    "svg.hashsalt": "lesionlab",  # the same data gives the same bytes
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
    """Return what to hand to matplotlib for a colour of a figure that `to_inline_svg` will take."""
    return _PLACEHOLDERS[colour.variable]


def on_white(colour: Colour) -> str:
    """Return what to hand to matplotlib for a colour of a figure in a file of its own."""
    return colour.light


def drawing_settings(paint: Paint = on_page) -> AbstractContextManager[None]:
    """Return the context in which every figure is made and drawn."""
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
    """Return an empty figure of the given size in points, laid out without overlaps."""
    return Figure(figsize=(width / POINTS_PER_INCH, height / POINTS_PER_INCH), layout="constrained")


def new_panel() -> tuple[Figure, Axes]:
    """Return a small figure with axes at a fixed place, so that all panels of a row are alike."""
    figure = Figure(figsize=(PANEL_WIDTH / POINTS_PER_INCH, PANEL_WIDTH / POINTS_PER_INCH))
    return figure, figure.add_axes((0.15, 0.13, 0.83, 0.83))


def unit_axes(axes: Axes, *, across: str, up: str) -> None:
    """Set up axes whose two directions run from 0 to 1, a little open so that curves at the edge are whole."""
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
        label: What the figure shows, in words, for those who cannot see it.
    """
    svg = _svg_text(figure)
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    # matplotlib's own style sheet would reach beyond the figure; the page has the rule for its figures.
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
    """Return a curve within the unit square without the points that lie less than a third of a pixel apart."""
    rounded = np.round(np.stack([across, up]), 3)
    kept = np.append(True, (np.diff(rounded, axis=1) != 0).any(axis=0))
    return across[kept], up[kept]


def _shorter(path: str) -> str:
    return re.sub(r"(\.\d\d)\d+", r"\1", " ".join(path.split()))


def _svg_text(figure: Figure) -> str:
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()

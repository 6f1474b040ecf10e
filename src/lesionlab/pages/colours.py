"""Colours of pages and figures, in light and dark mode."""

from typing import NamedTuple


class Colour(NamedTuple):
    """A colour of the page: its CSS variable and its values in light and dark mode."""

    variable: str
    light: str
    dark: str


# Distinguishable with the common colour vision deficiencies (after Okabe and Ito, 2008, adjusted to a contrast of at
# least 3:1). No figure relies on colour alone.
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
    "scc": Colour("scc", "#a02c2c", "#ff8a80"),
    "mal_oth": Colour("mal_oth", "#7a4a1f", "#d9a066"),
    "ben_oth": Colour("ben_oth", "#007c91", "#67d3e6"),
    "inf": Colour("inf", "#5f6b00", "#c3d14b"),
    "benign": Colour("benign", "#0072b2", "#56b4e9"),
    "malignant": Colour("malignant", "#c25400", "#ff9a4d"),
    "other": Colour("other", "#0072b2", "#56b4e9"),
}
COLOURS = (INK, MUTED, GRID, CARD, ACCENT, SECOND, *CLASS_COLOURS.values())


def palette(*, dark: bool = False) -> str:
    """Return the colours as CSS declarations."""
    return " ".join(f"--{colour.variable}: {colour.dark if dark else colour.light};" for colour in COLOURS)

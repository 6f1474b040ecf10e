"""Pieces of Markdown: text that others wrote, figures with their intervals, links between sections."""

import re

from lesionlab.evaluation.wording import LEAKY, UNDEFINED, interval, number
from lesionlab.metrics import Estimate

# An underscore within a word is one in GitHub's Markdown as it stands.
_SPECIAL = re.compile(r"([\\`*\[\]<>|~]|(?<!\w)_|_(?!\w))")


def plain(text: str) -> str:
    """Return text that stands in a line or a cell as it is, whatever characters it holds."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def code(text: str) -> str:
    """Return text as code in a line or a cell."""
    # A bar ends a cell even within code, unless it is escaped; a grave accent ends the code whatever is done.
    return "`" + " ".join(text.replace("`", "'").split()).replace("|", "\\|") + "`"


def anchor(heading: str) -> str:
    """Return what a heading is linked by, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def link(heading: str) -> str:
    """Return a link to a section of the same document."""
    return f"[{heading}](#{anchor(heading)})"


def share(value: float | None, leaky: bool) -> str:
    """Return a figure without an interval, marked where it is leaky."""
    text = number(value)
    return f"{text} {LEAKY}" if leaky and text != UNDEFINED else text


def estimate(figure: Estimate | None, leaky: bool) -> str:
    """Return a figure with its 95% interval, or that it has none, marked where it is leaky."""
    if figure is None:
        return "not known"
    if figure.value is None:
        return UNDEFINED
    limits = interval(figure) or "no interval"
    return f"{share(figure.value, leaky)} ({limits})"


def tidy(text: str) -> str:
    """Return a document without the blank lines that a template leaves behind."""
    lines = [line.rstrip() for line in text.splitlines()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"

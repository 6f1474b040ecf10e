"""Markdown filters of the model card: escaping, figures with intervals, links between sections."""

import re

from lesionlab.evaluation.wording import LEAKY, UNDEFINED, interval, number
from lesionlab.metrics import Estimate

# An underscore within a word needs no escape in GitHub's Markdown.
_SPECIAL = re.compile(r"([\\`*\[\]<>|~]|(?<!\w)_|_(?!\w))")


def plain(text: str) -> str:
    """Return text with escaped special characters, in one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def code(text: str) -> str:
    """Return text as code, in one line."""
    # Within code a bar must be escaped in a table, and a grave accent cannot be.
    return "`" + " ".join(text.replace("`", "'").split()).replace("|", "\\|") + "`"


def anchor(heading: str) -> str:
    """Return the anchor of a heading on GitHub."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def link(heading: str) -> str:
    """Return a link to a section of the same document."""
    return f"[{heading}](#{anchor(heading)})"


def share(value: float | None, leaky: bool) -> str:
    """Return a figure without an interval, marked if leaky."""
    text = number(value)
    return f"{text} {LEAKY}" if leaky and text != UNDEFINED else text


def estimate(figure: Estimate | None, leaky: bool) -> str:
    """Return a figure with its 95% interval, marked if leaky."""
    if figure is None:
        return "unknown"
    if figure.value is None:
        return UNDEFINED
    limits = interval(figure) or "no interval"
    return f"{share(figure.value, leaky)} ({limits})"


def tidy(text: str) -> str:
    """Return a document without the superfluous blank lines of a template."""
    lines = [line.rstrip() for line in text.splitlines()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"

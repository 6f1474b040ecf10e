"""Helpers that parse a model card and its appendix."""

import re
from collections.abc import Iterator


def section(card: str, heading: str) -> str:
    """Return the text under a heading of the second level."""
    (found,) = re.findall(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", card, flags=re.DOTALL | re.MULTILINE)
    return str(found)


def tables(card: str) -> Iterator[list[list[str]]]:
    """Yield each table as rows of cells, the line under its header among them."""
    for block in re.findall(r"(?:^\|.*\|$\n)+", card, flags=re.MULTILINE):
        yield [
            [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in str(block).strip().splitlines()
        ]


def claim(appendix: str, number: int) -> list[str]:
    """Return an item of CLAIM: topic, status, section."""
    (table,) = tables(section(appendix, "CLAIM"))
    return next(row[1:] for row in table if row[0] == str(number))

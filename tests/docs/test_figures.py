"""Figures in README and documentation come from result files, and the tables of the shipped model are up to date."""

import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from lesionlab.bundle import Bundle

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SCRIPT = ROOT / "scripts" / "write_figures.py"
# 0.926 (0.907 to 0.944), with a sign for differences.
ESTIMATE = re.compile(r"(-?\d\.\d{3}) \(\+?(-?\d\.\d{3})\s+to\s+\+?(-?\d\.\d{3})\)")

Triple = tuple[str, str, str]


def estimates(content: Any) -> set[Triple]:
    """Return every value with its interval in a result file, as printed."""
    found: set[Triple] = set()
    if isinstance(content, dict):
        numbers = [(content.get("value"), content.get("low"), content.get("high"))]
        intervals = content.get("intervals")
        if isinstance(intervals, dict):
            numbers += [(content.get(name), *limits) for name, limits in intervals.items() if isinstance(limits, list)]
        found |= {
            (f"{value:.3f}", f"{low:.3f}", f"{high:.3f}")
            for value, low, high in numbers
            if isinstance(value, float | int) and isinstance(low, float | int)
        }
    for child in content.values() if isinstance(content, dict) else content if isinstance(content, list) else ():
        found |= estimates(child)
    return found


@pytest.fixture(scope="module")
def measured() -> set[Triple]:
    files = [
        *(ROOT / "benchmarks" / "results").glob("*.json"),
        *(ROOT / "src" / "lesionlab" / "models").rglob("*.json"),
    ]
    return set().union(*(estimates(json.loads(path.read_bytes())) for path in files))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_figures_with_intervals_are_in_a_result_file(page: Path, measured: set[Triple]) -> None:
    stated = ESTIMATE.findall(page.read_text(encoding="utf-8"))
    assert [figure for figure in stated if figure not in measured] == []


def test_table_by_source(tiny_whole_bundle: Path) -> None:
    held = Bundle.load(tiny_whole_bundle).evaluation
    assert held is not None
    write = runpy.run_path(str(SCRIPT))["_sources"]
    text = write(held.model_dump(), {})
    assert text.startswith("**The pooled figures do not hold within one source.** AUC for malignancy: 0.900 (")
    assert "| clinic A | 60 | 5 | 0.500 (0.400 to 0.600) | 0.500 (0.400 to 0.600) | not defined |\n" in text
    assert "| histopathology | 70 |" in text
    assert write({}, {}) == ""


def test_tables_and_card_of_the_shipped_model_are_up_to_date() -> None:
    documents = runpy.run_path(str(SCRIPT))["documents"]
    outdated = [path.name for path, text in documents().items() if path.read_text(encoding="utf-8") != text]
    assert outdated == [], "run `python scripts/write_figures.py`"

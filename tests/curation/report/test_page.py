"""The page: escaped, self-contained, with every section, whatever the dataset lacks."""

import re
from pathlib import Path

import pytest

from lesionlab import RESEARCH_ONLY
from lesionlab.curation.report import render_report
from tests.curation.report.datasets import COLUMNS, describe, write_dataset

HOSTILE = "<script>alert('1')</script>&{{ 7 * 7 }}"
SECTIONS = ("shortcuts", "leak", "diagnoses", "sources", "patients", "images", "problems")


def page_of(folder: Path) -> str:
    return render_report(*describe(folder))


def text_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)).split())


def test_a_page_is_self_contained_and_complete(tmp_path: Path) -> None:
    rows = [
        {"lesion_id": f"l{n // 2}", "dx": "mel" if n // 2 % 2 else "nv", "dataset": "ab"[n // 2 % 2], "age": n}
        for n in range(60)
    ]
    page = page_of(write_dataset(tmp_path / "d", rows))
    text = text_of(page)
    assert all(f'<section id="{name}">' in page and f'href="#{name}"' in page for name in SECTIONS)
    assert "://" not in page
    assert "<script" not in page
    assert text.count(RESEARCH_ONLY) == 2
    assert "60 of 60 images, drawn at random (seed 0)" in text
    assert page.count("<img") == 4 * 8  # two classes, two sources
    assert all('alt=""' not in image for image in re.findall("<img[^>]*>", page))
    assert len(page) < 200_000


def test_names_are_escaped(tmp_path: Path) -> None:
    rows = [
        {"dx": "mel" if n % 2 else "nv", "dataset": HOSTILE + str(n % 3), "localization": HOSTILE} for n in range(30)
    ]
    page = page_of(write_dataset(tmp_path / "d", rows))
    assert "<script" not in page
    assert "{{ 7 * 7 }}" in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize("count", [1, 25])
def test_a_dataset_with_nothing_but_one_class(tmp_path: Path, count: int) -> None:
    columns = tuple(name for name in COLUMNS if name in ("image_id", "dx"))
    text = text_of(page_of(write_dataset(tmp_path / "d", ({"dx": "df"} for _ in range(count)), columns=columns)))
    assert "Lesions are not identified." in text
    assert "not measured: fewer than 10 lesions of a kind" in text
    assert "The data state no source." in text or "unknown" not in text


@pytest.mark.slow
def test_many_sources_are_summed(tmp_path: Path) -> None:
    rows = [{"dx": "mel" if n % 3 == 0 else "nv", "dataset": f"clinic {n}"} for n in range(100)]
    text = text_of(page_of(write_dataset(tmp_path / "d", rows)))
    assert "85 others 85 85" in text
    assert "85 more sources" in text

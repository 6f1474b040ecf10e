"""The documents show the very programs that lie beside the models."""

import ast
from pathlib import Path

import pytest

from lesionlab import RESEARCH_ONLY
from lesionlab.bundle import BundleInfo
from lesionlab.export.formats import FORMATS
from lesionlab.export.formats.readme import readme, snippet

DOCS = Path(__file__).resolve().parents[3] / "docs" / "exports.md"


@pytest.mark.parametrize("name", FORMATS)
def test_the_program_imports_nothing_of_lesionlab(name: str) -> None:
    tree = ast.parse(snippet(FORMATS[name]))
    imported = {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not [module for module in imported if module.startswith("lesionlab")]
    assert {"json", "numpy", "PIL"} <= imported


@pytest.mark.parametrize("name", FORMATS)
def test_the_documents_show_how_each_is_run(name: str) -> None:
    form, text = FORMATS[name], DOCS.read_text(encoding="utf-8")
    assert all(piece.strip() in text for piece in form.usage.split("\n\n"))
    assert form.install.split("  #")[0] in text
    assert f"`{name}`" in text


def test_the_documents_show_a_whole_program() -> None:
    assert snippet(FORMATS["openvino"]) in DOCS.read_text(encoding="utf-8")


def test_the_readme_says_what_a_user_has_to_know(tiny_info: BundleInfo) -> None:
    text = readme(FORMATS["openvino"], tiny_info, "It compares well.")
    assert RESEARCH_ONLY in text
    assert "It compares well." in text
    assert "uint8 [1, 64, 64, 3]" in text
    assert tiny_info.licence in text

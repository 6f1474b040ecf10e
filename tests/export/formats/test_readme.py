"""README and example script of converted models."""

import ast
from pathlib import Path

import pytest

from lesionlab import RESEARCH_ONLY
from lesionlab.bundle import BundleInfo
from lesionlab.export.formats import FORMATS
from lesionlab.export.formats.readme import readme, script

DOCS = Path(__file__).resolve().parents[3] / "docs" / "exports.md"


@pytest.mark.parametrize("name", FORMATS)
def test_the_script_does_not_import_lesionlab(name: str) -> None:
    tree = ast.parse(script(FORMATS[name]))
    imported = {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not [module for module in imported if module.startswith("lesionlab")]
    assert {"json", "numpy", "PIL"} <= imported


@pytest.mark.parametrize("name", FORMATS)
def test_the_documentation_shows_the_usage_of_each_format(name: str) -> None:
    form, text = FORMATS[name], DOCS.read_text(encoding="utf-8")
    assert all(piece.strip() in text for piece in form.usage.split("\n\n"))
    assert form.install.split("  #")[0] in text
    assert f"`{name}`" in text


def test_the_documentation_shows_the_whole_script() -> None:
    assert script(FORMATS["openvino"]) in DOCS.read_text(encoding="utf-8")


def test_the_readme_holds_licence_input_and_comparison(tiny_info: BundleInfo) -> None:
    text = readme(FORMATS["openvino"], tiny_info, "It compares well.")
    assert RESEARCH_ONLY in text
    assert "It compares well." in text
    assert "uint8 [1, 64, 64, 3]" in text
    assert tiny_info.licence in text

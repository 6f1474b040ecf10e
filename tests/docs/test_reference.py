"""The reference covers the public API, and the examples in docstrings run."""

import doctest
import sys
from importlib import import_module
from pathlib import Path

import pytest

import lesionlab

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))
from reference_pages import PACKAGES, public_names, write_reference_pages  # noqa: E402 - found by the line above

SOURCE = Path(lesionlab.__file__).parent
# The command line has a reference of its own; the others are parts of the server and of the readers.
NOT_PUBLIC = {
    "lesionlab.cli",
    "lesionlab.data.readers",
    "lesionlab.images.dicom",
    "lesionlab.pages",
    "lesionlab.serving.routes",
    "lesionlab.serving.middleware",
}


def modules(pattern: str) -> list[str]:
    """Return the names of the modules whose source contains a string."""
    files = (file for file in SOURCE.rglob("*.py") if pattern in file.read_text(encoding="utf-8"))
    names = (".".join(file.relative_to(SOURCE.parent).with_suffix("").parts) for file in files)
    return sorted(name.removesuffix(".__init__") for name in names)


def test_every_package_with_public_names_has_a_page() -> None:
    packages = {name for name in modules("__all__ = [") if (SOURCE.parent / name.replace(".", "/")).is_dir()}
    assert packages == NOT_PUBLIC | (set(PACKAGES) & packages)


@pytest.mark.slow
def test_every_public_name_is_on_its_page(tmp_path: Path) -> None:
    write_reference_pages(tmp_path)
    for package in PACKAGES:
        page = (tmp_path / "api" / f"{package}.md").read_text(encoding="utf-8")
        for name in public_names(package):
            assert name.startswith("__") or f"{package}.{name}" in page or f"`{name}`" in page, f"{package}.{name}"
    commands = (tmp_path / "commands.md").read_text(encoding="utf-8")
    assert "## `lesionlab predict`" in commands
    assert "## `lesionlab data split`" in commands
    assert "LesionlabError" in (tmp_path / "errors.md").read_text(encoding="utf-8")


@pytest.mark.usefixtures("documented_files")
@pytest.mark.parametrize("name", modules(">>> "))
def test_docstring_examples_give_the_printed_results(name: str) -> None:
    result = doctest.testmod(import_module(name))
    assert result.failed == 0

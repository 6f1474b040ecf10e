"""Text uses the field's terms: `prediction` and `abstention` in place of the words below."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "lesionlab"
TERMS = re.compile(
    r"\b(judg(e|es|ed|ing)|refusals?|unfamiliar|looked[ _]for|suspici(on|ous)|certainty|similar cases?|arrangements?"
    r"|not ruled out|in the house)\b",
    re.IGNORECASE,
)


def texts() -> Iterator[tuple[Path, str]]:
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield path, node.value
    documents = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    templates = [path for suffix in ("jinja", "js", "css", "html", "toml") for path in SOURCE.rglob(f"*.{suffix}")]
    for path in documents + templates:
        if "vendor" not in path.parts:
            yield path, path.read_text(encoding="utf-8")


def test_text_uses_the_terms_of_the_field() -> None:
    found = {f"{path.relative_to(ROOT)}: {match[0]}" for path, text in texts() for match in TERMS.finditer(text)}
    assert sorted(found) == []


@pytest.mark.parametrize("text", ["Judged at once.", "a refusal", "similar cases", "looked_for"])
def test_the_check_finds_a_term(text: str) -> None:
    assert TERMS.search(text)

"""The examples of the documentation run, and its commands and links exist."""

import doctest
import re
import shlex
from pathlib import Path
from pydoc import locate
from typing import Any, get_type_hints

import pytest
import typer

from lesionlab.cli.main import application
from lesionlab.recipes import Recipe

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").glob("*.md"))
TEXTS = [*PAGES, *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"))]
COMMAND_LINE: Any = typer.main.get_command(application())
FENCE = re.compile(r"^ *```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def fences(page: Path, language: str) -> list[str]:
    """Return the content of the code blocks in a language."""
    return [code for found, code in FENCE.findall(page.read_text(encoding="utf-8")) if found == language]


WITH_EXAMPLES = [page for page in TEXTS if any(">>>" in code for code in fences(page, "python"))]


@pytest.mark.slow
@pytest.mark.usefixtures("documented_files")
@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=lambda page: page.stem)
def test_python_examples_give_the_printed_results(page: Path) -> None:
    code = "\n".join(code for code in fences(page, "python") if ">>>" in code)
    test = doctest.DocTestParser().get_doctest(code, {}, page.name, str(page), 0)
    assert test.examples
    output: list[str] = []
    result = doctest.DocTestRunner().run(test, out=output.append)
    assert result.failed == 0, "".join(output)


def test_the_six_main_tasks_have_executed_examples_or_a_script() -> None:
    stems = {page.stem for page in WITH_EXAMPLES}
    assert {"index", "load_a_model", "predict_a_folder", "read_a_result", "set_a_threshold"} <= stems
    index = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    for page in ("load_a_model", "predict_a_folder", "read_a_result", "set_a_threshold"):
        assert f"({page}.md)" in index
    assert "(train_on_your_data.md)" in index
    assert "(compare_two_runs.md)" in index


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: page.stem)
def test_python_code_compiles(page: Path) -> None:
    for code in fences(page, "python"):
        if ">>>" not in code:
            compile(code, page.name, "exec")


def commands(page: Path) -> list[str]:
    """Return every `lesionlab` command of a page, from code blocks and from code within the text."""
    text = page.read_text(encoding="utf-8")
    blocks = "\n".join(code for language, code in FENCE.findall(text) if language == "bash")
    parts = re.split(r"\n| # |; |&&|\|", blocks.replace("\\\n", " "))
    inline = re.findall(r"`([^`]+)`", FENCE.sub("", text))
    found = (re.sub(r"\s+", " ", part).strip().removeprefix("do ") for part in (*parts, *inline))
    return [part for part in found if part.startswith("lesionlab ")]


def check_command(line: str) -> None:
    """Fail where a command or one of its options does not exist."""
    words = shlex.split(line)[1:]
    command = COMMAND_LINE
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        name = words.pop(0)
        if name.isupper():
            return  # a placeholder
        assert name in command.commands, f"{line}: no command {name}"
        command = command.commands[name]
    if words:
        parser = command.make_parser(command.context_class(command))
        _, extra, _ = parser.parse_args(words)  # an unknown option is an error
        assert not extra, f"{line}: unexpected {extra}"


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: page.stem)
def test_commands_and_their_options_exist(page: Path) -> None:
    for line in commands(page):
        check_command(line)


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: page.stem)
def test_linked_files_exist(page: Path) -> None:
    generated = ("reference/",)
    for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", FENCE.sub("", page.read_text(encoding="utf-8"))):
        if not link.startswith(("http", "mailto:", *generated)):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: page.stem)
def test_named_results_files_exist(page: Path) -> None:
    for name in re.findall(r"benchmarks/[\w./-]+\.(?:json|py|toml)", page.read_text(encoding="utf-8")):
        assert (ROOT / name).exists(), f"{page.name}: {name}"


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: page.stem)
def test_named_modules_and_objects_exist(page: Path) -> None:
    for name in set(re.findall(r"`(lesionlab(?:\.\w+)+)`", page.read_text(encoding="utf-8"))):
        assert locate(name) is not None, f"{page.name}: {name}"


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: page.stem)
def test_named_settings_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for table, key in set(re.findall(r"(?:--set '?|`)([a-z]+)\.([a-z_]+)(?:=| = )", text)):
        if table in Recipe.model_fields:
            assert key in get_type_hints(Recipe)[table].model_fields, f"{page.name}: {table}.{key}"

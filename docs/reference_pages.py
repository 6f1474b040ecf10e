"""Reference pages that are generated from the code: public API, commands, errors and recipes."""

import inspect
import tomllib
from collections.abc import Iterator
from importlib import import_module, resources
from pathlib import Path
from typing import Any

import typer

from lesionlab import errors
from lesionlab.cli.main import app

# In the order of a reader's interest. A name is documented on the first page that has it.
PACKAGES = {
    "lesionlab": "The names that most programs need",
    "lesionlab.errors": "Errors",
    "lesionlab.results": "Prediction results",
    "lesionlab.prediction": "Inference",
    "lesionlab.client": "HTTP client",
    "lesionlab.bundle": "Model bundles",
    "lesionlab.images": "Decoding and preprocessing",
    "lesionlab.data": "Datasets and splits",
    "lesionlab.taxonomy": "Diagnoses and tasks",
    "lesionlab.recipes": "Recipes",
    "lesionlab.training": "Training",
    "lesionlab.training.segmentation": "Training of segmentation models",
    "lesionlab.export": "Export",
    "lesionlab.export.formats": "Formats of other runtimes",
    "lesionlab.runs": "Run folders",
    "lesionlab.evaluation": "Evaluation",
    "lesionlab.evaluation.comparison": "Comparison of two models",
    "lesionlab.evaluation.card": "Model card",
    "lesionlab.evaluation.figures": "Figures",
    "lesionlab.metrics": "Metrics",
    "lesionlab.experiments": "Cross-validation",
    "lesionlab.experiments.reproduction": "Reproduction of published systems",
    "lesionlab.segmentation": "Lesion segmentation",
    "lesionlab.attribution": "Explanation methods",
    "lesionlab.phantoms": "Synthetic images",
    "lesionlab.serving": "Server",
    "lesionlab.web": "Web page",
}


def public_names(package: str) -> list[str]:
    """Return the public names of a package: its `__all__`, else what it defines itself."""
    module = import_module(package)
    if hasattr(module, "__all__"):
        return list(module.__all__)
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == package
    ]


def write_reference_pages(folder: Path) -> None:
    """Write the generated pages.

    Args:
        folder: The `reference` folder of the documentation.
    """
    (folder / "api").mkdir(parents=True, exist_ok=True)
    documented: dict[int, str] = {}
    for package in PACKAGES:
        _write(folder / "api" / f"{package}.md", _api_page(package, documented))
    _write(folder / "api" / "index.md", _api_index())
    _write(folder / "commands.md", _commands_page())
    _write(folder / "errors.md", _errors_page())
    _write(folder / "recipes.md", _recipes_page())


def _write(file: Path, lines: Iterator[str]) -> None:
    """Write a page; an unchanged one keeps its time, so that Sphinx does not read it again."""
    text = "\n".join(lines) + "\n"
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        file.write_text(text, encoding="utf-8")


def _api_index() -> Iterator[str]:
    yield "# Python API"
    yield ""
    yield "Every public name, by package. Names that are not listed here may change without notice."
    yield ""
    yield "```{toctree}\n:maxdepth: 1\n"
    yield from PACKAGES
    yield "```"


def _api_page(package: str, documented: dict[int, str]) -> Iterator[str]:
    module = import_module(package)
    yield f"# `{package}`"
    yield ""
    yield PACKAGES[package] + "."
    yield ""
    yield f"```{{eval-rst}}\n.. automodule:: {package}\n   :no-members:\n```"
    for name in public_names(package):
        if name.startswith("__"):
            continue
        value = getattr(module, name)
        is_object = inspect.isclass(value) or inspect.isroutine(value)
        elsewhere = documented.get(id(value)) if is_object else None
        yield ""
        if elsewhere:
            yield f"`{name}`\n: See {{py:obj}}`{elsewhere}`."
            continue
        documented[id(value)] = f"{package}.{name}"
        yield "```{eval-rst}"
        if inspect.isclass(value):
            kind = "autoexception" if issubclass(value, BaseException) else "autoclass"
            yield f".. {kind}:: {package}.{name}\n   :members:\n   :exclude-members: model_config, model_post_init"
        elif inspect.isroutine(value):
            yield f".. autofunction:: {package}.{name}"
        else:
            yield f".. py:data:: {package}.{name}\n   :type: {type(value).__name__}"
        yield "```"


def _commands_page() -> Iterator[str]:
    root: Any = typer.main.get_command(app)
    yield "# Command line"
    yield ""
    yield "Generated from the application. `lesionlab COMMAND --help` prints the same."
    yield ""
    yield "Exit codes: [errors](errors.md#exit-codes)."
    context = root.context_class(root, info_name="lesionlab")
    for name in root.list_commands(context):
        command = root.get_command(context, name)
        if hasattr(command, "list_commands"):
            group = command.context_class(command, info_name=name, parent=context)
            for inner in command.list_commands(group):
                yield from _command(command.get_command(group, inner), f"lesionlab {name} {inner}", group)
        else:
            yield from _command(command, f"lesionlab {name}", context)


def _command(command: Any, path: str, parent: Any) -> Iterator[str]:
    context = command.context_class(command, info_name=path.rpartition(" ")[2], parent=parent)
    yield f"\n## `{path}`\n"
    yield inspect.cleandoc(command.help or "")
    yield f"\n```text\n{path} {' '.join(command.collect_usage_pieces(context))}\n```\n"
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and "--help" not in record[0]:
            yield f"`{record[0]}`\n: {record[1] or '(no description)'}\n"


def _errors_page() -> Iterator[str]:
    yield "# Errors"
    yield ""
    yield inspect.getdoc(errors) or ""
    yield ""
    yield (
        "All errors derive from {py:obj}`lesionlab.errors.LesionlabError`, so that one `except` catches them. "
        "The message is one line: the file or key, the problem and the remedy."
    )
    yield "\n## Tree\n\n```text"
    yield from _tree(errors.LesionlabError, 0)
    yield "```\n\n## Exit codes\n"
    yield "| code | meaning |\n|---:|---|"
    yield "| 0 | done |"
    for code, names in _by_exit_code().items():
        yield f"| {code} | {', '.join(f'`{name}`' for name in names)} |"
    yield "| 130 | interrupted with Ctrl-C |"
    yield "\n## Reference\n"
    yield "The classes are documented in [`lesionlab.errors`](api/lesionlab.errors.md)."


def _tree(error: type[BaseException], depth: int) -> Iterator[str]:
    first = (inspect.getdoc(error) or "").partition("\n")[0]
    yield f"{'    ' * depth}{error.__name__}: {first}"
    for child in error.__subclasses__():
        yield from _tree(child, depth + 1)


def _by_exit_code() -> dict[int, list[str]]:
    codes: dict[int, list[str]] = {}
    for name in public_names("lesionlab.errors"):
        codes.setdefault(getattr(errors, name).exit_code, []).append(name)
    return dict(sorted(codes.items()))


def _recipes_page() -> Iterator[str]:
    yield "# Recipes"
    yield ""
    library = resources.files("lesionlab.recipes") / "library"
    for file in sorted(library.iterdir(), key=lambda item: item.name):
        text = file.read_text(encoding="utf-8")
        tomllib.loads(text)
        yield f"\n## `{file.name.removesuffix('.toml')}`\n\n```toml\n{text.rstrip()}\n```"

"""Reference pages that are generated from the code: public API, commands, errors and recipes."""

import inspect
import re
from collections.abc import Iterator
from importlib import import_module, resources
from pathlib import Path
from typing import Any, get_args

import typer
from pydantic import BaseModel

from lesionlab import errors
from lesionlab.cli.main import application
from lesionlab.recipes import Recipe
from lesionlab.results import ProblemType

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
    "lesionlab.data.fetch": "Download of public datasets",
    "lesionlab.taxonomy": "Diagnoses and tasks",
    "lesionlab.recipes": "Recipes",
    "lesionlab.training": "Training",
    "lesionlab.training.segmentation": "Training of segmentation models",
    "lesionlab.export": "Export",
    "lesionlab.export.importing": "Import of networks",
    "lesionlab.export.formats": "Formats of other runtimes",
    "lesionlab.runs": "Run folders",
    "lesionlab.evaluation": "Evaluation",
    "lesionlab.evaluation.comparison": "Comparison of two models",
    "lesionlab.evaluation.card": "Model card",
    "lesionlab.evaluation.figures": "Figures",
    "lesionlab.metrics": "Metrics",
    "lesionlab.experiments": "Cross-validation",
    "lesionlab.experiments.tuning": "Search of settings",
    "lesionlab.experiments.reproduction": "Reproduction of published systems",
    "lesionlab.registry": "Registry of bundles",
    "lesionlab.segmentation": "Lesion segmentation",
    "lesionlab.attribution": "Explanation methods",
    "lesionlab.curation": "Duplicates",
    "lesionlab.curation.report": "Dataset report",
    "lesionlab.labelling.store": "Labelling store",
    "lesionlab.phantoms": "Synthetic images",
    "lesionlab.serving": "Server",
    "lesionlab.web": "Web page",
}

COMMON = """\
- `--model` (`-m`) names an existing model: a bundle or a run folder, or the URL of a bundle. Arguments are the images,
  datasets, recipes or runs that a command works on.
- `--out` (`-o`) names the output. An existing result is replaced with `--force` only, an input never.
- Results go to standard output, progress and messages to standard error. `--json` prints a result for programs.
- `--verbose` (`-v`) adds debug messages and the traceback of an error; `--quiet` (`-q`) leaves warnings and errors.
- Exit codes: [errors](errors.md#exit-codes).
"""

# The message of an error states the remedy for its case; this is the general one. A new error needs its line here.
REMEDIES = {
    "UsageError": "Correct the option, column or path that the message names; `lesionlab COMMAND --help` lists them.",
    "RecipeError": "Correct the key that the message names; see [recipes](recipes.md).",
    "ImageError": "Open the file in an image viewer; convert it to JPEG or PNG, or remove it.",
    "DataError": "Run `lesionlab data check FOLDER`, which lists all problems of a dataset.",
    "BundleError": "Export or copy the bundle again; one of an older schema must be exported by this version.",
    "MissingExtraError": "Install the extra that the message names; `lesionlab info` lists all.",
    "DivergenceError": "Lower `optimizer.learning_rate`; the weights of the epochs before are kept.",
    "MemoryExhaustedError": "Free memory, or lower `training.batch_size`, `--batch-size` or the number of `--workers`.",
    "OtherProcessError": "See the error of the other process.",
    "DownloadError": "Repeat the same command; it continues where it ended. The message names the cause.",
    "InterruptedRunError": "Repeat the same command; it continues after the last complete epoch, or within the file.",
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
    _write(folder / "problems.md", _problems_page())
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
    root: Any = typer.main.get_command(application())
    yield "# Command line"
    yield ""
    yield "Generated from the application. `lesionlab COMMAND --help` prints the same."
    yield ""
    yield COMMON
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
            # Options in the text as code, or two hyphens would become a dash.
            text = re.sub(r"(?<![\w`-])--?[a-z][\w-]*", r"`\g<0>`", record[1] or "(no description)")
            yield f"`{record[0]}`\n: {text}\n"


def _errors_page() -> Iterator[str]:
    yield "# Errors"
    yield ""
    yield (
        "All errors that a user can act on derive from {py:obj}`lesionlab.LesionlabError`, so that one `except` "
        "catches them. The message is one line: the file or key, the cause and the remedy. The command line prints it "
        "without a traceback and exits with the code of the error."
    )
    yield "\n## Tree\n"
    yield from _tree(errors.LesionlabError, 0)
    yield "\n## Exit codes\n"
    yield "| code | meaning |\n|---:|---|"
    yield "| 0 | success |"
    names = [name for name in public_names("lesionlab.errors") if hasattr(getattr(errors, name), "exit_code")]
    for code in sorted({getattr(errors, name).exit_code for name in names} - {130}):
        raised = ", ".join(f"`{name}`" for name in names if getattr(errors, name).exit_code == code)
        yield f"| {code} | {raised}{'; some images of several failed' if code == 1 else '; invalid options'} |"
    yield "| 130 | interrupted with Ctrl-C |"
    yield "\n## Remedies\n"
    yield "| error | usual remedy |\n|---|---|"
    for name in names:
        if name != "LesionlabError":
            owner = "lesionlab" if name in public_names("lesionlab") else "lesionlab.errors"
            yield f"| {{py:obj}}`{owner}.{name}` | {REMEDIES[name]} |"


def _tree(error: type[BaseException], depth: int) -> Iterator[str]:
    first = (inspect.getdoc(error) or "").partition("\n")[0]
    yield f"{'  ' * depth}- `{error.__name__}`: {first}"
    for child in error.__subclasses__():
        yield from _tree(child, depth + 1)


def _problems_page() -> Iterator[str]:
    yield "# Problems of the API"
    yield ""
    yield (
        "Every error of [the server](../serving.md) is a problem document of RFC 9457. Its `type` is the address of "
        "a section below, for programs; `detail` has the cause and the remedy. `request_id` finds it in the log."
    )
    for kind in ProblemType:
        yield f"\n({kind.slug})=\n## {kind.title}\n"
        yield f"Type `{kind.slug}`, HTTP status {kind.status}, `ProblemType.{kind.name}`. {kind.remedy}"


def _recipes_page() -> Iterator[str]:
    yield "# Recipes"
    yield ""
    yield (
        "A recipe is one TOML file. `lesionlab train` takes a name from this page or the path of a file; "
        "`--set TABLE.KEY=VALUE` changes a setting, as in `--set training.epochs=3`. Unknown keys are errors."
    )
    yield "\n## Settings\n"
    yield "The keys outside all tables come first.\n"
    yield from _settings(Recipe, "")
    for name, field in Recipe.model_fields.items():
        for part in _parts(field.annotation):
            if inspect.isclass(part) and issubclass(part, BaseModel):
                yield f"\n### `[{name}]`\n"
                yield inspect.cleandoc(part.__doc__ or "").partition("\n\nAttributes:")[0]
                yield ""
                yield from _settings(part, f"{name}.")
    yield "\n## Recipes in the package"
    library = resources.files("lesionlab.recipes") / "library"
    for file in sorted(library.iterdir(), key=lambda item: item.name):
        text = file.read_text(encoding="utf-8").rstrip()
        yield f"\n### `{file.name.removesuffix('.toml')}`\n\n```toml\n{text}\n```"


def _settings(model: type[BaseModel], prefix: str) -> Iterator[str]:
    """Yield one definition for each plain setting of a table."""
    described = described_attributes(model)
    for name, field in model.model_fields.items():
        if any(inspect.isclass(part) and issubclass(part, BaseModel) for part in _parts(field.annotation)):
            continue
        limits = ", ".join(_limit(limit) for limit in field.metadata)
        default = "required" if field.is_required() else f"default {field.get_default(call_default_factory=True)!r}"
        yield f"`{prefix}{name}`"
        yield f": {described[name]} ({'; '.join(filter(None, (default, limits)))})\n"


def _parts(annotation: Any) -> tuple[Any, ...]:
    """Return a type and, for a union, its members."""
    return (annotation, *get_args(annotation))


def _limit(limit: Any) -> str:
    """Return a constraint of pydantic as a comparison."""
    signs = {"gt": ">", "ge": "at least", "lt": "<", "le": "at most"}
    found = [f"{sign} {getattr(limit, name)}" for name, sign in signs.items() if hasattr(limit, name)]
    return found[0] if found else str(limit)


def described_attributes(model: type) -> dict[str, str]:
    """Return the descriptions in the section `Attributes:` of a class' docstring by name."""
    section = inspect.cleandoc(model.__doc__ or "").partition("\nAttributes:\n")[2]
    found = re.finditer(r"^    (\w+): ((?:.|\n(?!    \w+: )(?=     |$))*)", section, re.MULTILINE)
    return {match[1]: " ".join(match[2].split()) for match in found}


def describe_fields(_app: Any, what: str, _name: str, value: Any, _options: Any, lines: list[str]) -> None:
    """Prepare docstrings for napoleon (`autodoc-process-docstring`).

    Adds the fields of a pydantic model where the docstring does not list them. In the first line of a property's
    docstring napoleon takes the words before a colon for a type.
    """
    if what in {"property", "attribute"} and lines:
        lines[0] = lines[0].replace(": ", "; ", 1)
    if what != "class" or not issubclass(value, BaseModel) or any(line.strip() == "Attributes:" for line in lines):
        return
    if value.model_fields:
        fields = [f"    {name}: {field.description or ''}" for name, field in value.model_fields.items()]
        lines += ["", "Attributes:", *fields, ""]

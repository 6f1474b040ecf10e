"""Options, versions and output that the benchmarks share."""

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from lesionlab.cpu import available_cores
from lesionlab.files import write_json, write_text

Result = dict[str, Any]

_OPTIONS: dict[str, dict[str, Any]] = {
    "data": {"type": Path, "help": "folder of the dataset"},
    "docs": {"type": Path, "help": "Markdown file with a place for the table"},
    "features": {"type": Path, "help": "folder that caches the features of the dataset"},
    "images": {"type": int, "help": "number of images"},
    "metadata": {"type": Path, "help": "metadata table of the external dataset"},
    "model": {"type": Path, "help": "bundle; default: the shipped model"},
    "out": {"type": Path, "help": "file for the results"},
    "rounds": {"type": int, "help": "number of rounds"},
    "run": {"type": Path, "help": "run folder"},
    "table": {"type": Path, "help": "results of an earlier run: write their table only"},
    "threads": {"type": int, "help": "number of threads"},
}


def options(doc: str | None, *names: str, **defaults: Any) -> argparse.ArgumentParser:
    """Return a parser with shared options.

    Args:
        doc: Documentation of the benchmark.
        names: Names of the options; one that ends with `!` is required, and `run` is an argument.
        defaults: Default values by name.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in names:
        key = name.rstrip("!")
        if key == "run":
            parser.add_argument(key, **_OPTIONS[key])
        else:
            settings = _OPTIONS[key] | {"default": defaults.get(key)}
            parser.add_argument(f"--{key}", required=name.endswith("!"), **settings)
    return parser


def command(arguments: argparse.Namespace) -> str:
    """Return the command line without output options, with the names of options in place of paths."""
    paths = {str(value): name.upper() for name, value in vars(arguments).items() if isinstance(value, Path)}
    given = [paths.get(token, token) for token in sys.argv[1:]]
    outputs = {"--out", "--docs"}
    kept = [
        token
        for position, token in enumerate(given)
        if token not in outputs and not (position and given[position - 1] in outputs)
    ]
    return " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *kept])


def versions(*packages: str) -> dict[str, str]:
    """Return the versions of packages and of Python."""
    return {name: _version(name) for name in packages} | {"python": platform.python_version()}


def environment(*packages: str) -> Result:
    """Return the versions of packages and of Python, with the machine."""
    machine = {"platform": f"{platform.system()} {platform.machine()}", "cores": available_cores()}
    return versions(*packages) | machine | {"cpus": os.cpu_count()}


def write(arguments: argparse.Namespace, result: Result) -> None:
    """Print the results, and write them to `--out`."""
    print(json.dumps(result, indent=2))
    if arguments.out:
        write_json(arguments.out, result)


def publish(
    name: str,
    arguments: argparse.Namespace,
    measure: Callable[[argparse.Namespace], Result],
    table: Callable[[Result], str],
) -> None:
    """Measure, or read earlier results; write the results, print the table, and write it into a document.

    Args:
        name: Name of the comments in the document.
        arguments: Arguments with `out`, `table` and `docs`.
        measure: Returns the results.
        table: Returns the table in Markdown.
    """
    if arguments.table:
        result = json.loads(arguments.table.read_text(encoding="utf-8"))
    else:
        result = measure(arguments)
        if arguments.out:
            write_json(arguments.out, result)
    text = table(result)
    print(text)
    if arguments.docs:
        write_between(arguments.docs, name, text)


def write_between(document: Path, name: str, text: str) -> None:
    """Replace the text between `<!-- NAME: begin -->` and `<!-- NAME: end -->`.

    Raises:
        ValueError: The document has no such comments.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, rest = document.read_text(encoding="utf-8").split(begin)
    _, after = rest.split(end)
    write_text(document, f"{before}{begin}\n{text}\n{end}{after}")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"

"""What benchmarks share at their end: a file of results, and a table between two comments of a document."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lesionlab.files import write_json, write_text

Result = dict[str, Any]


def add_outputs(parser: argparse.ArgumentParser, out: str | None = None) -> None:
    """Add the options `--out`, `--table` and `--docs`.

    Args:
        parser: The benchmark's own.
        out: Where results are written if nothing is said; None: nowhere.
    """
    parser.add_argument("--out", type=Path, default=Path(out) if out else None, help="file for the results")
    parser.add_argument("--table", type=Path, help="results of an earlier run: its table alone")
    parser.add_argument("--docs", type=Path, help="document with a place for the table")


def publish(
    name: str,
    arguments: argparse.Namespace,
    measure: Callable[[argparse.Namespace], Result],
    table: Callable[[Result], str],
) -> None:
    """Measure, or read what was measured; write the results, print the table, and write it into a document.

    Args:
        name: Of the comments in the document.
        arguments: With those of `add_outputs`.
        measure: Returns the results.
        table: Returns them in Markdown.
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
    """Replace what stands between `<!-- NAME: begin -->` and `<!-- NAME: end -->`.

    Raises:
        ValueError: The document has no such comments.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, rest = document.read_text(encoding="utf-8").split(begin)
    _, after = rest.split(end)
    write_text(document, f"{before}{begin}\n{text}\n{end}{after}")

"""Reading a text table, separated by commas, semicolons or tabs."""

import codecs
import csv
import io
from dataclasses import dataclass
from pathlib import Path

from lesionlab.errors import DataError

_SEPARATORS = ",\t;"


@dataclass(frozen=True, slots=True)
class Table:
    """A table as text.

    Attributes:
        path: The file.
        header: Column names, in order.
        rows: Line number and cells of each non-empty row, which may be longer or shorter than the header.
    """

    path: Path
    header: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]


def read_table(path: Path, *, may_be_empty: bool = False) -> Table:
    """Read a table; white space around names and cells is removed.

    Args:
        path: The file.
        may_be_empty: Whether column names alone are a table.

    Raises:
        DataError: The file does not exist, is not text in UTF-8 or UTF-16, is empty, has duplicate column names, or
            has a quotation mark that is not closed in its line.
    """
    try:
        content = path.read_bytes()
        utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = content.decode("utf-16" if utf_16 else "utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a text file in UTF-8; save it as CSV with that encoding") from error
    rows = _rows(path, text)
    filled = [(line, cells) for line, cells in rows if any(cells)]
    if len(filled) < (1 if may_be_empty else 2):
        raise DataError(f"{path}: the table is empty; expected a line of column names and one line per image")
    header = filled[0][1]
    if len(set(header)) < len(header):
        repeated = next(name for name in header if header.count(name) > 1)
        raise DataError(f"{path}: column {repeated!r} occurs more than once; rename or remove one of them")
    return Table(path, header, tuple(filled[1:]))


def _rows(path: Path, text: str) -> list[tuple[int, tuple[str, ...]]]:
    """Return line number and cells of each row; a cell that runs over several lines would swallow rows."""
    stream = io.StringIO(text, newline="")
    first = stream.readline()
    stream.seek(0)
    separator = max(_SEPARATORS, key=first.count)
    reader = csv.reader(stream, delimiter=separator, skipinitialspace=True, strict=True)
    rows: list[tuple[int, tuple[str, ...]]] = []
    opened = 1
    problem = "it runs over several lines"
    try:
        for row in reader:
            if reader.line_num > opened:
                break
            rows.append((opened, tuple(cell.strip() for cell in row)))
            opened += 1
        else:
            return rows
    except csv.Error as error:
        problem = str(error)
    raise DataError(
        f"{path} line {opened}: a quotation mark is not closed in its cell ({problem}); remove it, or close it"
    )

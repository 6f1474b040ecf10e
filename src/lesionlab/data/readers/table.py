"""The reader of tables: text separated by commas, semicolons or tabs, Excel workbooks and Parquet files."""

import codecs
import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

from lesionlab.data.readers.binary_tables import Rows, read_parquet, read_workbook
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
        MissingExtraError: The package that reads workbooks or Parquet files is not installed.
        DataError: The file does not exist, is not text in UTF-8 or UTF-16, is empty, has duplicate column names, or
            has a quotation mark that is not closed in its line.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    if content.startswith(b"PAR1"):
        rows = read_parquet(content, path)
    elif content.startswith(b"PK\x03\x04"):  # a zip archive, as a workbook is
        rows = read_workbook(content, path)
    else:
        rows = _rows(path, _text(path, content))
    stripped = ((line, tuple(cell.strip() for cell in cells)) for line, cells in rows)
    filled = [(line, cells) for line, cells in stripped if any(cells)]
    if len(filled) < (1 if may_be_empty else 2):
        raise DataError(f"{path}: the table is empty; expected a line of column names and one line per image")
    header, filled = _without_trailing_cells(filled)
    if len(set(header)) < len(header):
        repeated = next(name for name in header if header.count(name) > 1)
        raise DataError(f"{path}: column {repeated!r} occurs more than once; rename or remove one of them")
    return Table(path, header, tuple(filled))


def _text(path: Path, content: bytes) -> str:
    try:
        utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        return content.decode("utf-16" if utf_16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a text file in UTF-8; save it as CSV with that encoding") from error


def _without_trailing_cells(rows: Rows) -> tuple[tuple[str, ...], Rows]:
    """Return the header and the rows without empty cells beyond the last column name, as spreadsheets add them.

    A column without a name before it, such as the index of pandas, gets the name that pandas gives it.
    """
    names = rows[0][1]
    width = max(place for place, name in enumerate(names, 1) if name)
    header = tuple(name or f"Unnamed: {place}" for place, name in enumerate(names[:width]))
    return header, [(line, cells if any(cells[width:]) else cells[:width]) for line, cells in rows[1:]]


def _rows(path: Path, text: str) -> Rows:
    """Return line number and cells of each row; a cell that runs over several lines would swallow rows."""
    stream = io.StringIO(text, newline="")
    first = stream.readline()
    stated = re.fullmatch(r"\"?sep=([,;\t|])\"?\s*", first, re.IGNORECASE)  # Excel's own way to state the separator
    if stated is None:
        stream.seek(0)
    separator = stated[1] if stated else max(_SEPARATORS, key=first.count)
    skipped = 0 if stated is None else 1
    reader = csv.reader(stream, delimiter=separator, skipinitialspace=True, strict=True)
    rows: Rows = []
    opened = skipped + 1
    problem = "it runs over several lines"
    try:
        for row in reader:
            if skipped + reader.line_num > opened:
                break
            rows.append((opened, tuple(row)))
            opened += 1
        else:
            return rows
    except csv.Error as error:
        problem = str(error)
    raise DataError(
        f"{path} line {opened}: a quotation mark is not closed in its cell ({problem}); remove it, or close it"
    )

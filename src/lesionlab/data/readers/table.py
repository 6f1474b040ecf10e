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
# Bytes that Windows-1252 does not define, control characters, and two frequent parts of UTF-8.
_OF_OTHER_ENCODINGS = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f\x81\x8d\x8f\x90\x9d]|\xc3[\x80-\xbf]|\xe2\x80")


@dataclass(frozen=True, slots=True)
class Table:
    """A table as text.

    Attributes:
        path: The file.
        header: Column names, in order.
        rows: Line number and cells of each non-empty row, which may be longer or shorter than the header.
        note: How the file was read, if that may be wrong.
    """

    path: Path
    header: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]
    note: str | None = None


def read_table(path: Path, *, may_be_empty: bool = False) -> Table:
    """Read a table; white space around names and cells is removed, and line breaks in cells become spaces.

    Args:
        path: The file.
        may_be_empty: Whether column names alone are a table.

    Raises:
        MissingExtraError: The package that reads workbooks or Parquet files is not installed.
        DataError: The file does not exist, is not text in UTF-8, UTF-16 or Windows-1252, is empty, has duplicate
            column names, or has a quotation mark that is not closed in its cell.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    note = None
    if content.startswith(b"PAR1"):
        rows = read_parquet(content, path)
    elif content.startswith(b"PK\x03\x04"):  # a zip archive, as a workbook is
        rows = read_workbook(content, path)
    else:
        text, note = _text(path, content)
        rows = _rows(path, text)
    stripped = ((line, tuple(cell.strip() for cell in cells)) for line, cells in rows)
    filled = [(line, cells) for line, cells in stripped if any(cells)]
    if len(filled) < (1 if may_be_empty else 2):
        raise DataError(f"{path}: the table is empty; expected a line of column names and one line per image")
    header, filled = _without_trailing_cells(filled)
    if len(set(header)) < len(header):
        repeated = next(name for name in header if header.count(name) > 1)
        raise DataError(f"{path}: column {repeated!r} occurs more than once; rename or remove one of them")
    return Table(path, header, tuple(filled), note)


def _text(path: Path, content: bytes) -> tuple[str, str | None]:
    """Return the text of a file, and a note if the encoding is likely but not certain."""
    try:
        utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = content.decode("utf-16" if utf_16 else "utf-8-sig")
        start = text.find("\0")
        if start < 0:
            return text, None
    except UnicodeDecodeError as error:
        start = error.start
    line = 1 + content.count(b"\n", 0, start)
    if not _OF_OTHER_ENCODINGS.search(content):
        return content.decode("cp1252"), f"read as Windows-1252, since line {line} is not UTF-8"
    raise DataError(f"{path} line {line}: not text in UTF-8; save the table as CSV with that encoding")


def _without_trailing_cells(rows: Rows) -> tuple[tuple[str, ...], Rows]:
    """Return the header and the rows without empty cells beyond the last column name, as spreadsheets add them.

    A column without a name before it, such as the index of pandas, gets the name that pandas gives it.
    """
    names = rows[0][1]
    width = max(place for place, name in enumerate(names, 1) if name)
    header = tuple(name or f"Unnamed: {place}" for place, name in enumerate(names[:width]))
    return header, [(line, cells if any(cells[width:]) else cells[:width]) for line, cells in rows[1:]]


def _rows(path: Path, text: str) -> Rows:
    """Return line number and cells of each row."""
    stream = io.StringIO(text, newline="")
    first = stream.readline()
    stated = re.fullmatch(r"\"?sep=([,;\t|])\"?\s*", first, re.IGNORECASE)  # Excel's own way to state the separator
    if stated is None:
        stream.seek(0)
    separator = stated[1] if stated else max(_SEPARATORS, key=first.count)
    skipped = 0 if stated is None else 1
    reader = csv.reader(stream, delimiter=separator, skipinitialspace=True, strict=True)
    rows: Rows = []
    line = skipped + 1
    try:
        for row in reader:
            following = skipped + reader.line_num + 1
            broken = following > line + 1
            rows.append((line, _with_joined_lines(row, separator, rows) if broken else tuple(row)))
            line = following
    except csv.Error as error:
        raise DataError(
            f"{path} line {line}: a quotation mark is not closed in its cell ({error}); remove it, or close it"
        ) from error
    return rows


def _with_joined_lines(row: list[str], separator: str, before: Rows) -> tuple[str, ...]:
    """Return a row with spaces for the line breaks in its cells.

    Raises:
        csv.Error: A cell may have swallowed rows: the row has another number of cells than the first one, or a cell
            holds as many separators as the rows that begin in it would.
    """
    columns = len(before[0][1]) if before else 0
    lines = [cell.splitlines() for cell in row]
    swallowed = any(
        len(found) > 1 and cell.count(separator) >= (columns - 1) * (len(found) - 1)
        for cell, found in zip(row, lines, strict=True)
    )
    if len(row) != columns or swallowed:
        raise csv.Error("it runs over several lines")
    return tuple(" ".join(found) for found in lines)

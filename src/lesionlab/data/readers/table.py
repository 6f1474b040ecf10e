"""Reading a text table, separated by commas, semicolons or tabs."""

import csv
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


def read_table(path: Path) -> Table:
    """Read a table; white space around names and cells is removed.

    Raises:
        DataError: The file does not exist, is not UTF-8 text, is empty, or has duplicate column names.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            first = stream.readline()
            stream.seek(0)
            reader = csv.reader(stream, delimiter=max(_SEPARATORS, key=first.count), skipinitialspace=True)
            rows = [(reader.line_num, tuple(cell.strip() for cell in row)) for row in reader]
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a text file in UTF-8; save it as CSV with that encoding") from error
    except csv.Error as error:
        raise DataError(f"{path}: not a valid table ({error})") from error
    filled = [(line, cells) for line, cells in rows if any(cells)]
    if len(filled) < 2:
        raise DataError(f"{path}: the table is empty; expected a line of column names and one line per image")
    header = filled[0][1]
    if len(set(header)) < len(header):
        repeated = next(name for name in header if header.count(name) > 1)
        raise DataError(f"{path}: column {repeated!r} occurs more than once; rename or remove one of them")
    return Table(path, header, tuple(filled[1:]))

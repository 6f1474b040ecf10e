"""Tables of Excel workbooks and Parquet files, as text."""

import io
import math
import re
import warnings
from collections.abc import Iterator
from datetime import datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lesionlab.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet

Rows = list[tuple[int, tuple[str, ...]]]


def read_workbook(data: bytes, path: Path) -> Rows:
    """Return the rows of the only sheet with data.

    A cell that is merged over several rows has its value in each of them. Formulas have their last computed value.

    Raises:
        DataError: The workbook is damaged, or has several sheets with data.
        MissingExtraError: openpyxl is not installed.
    """
    try:
        import openpyxl
    except ImportError as error:
        raise MissingExtraError(f"reading {path}", "excel", "openpyxl") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and extensions, which do not matter here
            book = openpyxl.load_workbook(io.BytesIO(data), data_only=True)
    except Exception as error:
        raise DataError(f"{path}: not an Excel workbook, or damaged ({error}); save it as .xlsx or CSV") from error
    filled = [(sheet.title, rows) for sheet in book.worksheets if (rows := list(_sheet_rows(sheet)))]
    if len(filled) > 1:
        titles = ", ".join(title for title, _rows in filled)
        raise DataError(f"{path}: the workbook has several sheets ({titles}); save the right one as a file of its own")
    return filled[0][1] if filled else []


def _sheet_rows(sheet: "Worksheet") -> Iterator[tuple[int, tuple[str, ...]]]:
    merged = {
        (row, area.min_col): sheet.cell(area.min_row, area.min_col)
        for area in sheet.merged_cells.ranges
        if area.min_col == area.max_col
        for row in range(area.min_row, area.max_row + 1)
    }
    for number, cells in enumerate(sheet.iter_rows(), 1):
        found = [merged.get((cell.row, cell.column), cell) for cell in cells] if merged else cells
        texts = tuple(_cell_text(cell.value, cell.number_format) for cell in found)
        if any(texts):
            yield number, texts


def _cell_text(value: Any, number_format: str) -> str:
    # An identifier with leading zeros is often a number that the format pads with zeros.
    padded = re.fullmatch("0+", number_format)
    return text_of(value).zfill(len(number_format)) if padded and isinstance(value, int | float) else text_of(value)


def read_parquet(data: bytes, path: Path) -> Rows:
    """Return the rows of a Parquet file, its column names first; nested and binary columns are left out.

    Raises:
        DataError: The file is damaged.
        MissingExtraError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError(f"reading {path}", "parquet", "pyarrow") from error
    try:
        file = pq.ParquetFile(io.BytesIO(data))
        types = pa.types
        flat = [
            field.name
            for field in file.schema_arrow
            if not (types.is_nested(field.type) or types.is_binary(field.type) or types.is_large_binary(field.type))
        ]
        table = file.read(columns=flat)
        columns = [[text_of(value) for value in table.column(name).to_pylist()] for name in flat]
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(f"{path}: the Parquet file is damaged ({error}); save it again") from error
    return [(1, tuple(flat)), *enumerate(zip(*columns, strict=True), 2)]


def text_of(value: object) -> str:
    """Return a cell's value as text: whole numbers without `.0`, missing values as an empty text."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, datetime) and value.time() == time():
        return value.date().isoformat()
    return str(value)

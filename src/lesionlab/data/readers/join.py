"""Adding the columns of further tables to a table of images, by image or by lesion."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from lesionlab.data.readers.columns import ColumnMapping, known_columns
from lesionlab.data.readers.labels import LabelColumns
from lesionlab.data.readers.names import without_suffix
from lesionlab.data.readers.table import Table, read_table
from lesionlab.data.scan import DataProblem, ProblemKind
from lesionlab.errors import DataError


def main_table(paths: Sequence[Path], columns: ColumnMapping) -> Path:
    """Return the table that the others are joined to: the first with image and diagnosis, else with the image."""
    if len(paths) == 1:
        return paths[0]
    headers = {path: read_table(path).header for path in paths}
    images = [path for path in paths if {"image_id", "path"} & known_columns(columns, headers[path]).keys()]
    labelled = [path for path in images if LabelColumns.find(headers[path], columns.diagnosis) is not None]
    # Diagnoses by lesion are joined to a table of the images of each lesion.
    by_lesion = [path for path in images if "lesion_id" in known_columns(columns, headers[path])]
    return (labelled or by_lesion or images or list(paths))[0]


class JoinedTables:
    """Tables whose rows are added to those of other tables.

    Args:
        given: Tables that the user names; at least one row of each must fit.
        usual: Tables that belong to the layout.
        columns: Columns by attribute, where they are given.

    """

    def __init__(self, given: Iterable[Table], usual: Iterable[Table], columns: ColumnMapping) -> None:
        self._tables = [_JoinedTable(table, columns, required=True) for table in given]
        self._tables += [_JoinedTable(table, columns, required=False) for table in usual]

    def join(self, table: Table) -> Table:
        """Return a table with further columns; a cell without a match is empty. Filled cells are kept.

        Raises:
            DataError: A table has neither a column of the image nor one of the lesion, or two rows for one of these.
        """
        for other in self._tables:
            table = other.join(table)
        return table

    def problems(self) -> list[DataProblem]:
        """Return the rows without a match and the contradictions, counted by table.

        Raises:
            DataError: No row of a given table fits.
        """
        return [problem for table in self._tables for problem in table.problems()]


class _JoinedTable:
    """One table, joined by the image if it has a column of it, else by the lesion."""

    def __init__(self, table: Table, columns: ColumnMapping, *, required: bool) -> None:
        self._table, self._columns, self._required = table, columns, required
        self._matched: set[str] = set()
        self._contradictions: list[str] = []

    def join(self, table: Table) -> Table:
        mine = known_columns(self._columns, table.header)
        theirs = known_columns(self._columns, self._table.header)
        attribute = next((name for name in ("image_id", "lesion_id") if name in mine and name in theirs), None)
        if attribute is None:
            raise DataError(
                f"{self._table.path}: no column of the image or the lesion to join it to {table.path.name} by"
            )
        rows = self._rows(theirs[attribute])
        header = self._table.header
        added = [place for place, name in enumerate(header) if name not in table.header]
        shared = [(table.header.index(name), place) for place, name in enumerate(header) if name in table.header]
        key = table.header.index(mine[attribute])
        joined = []
        for line, cells in table.rows:
            filled = list(cells)
            if len(cells) == len(table.header):
                found = rows.get(without_suffix(cells[key]), ("",) * len(header))
                for mine_at, theirs_at in shared:
                    filled[mine_at] = self._filled(cells[key], cells[mine_at], found[theirs_at])
                filled += [found[place] for place in added]
                self._matched |= {without_suffix(cells[key])} & rows.keys()
            joined.append((line, tuple(filled)))
        return replace(table, header=(*table.header, *(header[place] for place in added)), rows=tuple(joined))

    def problems(self) -> list[DataProblem]:
        where, total = self._table.path.name, len(self._table.rows)
        if self._required and not self._matched:
            raise DataError(f"{self._table.path}: no row belongs to an image of the dataset")
        note = self._table.note
        found = [DataProblem(kind=ProblemKind.ENCODING, where=where, detail=note)] if note else []
        if missing := total - len(self._matched):
            detail = f"{missing:,} of {total:,} rows belong to no image of the dataset"
            found.append(DataProblem(kind=ProblemKind.UNMATCHED_ROWS, where=where, detail=detail))
        if self._contradictions:
            count, first = len(self._contradictions), self._contradictions[0]
            detail = f"{count:,} values differ from those of the first table, which are used: {first}"
            found.append(DataProblem(kind=ProblemKind.CONFLICTING_TABLES, where=where, detail=detail))
        return found

    def _rows(self, column: str) -> dict[str, tuple[str, ...]]:
        place = self._table.header.index(column)
        rows: dict[str, tuple[str, ...]] = {}
        for line, cells in self._table.rows:
            where = f"{self._table.path} line {line}"
            if len(cells) != len(self._table.header):
                raise DataError(f"{where}: {len(cells)} cells under {len(self._table.header)} column names")
            key = without_suffix(cells[place])
            if key in rows:
                raise DataError(f"{where}: a second row for {column} {key}")
            if key:
                rows[key] = cells
        return rows

    def _filled(self, key: str, mine: str, theirs: str) -> str:
        if mine and theirs and without_suffix(mine) != without_suffix(theirs) and not _equal_numbers(mine, theirs):
            self._contradictions.append(f"{key} has {mine!r} and {theirs!r}")
        return mine or theirs


def _equal_numbers(one: str, other: str) -> bool:
    try:
        return float(one) == float(other)
    except ValueError:
        return False

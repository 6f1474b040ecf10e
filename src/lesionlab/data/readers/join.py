"""Adding the columns of further tables to a table of images, by image or by lesion."""

from collections.abc import Iterable, Sequence
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
        tables: The tables. One with a column of the image is joined by it, else by the lesion.
        columns: Columns by attribute, where they are given.
    """

    def __init__(self, tables: Iterable[Table], columns: ColumnMapping) -> None:
        self._tables = list(tables)
        self._columns = columns
        self._matched: dict[int, set[str]] = {number: set() for number in range(len(self._tables))}

    def join(self, table: Table) -> Table:
        """Return a table with further columns; a cell without a match is empty. Filled cells are kept.

        Raises:
            DataError: A table has neither a column of the image nor one of the lesion, or two rows for one of these.
        """
        for number, other in enumerate(self._tables):
            table = self._join(table, other, self._matched[number])
        return table

    def problems(self) -> list[DataProblem]:
        """Return the number of rows without a match, by table."""
        found = []
        for number, other in enumerate(self._tables):
            if missing := len(other.rows) - len(self._matched[number]):
                detail = f"{missing:,} of {len(other.rows):,} rows belong to no image of the dataset"
                found.append(DataProblem(kind=ProblemKind.UNMATCHED_ROWS, where=other.path.name, detail=detail))
        return found

    def _join(self, table: Table, other: Table, matched: set[str]) -> Table:
        mine, theirs = known_columns(self._columns, table.header), known_columns(self._columns, other.header)
        attribute = next((name for name in ("image_id", "lesion_id") if name in mine and name in theirs), None)
        if attribute is None:
            raise DataError(f"{other.path}: no column of the image or the lesion to join it to {table.path.name} by")
        place = other.header.index(theirs[attribute])
        rows: dict[str, tuple[str, ...]] = {}
        for line, cells in other.rows:
            if len(cells) != len(other.header):
                raise DataError(f"{other.path} line {line}: {len(cells)} cells under {len(other.header)} column names")
            key = without_suffix(cells[place])
            if key in rows:
                raise DataError(f"{other.path} line {line}: a second row for {attribute} {key}")
            rows[key] = cells
        added = [index for index, name in enumerate(other.header) if name not in table.header]
        shared = [(table.header.index(name), index) for index, name in enumerate(other.header) if name in table.header]
        key_place = table.header.index(mine[attribute])
        joined = []
        for line, cells in table.rows:
            filled = list(cells)
            found = rows.get(without_suffix(cells[key_place])) if len(cells) == len(table.header) else None
            if found is not None:
                matched.add(without_suffix(cells[key_place]))
                for target, source in shared:
                    filled[target] = filled[target] or found[source]
            if len(cells) == len(table.header):
                filled += [found[index] if found is not None else "" for index in added]
            joined.append((line, tuple(filled)))
        return Table(table.path, (*table.header, *(other.header[index] for index in added)), tuple(joined))

"""The images to label: a dataset in a supported layout, or images without any label."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lesionlab.data import ColumnMapping, ImageRecord, Manifest, scan_dataset
from lesionlab.data.readers.columns import known_columns
from lesionlab.data.readers.image_index import ImageIndex
from lesionlab.data.readers.labels import LabelColumns
from lesionlab.data.readers.names import lesion_of_frames, path_id, repeated_names
from lesionlab.data.readers.rows import RowReader
from lesionlab.data.readers.table import Table, read_table
from lesionlab.data.scan import raise_for_errors
from lesionlab.errors import DataError
from lesionlab.images.formats import image_id
from lesionlab.taxonomy.diagnoses import UNKNOWN

_TABLES = frozenset((".csv", ".tsv", ".xlsx", ".parquet"))
_NO_DIAGNOSIS = "diagnosis"


def read_images(folder: Path, columns: ColumnMapping | None = None, metadata: Sequence[Path] | None = None) -> Manifest:
    """Read the images of a folder, dermoscopic and clinical ones, with labels or without.

    A table without a column of the diagnosis gives lesions and patient data; without a table, each image is a lesion.

    Args:
        folder: Folder of the images.
        columns: Mapping of the table's columns, if their names are not recognised.
        metadata: Tables to read instead of the folder's own.

    Raises:
        DataError: The folder has no image, or its table has errors; see `lesionlab.data.read_dataset`.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    given = columns or ColumnMapping()
    tables = list(metadata or (path for path in sorted(folder.iterdir()) if path.suffix.lower() in _TABLES))
    if len(tables) == 1:
        table = read_table(tables[0])
        names = known_columns(given, table.header)
        if LabelColumns.find(table.header, given.diagnosis) is None and names.keys() & {"image_id", "path"}:
            return _from_table(folder, table, given)
    if not tables and not any(path.is_dir() for path in folder.iterdir()):
        return _from_files(folder)
    scan = scan_dataset(folder, columns=columns, metadata=metadata, unknown="keep", image_type="all")
    return scan.manifest()


def _from_table(folder: Path, table: Table, columns: ColumnMapping) -> Manifest:
    rows = tuple((line, (*cells, UNKNOWN)) for line, cells in table.rows)
    unlabelled = replace(table, header=(*table.header, _NO_DIAGNOSIS), rows=rows)
    reader = RowReader(columns, ImageIndex.build(folder), keep_unknown=True)
    reader.read(unlabelled)
    raise_for_errors(table.path, reader.problems)
    records = tuple(replace(record, label=None) for record in reader.records)
    return Manifest(folder, records, any(record.lesion_id != record.image_id for record in records))


def _from_files(folder: Path) -> Manifest:
    paths = list(ImageIndex.build(folder).sizes)
    repeated = repeated_names(paths)
    records = []
    for path in paths:
        name = path_id(path) if image_id(path) in repeated else image_id(path)
        records.append(ImageRecord(name, path, lesion_of_frames(path) or name, UNKNOWN))
    return Manifest(folder, tuple(records), any(record.lesion_id != record.image_id for record in records))

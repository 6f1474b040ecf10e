"""Reading a dataset: recognising its layout, and building the manifest."""

from pathlib import Path

from lesionlab.data.manifest import HAM10000, ImageRecord, Manifest
from lesionlab.data.readers.class_folders import has_class_folders, scan_class_folders
from lesionlab.data.readers.columns import ColumnMapping
from lesionlab.data.readers.image_index import ImageIndex, is_image_name
from lesionlab.data.readers.rows import RowReader
from lesionlab.data.readers.table import read_table
from lesionlab.data.scan import DataProblem, ProblemKind, Scan, raise_for_errors
from lesionlab.errors import DataError, UsageError

MANIFEST_NAME = "manifest.csv"

# Dataverse distributes the table without an extension or as .tab, Kaggle as .csv, sometimes in lower case.
_HAM_METADATA = frozenset(f"ham10000_metadata{ending}" for ending in ("", ".csv", ".tab", ".tsv", ".txt"))
_HAM_IMAGES = "ham10000_images"
_LAYOUTS = (
    (
        "HAM10000 as on Kaggle and Dataverse (HAM10000_metadata, with or without .csv or .tab, next to "
        "HAM10000_images_part_1 and _part_2 as folders or .zip files)"
    ),
    "one folder of images per diagnosis (mel, nv, ...)",
    f"a saved {MANIFEST_NAME}",
    "any table of images, named with --metadata FILE",
)


def read_dataset(folder: Path, *, columns: ColumnMapping | None = None, metadata: Path | None = None) -> Manifest:
    """Read a dataset in one of the supported layouts.

    Args:
        folder: Folder of the images.
        columns: Mapping of the metadata's columns, if their names are not recognised.
        metadata: A table of images to read instead of the folder's own metadata.

    Raises:
        DataError: The layout is unknown, or the data has errors, such as an unknown diagnosis, a duplicate id or a
            missing image. Nothing is omitted silently.
    """
    return scan_dataset(folder, columns=columns, metadata=metadata).manifest()


def load_manifest(path: Path) -> Manifest:
    """Read a manifest that `Manifest.save` has written, without checking that its images exist.

    Lesions are known if a lesion id differs from its image id.

    Raises:
        DataError: The file is missing, damaged, or not a manifest.
    """
    reader = _read_rows(path, ColumnMapping(image_id="image_id", path="path"), None, "unknown")
    raise_for_errors(path, reader.problems)
    return Manifest(path.parent, tuple(reader.records), _has_lesion_ids(reader.records))


def scan_dataset(folder: Path, *, columns: ColumnMapping | None = None, metadata: Path | None = None) -> Scan:
    """Read a dataset's metadata, locate its images, and collect all problems.

    Args:
        folder: Folder of the images.
        columns: Mapping of the metadata's columns.
        metadata: A table of images to read instead of the folder's own metadata.

    Raises:
        DataError: The folder is missing or its layout is unknown, or its table cannot be read.
        UsageError: `columns` is given for a layout without a table.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error.strerror or error}") from error
    scan = _scan_layout(folder, entries, columns, metadata)
    if not scan.records and not any(problem.kind.is_error for problem in scan.problems):
        raise DataError(f"{folder}: the layout is {scan.layout}, but no image was found. Found: {_found(entries)}")
    return scan


def _scan_layout(folder: Path, entries: list[Path], columns: ColumnMapping | None, metadata: Path | None) -> Scan:
    if metadata is not None:
        named = metadata.name.lower().startswith("ham10000_metadata")
        return _scan_table(folder, metadata, "HAM10000" if named else "table of images", columns)
    saved = folder / MANIFEST_NAME
    if saved.is_file():
        return _scan_table(folder, saved, "saved manifest", columns)
    tables = [entry for entry in entries if entry.name.lower() in _HAM_METADATA and entry.is_file()]
    if len(tables) > 1:
        names = ", ".join(table.name for table in tables)
        raise DataError(f"{folder}: several metadata tables ({names}); select one with --metadata")
    if tables:
        # Dataverse has the ISIC 2018 test images in the same folder; they do not belong to this table.
        folders = [
            entry
            for entry in entries
            if entry.name.lower().startswith(_HAM_IMAGES) and (entry.is_dir() or entry.suffix.lower() == ".zip")
        ]
        return _scan_table(folder, tables[0], "HAM10000", columns, folders or None)
    if has_class_folders(entries):
        if columns is not None:
            raise UsageError("columns: a folder per diagnosis has no table; give one with --metadata")
        return scan_class_folders(folder)
    raise DataError(f"{folder}: unknown layout. Supported: {'; '.join(_LAYOUTS)}. Found: {_found(entries)}")


def _scan_table(
    folder: Path, table: Path, layout: str, columns: ColumnMapping | None, folders: list[Path] | None = None
) -> Scan:
    index = ImageIndex.build(folder, folders)
    source = HAM10000 if layout == "HAM10000" else "unknown"
    reader = _read_rows(table, columns or ColumnMapping(), index, source)
    known = reader.lesions_known and _has_lesion_ids(reader.records)
    return Scan(folder, layout, tuple(reader.records), (*reader.problems, *_conflicts(reader.records)), known)


def _read_rows(path: Path, columns: ColumnMapping, index: ImageIndex | None, source: str) -> RowReader:
    table = read_table(path)
    reader = RowReader(columns.completed(table.header, path), index, source)
    reader.read(table)
    return reader


def _has_lesion_ids(records: list[ImageRecord]) -> bool:
    # In a saved manifest, unknown lesions have the id of their image.
    return any(record.lesion_id != record.image_id for record in records)


def _conflicts(records: list[ImageRecord]) -> list[DataProblem]:
    diagnoses: dict[str, set[str]] = {}
    for record in records:
        diagnoses.setdefault(record.lesion_id, set()).add(record.diagnosis)
    return [
        DataProblem(kind=ProblemKind.CONFLICTING_LESION, where=lesion_id, detail=" and ".join(sorted(found)))
        for lesion_id, found in sorted(diagnoses.items())
        if len(found) > 1
    ]


def _found(entries: list[Path]) -> str:
    folders = [entry.name for entry in entries if entry.is_dir()]
    images = sum(entry.is_file() and is_image_name(entry.name) for entry in entries)
    others = [entry.name for entry in entries if entry.is_file() and not is_image_name(entry.name)]
    parts = [f"{images} images"] if images else []
    parts += [_listing("folders", folders)] if folders else []
    parts += [_listing("files", others)] if others else []
    return ", ".join(parts) or "nothing"


def _listing(what: str, names: list[str]) -> str:
    shown = ", ".join(names[:5])
    return f"{what} {shown}" + (f" and {len(names) - 5} more" if len(names) > 5 else "")

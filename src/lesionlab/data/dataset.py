"""Reading a dataset: recognising its layout, and building the manifest."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from lesionlab.data.manifest import ImageRecord, Manifest
from lesionlab.data.readers.class_folders import has_class_folders, scan_class_folders
from lesionlab.data.readers.columns import ColumnMapping
from lesionlab.data.readers.image_index import ImageIndex
from lesionlab.data.readers.join import JoinedTables, main_table
from lesionlab.data.readers.layouts import (
    ANY_TABLE,
    LAYOUTS,
    Layout,
    find_layout,
    layout_of,
    matching,
    table_subset,
    with_pairs,
)
from lesionlab.data.readers.rows import RowReader
from lesionlab.data.readers.table import read_table
from lesionlab.data.scan import DataProblem, ProblemKind, Scan, raise_for_errors
from lesionlab.errors import DataError, UsageError
from lesionlab.images.files import OTHER, is_image_name

ImageTypes = Literal["dermoscopic", "clinical", "all"]
MANIFEST_NAME = "manifest.csv"

_TABLES = frozenset((".csv", ".tsv", ".tab", ".txt", ".xlsx", ".parquet"))


def read_dataset(
    folder: Path,
    *,
    columns: ColumnMapping | None = None,
    metadata: Path | Sequence[Path] | None = None,
    unknown: Literal["error", "keep"] = "error",
    image_type: ImageTypes = "dermoscopic",
) -> Manifest:
    """Read a dataset in one of the supported layouts.

    Args:
        folder: Folder of the images.
        columns: Mapping of the metadata's columns, if their names are not recognised.
        metadata: A table of images to read instead of the folder's own metadata. Further tables are joined to it by
            image or lesion.
        unknown: Diagnoses of unknown spelling are an error, or kept with the label `unk`, or `mal_oth` and `ben_oth`
            where the table states the malignancy.
        image_type: Which images of a dataset with dermoscopic and clinical ones are used: those of a type, or `all`.

    Raises:
        DataError: The layout is unknown, or the data has errors, such as an unknown diagnosis, a duplicate id or a
            missing image. Nothing is omitted silently.
    """
    scan = scan_dataset(folder, columns=columns, metadata=metadata, unknown=unknown, image_type=image_type)
    return scan.manifest()


def load_manifest(path: Path) -> Manifest:
    """Read a manifest that `Manifest.save` has written, without checking that its images exist.

    Lesions are known if a lesion id differs from its image id.

    Raises:
        DataError: The file is missing, damaged, or not a manifest.
    """
    reader = RowReader(ColumnMapping(image_id="image_id", path="path", diagnosis="diagnosis"), None)
    reader.read(read_table(path))
    raise_for_errors(path, reader.problems)
    return Manifest(path.parent, tuple(reader.records), _has_lesion_ids(reader.records))


def scan_dataset(
    folder: Path,
    *,
    columns: ColumnMapping | None = None,
    metadata: Path | Sequence[Path] | None = None,
    unknown: Literal["error", "keep"] = "error",
    image_type: ImageTypes = "dermoscopic",
) -> Scan:
    """Read a dataset's metadata, locate its images, and collect all problems.

    Args:
        folder: Folder of the images.
        columns: Mapping of the metadata's columns.
        metadata: Tables to read instead of the folder's own metadata (see `read_dataset`).
        unknown: What becomes of diagnoses of unknown spelling (see `read_dataset`).
        image_type: Which images are used (see `read_dataset`).

    Raises:
        DataError: The folder is missing or its layout is unknown, or its table cannot be read.
        UsageError: `columns` is given for a layout without a table.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    try:
        given = [metadata] if isinstance(metadata, Path) else list(metadata or ())
        whole = _scan_layout(folder, columns, given, keep_unknown=unknown == "keep")
    except OSError as error:
        raise DataError(f"{error.filename or folder}: cannot be read: {error.strerror or error}") from error
    scan = whole if image_type == "all" else _of_type(whole, image_type)
    if whole.records and not scan.records:
        types = ", ".join(sorted({record.image_type or "unknown" for record in whole.records}))
        raise DataError(f"{folder}: there is no {image_type} image; the types are {types}")
    if not scan.records and not any(problem.kind.is_error for problem in scan.problems):
        raise DataError(f"{folder}: the layout is {scan.layout}, but no image was found. Found: {_found(folder)}")
    return scan


def _scan_layout(folder: Path, columns: ColumnMapping | None, given: list[Path], *, keep_unknown: bool) -> Scan:
    if given:
        main = main_table(given, columns or ColumnMapping())
        further = [path for path in given if path != main]
        layout = layout_of(main)
        return _scan_tables(folder, layout, [main], columns, further, everywhere=True, keep_unknown=keep_unknown)
    found = find_layout(folder)
    if found is not None:
        return _scan_tables(folder, *found, columns, keep_unknown=keep_unknown)
    index = ImageIndex.build(folder)
    if has_class_folders(index.sizes):
        if columns is not None:
            raise UsageError("columns: a folder per diagnosis has no table; give one with --metadata")
        return scan_class_folders(folder, index, keep_unknown=keep_unknown)
    if not index.sizes and not index.problems:
        pixels = [path for pattern in ("*.npz", "hmnist_*.csv") for path in sorted(folder.glob(pattern))]
        hint = f"; read {pixels[0].name} with 'lesionlab data import-hmnist'" if pixels else ""
        raise DataError(f"{folder}: no image was found{hint}. Found: {_found(folder)}")
    tables = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in _TABLES and path.is_file()]
    reason = ""
    if len(tables) == 1:
        try:
            return _scan_tables(folder, ANY_TABLE, tables, columns, keep_unknown=keep_unknown)
        except DataError as error:
            reason = f". {error}"
    raise DataError(f"{folder}: unknown layout. Supported: {_supported()}. Found: {_found(folder)}{reason}")


def _scan_tables(
    folder: Path,
    layout: Layout,
    paths: list[Path],
    columns: ColumnMapping | None,
    further: Sequence[Path] = (),
    *,
    everywhere: bool = False,
    keep_unknown: bool,
) -> Scan:
    """Read tables and those to join, the given and the layout's, with images from its folders or from everywhere."""
    places = list(dict.fromkeys([*(path.parent for path in paths), folder]))
    joined = [
        path
        for pattern in layout.joined
        for path in dict.fromkeys(path for place in places for path in matching(place, pattern))
        if path not in (*paths, *further)
    ]
    images = {path for pattern in layout.images for place in places for path in matching(place, pattern)}
    given = columns or ColumnMapping()
    added = JoinedTables(map(read_table, further), map(read_table, joined), given)
    within = images if images and not everywhere and all(path.is_relative_to(folder) for path in images) else None
    index = ImageIndex.build(folder, within)
    tables = {path.resolve() for path in (*paths, *further, *joined)}
    index.left_out.counts[OTHER] -= sum(path.is_relative_to(folder.resolve()) for path in tables)
    reader = RowReader(given, index, layout.source, layout.image_type, keep_unknown)
    for path in paths:
        base = path.parent.relative_to(folder).as_posix() if path.parent.is_relative_to(folder) else "."
        subset = table_subset(path) if len(paths) > 1 else None
        reader.read(added.join(with_pairs(layout, layout.read(path))), "" if base == "." else base, subset)
    reader.finish()
    records = reader.records
    known = reader.lesions_known and _has_lesion_ids(records)
    problems = (*reader.problems, *added.problems(), *_conflicts(records, reader.patients))
    grouped = "; without lesion ids, images are grouped by patient" if reader.patients else ""
    return Scan(
        folder, layout.name + grouped, tuple(records), problems, known, index.left_out, by_patient=bool(reader.patients)
    )


def _of_type(scan: Scan, image_type: str) -> Scan:
    """Return the images of a type, and a problem for each other one; all images where no type is stated."""
    if not any(record.image_type for record in scan.records):
        return scan
    # A dataset of clinical images alone may be evaluated by a dermoscopic model: its reports state the type.
    if image_type == "dermoscopic" and not any(record.image_type == image_type for record in scan.records):
        return scan
    kept = tuple(record for record in scan.records if record.image_type in (image_type, None))
    others = tuple(
        DataProblem(kind=ProblemKind.OTHER_IMAGE_TYPE, where=record.image_id, detail=record.image_type or "")
        for record in scan.records
        if record.image_type not in (image_type, None)
    )
    known = scan.lesions_known and _has_lesion_ids(kept)
    return replace(scan, records=kept, problems=(*scan.problems, *others), lesions_known=known)


def _supported() -> str:
    names = [layout.name for layout in LAYOUTS]
    return (
        f"{', '.join(names)}; a folder of images per diagnosis (mel, nv, ...), also below train, val and test; one "
        "table of images, or any table named with --metadata FILE; pixel tables (hmnist_28_28_RGB.csv, dermamnist.npz) "
        "after 'lesionlab data import-hmnist'"
    )


def _has_lesion_ids(records: Sequence[ImageRecord]) -> bool:
    # In a saved manifest, unknown lesions have the id of their image.
    return any(record.lesion_id != record.image_id for record in records)


def _conflicts(records: list[ImageRecord], patients: set[str]) -> list[DataProblem]:
    diagnoses: dict[str, set[str]] = {}
    for record in records:
        diagnoses.setdefault(record.lesion_id, set()).add(record.diagnosis)
    return [
        DataProblem(kind=ProblemKind.CONFLICTING_LESION, where=lesion_id, detail=" and ".join(sorted(found)))
        for lesion_id, found in sorted(diagnoses.items())
        if len(found) > 1 and lesion_id not in patients
    ]


def _found(folder: Path) -> str:
    entries = sorted(folder.iterdir())
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

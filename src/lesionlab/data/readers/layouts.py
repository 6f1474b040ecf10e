"""The layouts of public datasets, each as data: names of tables, image folders and columns."""

import functools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from lesionlab.data.manifest import HAM10000
from lesionlab.data.readers.ph2 import read_ph2
from lesionlab.data.readers.table import Table, read_table
from lesionlab.data.readers.values import subset_name
from lesionlab.errors import DataError


@dataclass(frozen=True, slots=True)
class Layout:
    """How a dataset is laid out.

    Patterns are those of `fnmatch`, in lower case. They are relative to the dataset's folder, those of further tables
    and of images also to the folder of the table.

    Attributes:
        name: Its name.
        tables: Patterns of the tables with one row per image. All that match are read.
        header: Columns that such a table has, in lower case, where the name alone does not identify it.
        joined: Patterns of tables that add columns, by image or by lesion.
        other_tables: Patterns of further names of such a table, which is read where the user names it.
        images: Patterns of image folders and archives; all images below the dataset's folder if there is none.
        pairs: Columns of paths with the type of their images, for a table with several images per row.
        source: Source of images without a column of it.
        image_type: Type of images without a column of it.
        read: Reads a table that is no plain one.
    """

    name: str
    tables: tuple[str, ...]
    header: frozenset[str] = frozenset()
    joined: tuple[str, ...] = ()
    other_tables: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    source: str = "unknown"
    image_type: str | None = None
    read: Callable[[Path], Table] = read_table


def _without_header(path: Path) -> Table:
    """Read a table of images and labels without column names, as ISIC 2016 has it."""
    table = read_table(path)
    if "image_id" in table.header:
        return table
    return replace(table, header=("image_id", "benign_malignant"), rows=((1, table.header), *table.rows))


def read_image_folder(path: Path) -> Table:
    """Read the table of a Hugging Face image folder, CSV or one JSON object per line."""
    if path.suffix != ".jsonl":
        return read_table(path)
    rows: list[tuple[int, dict[str, object]]] = []
    try:
        for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
            if line.strip():
                rows.append((number, dict(json.loads(line))))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, TypeError) as error:
        raise DataError(f"{path}: row {len(rows) + 1} is not a JSON object; write one per line") from error
    header = tuple(dict.fromkeys(name for _, row in rows for name in row))
    texts = ((number, ("" if row.get(name) is None else str(row[name]) for name in header)) for number, row in rows)
    return Table(path, header, tuple((number, tuple(cells)) for number, cells in texts))


# The first layout that matches is used.
LAYOUTS = (
    Layout("saved manifest", ("manifest.csv",), frozenset(("image_id", "path", "diagnosis"))),
    Layout(
        "HAM10000",
        # Dataverse has the table without an extension or as .tab, Kaggle as .csv.
        tuple(
            f"{folder}ham10000_metadata{end}" for folder in ("", "*/") for end in ("", ".csv", ".tab", ".tsv", ".txt")
        ),
        # Dataverse has the ISIC 2018 test images in the same folder; they do not belong to this table.
        other_tables=("ham10000_metadata*",),
        images=("ham10000_images*",),
        source=HAM10000,
    ),
    Layout(
        "ISIC 2016",
        ("isbi2016_isic_part3_*_groundtruth.csv",),
        read=_without_header,
        source="isic2016",
    ),
    Layout(
        "ISIC 2017",
        ("isic-2017_*_part3_groundtruth.csv", "isic2017_metadata.csv"),
        joined=("isic-2017_*_data_metadata.csv",),
        source="isic2017",
    ),
    Layout(
        "ISIC 2018 task 3",
        ("isic2018_task3_*_groundtruth.csv", "*/isic2018_task3_*_groundtruth.csv"),
        joined=("isic2018_task3_*_lesiongroupings.csv",),
        images=("isic2018_task3_*_input*",),
        source="isic2018",
    ),
    Layout(
        "ISIC 2019",
        ("isic_2019_*_groundtruth.csv",),
        joined=("isic_2019_*_metadata.csv",),
        source="isic2019",
    ),
    Layout(
        "ISIC 2020",
        ("isic_2020_training_groundtruth*.csv", "train.csv"),
        frozenset(("image_name", "patient_id", "target")),
        source="isic2020",
    ),
    Layout(
        "ISIC 2024",
        ("isic_2024_training_groundtruth.csv", "train-metadata.csv"),
        frozenset(("isic_id",)),
        joined=("isic_2024_training_supplement.csv", "metadata.csv", "isic_2024_training_input/metadata.csv"),
        source="isic2024",
    ),
    Layout(
        "MILK10k",
        ("milk10k_training_metadata.csv",),
        joined=("milk10k_training_groundtruth.csv", "milk10k_training_supplement.csv"),
    ),
    Layout("ISIC archive", ("metadata.csv", "*/metadata.csv"), frozenset(("isic_id",))),
    Layout(
        "PAD-UFES-20",
        ("metadata.csv",),
        frozenset(("img_id", "diagnostic")),
        source="pad-ufes-20",
        image_type="clinical",
    ),
    Layout(
        "Derm7pt",
        ("meta.csv", "meta/meta.csv"),
        frozenset(("derm", "clinic", "case_num")),
        pairs=(("derm", "dermoscopic"), ("clinic", "clinical")),
        source="derm7pt",
    ),
    Layout(
        "BCN20000", ("bcn_20k_train.csv", "bcn20000*.csv"), frozenset(("bcn_filename", "diagnosis")), source="bcn20000"
    ),
    Layout(
        "PH2",
        ("ph2_dataset.txt", "*/ph2_dataset.txt"),
        images=("ph2 dataset images/*/*_dermoscopic_image",),
        source="ph2",
        image_type="dermoscopic",
        read=read_ph2,
    ),
    Layout(
        "Hugging Face image folder",
        tuple(f"{folder}metadata.{end}" for folder in ("", "*/", "*/*/") for end in ("csv", "jsonl")),
        frozenset(("file_name",)),
        read=read_image_folder,
    ),
)
ANY_TABLE = Layout("table of images", ())


def find_layout(folder: Path, depth: int = 3) -> tuple[Layout, list[Path]] | None:
    """Return the layout of a folder, or of the only folder in it, and its tables; None if there is no known table.

    Args:
        folder: The folder.
        depth: Number of folders to descend to.

    Raises:
        DataError: There are several tables for the same images.
    """
    for layout in LAYOUTS:
        tables = {path for pattern in layout.tables for path in matching(folder, pattern) if path.is_file()}
        by_subset: dict[str | None, list[Path]] = {}
        for path in sorted(filter(functools.partial(_has_header, layout), tables), key=lambda p: (len(p.parts), p)):
            others = by_subset.setdefault(table_subset(path), [])
            # A copy of the dataset in a folder below is no part of it.
            if not others or len(others[0].parts) == len(path.parts):
                others.append(path)
        for found in by_subset.values():
            if len(found) > 1:
                names = ", ".join(path.relative_to(folder).as_posix() for path in found)
                raise DataError(f"{folder}: several metadata tables ({names}); select one with --metadata")
        if by_subset:
            return layout, [found[0] for found in by_subset.values()]
    entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    only = len(entries) == 1 and entries[0].is_dir()
    return find_layout(entries[0], depth - 1) if only and depth else None


def layout_of(table: Path) -> Layout:
    """Return the layout that a table belongs to by its name and its columns, else `ANY_TABLE`."""
    name = table.name.lower()
    for layout in LAYOUTS:
        patterns = (pattern.rpartition("/")[2] for pattern in (*layout.tables, *layout.other_tables))
        if any(fnmatchcase(name, pattern) for pattern in patterns) and _has_header(layout, table):
            return layout
    return ANY_TABLE


def table_subset(table: Path) -> str | None:
    """Return the subset that a table or its folder is named after, None for neither."""
    return subset_name(table.stem) or subset_name(table.parent.name)


def matching(folder: Path, pattern: str) -> Iterator[Path]:
    """Yield the entries below a folder that match a pattern, in any case, in the order of their names."""
    first, _, rest = pattern.partition("/")
    try:
        entries = sorted(folder.iterdir()) if folder.is_dir() else []
    except PermissionError:  # the index of the images reports the folder
        entries = []
    for entry in entries:
        if fnmatchcase(entry.name.lower(), first) and not entry.name.startswith("."):
            if not rest:
                yield entry
            elif entry.is_dir():
                yield from matching(entry, rest)


def with_pairs(layout: Layout, table: Table) -> Table:
    """Return a table with one row per image for one with several images per row."""
    if not layout.pairs:
        return table
    lower = {name.lower(): place for place, name in enumerate(table.header)}
    pairs = [(lower[column], kind) for column, kind in layout.pairs]
    rows = [(line, (*cells, cells[place], kind)) for line, cells in table.rows for place, kind in pairs if cells[place]]
    return replace(table, header=(*table.header, "path", "image_type"), rows=tuple(rows))


def _has_header(layout: Layout, table: Path) -> bool:
    if not layout.header:
        return True
    if table.suffix == ".jsonl":
        return layout.read is read_image_folder
    # Only the first line: ISIC 2024 has 400,000 rows.
    with table.open("rb") as stream:
        first = stream.readline(100_000).decode("utf-8-sig", "replace")
    return layout.header <= {name.strip("\"' \r\n").lower() for name in re.split(r"[,;\t]", first)}

"""Patient data of many images, from a table or from DICOM headers."""

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from lesionlab.bundle import Patient, Site
from lesionlab.data.readers.columns import ColumnMapping, known_columns
from lesionlab.data.readers.table import Table, read_table
from lesionlab.data.readers.values import UNKNOWN
from lesionlab.errors import DataError, ImageError
from lesionlab.images.dicom import read_patient
from lesionlab.images.formats import image_id, is_dicom
from lesionlab.images.read import ZIP_SEPARATOR, read_image_bytes, split_frame

_FIELDS = ("age", "sex", "site")


def read_patients(table: Path, images: Iterable[str], note: Callable[[str], None]) -> Callable[[str], Patient]:
    """Read age, sex and site of images from a table, one row per image.

    Rows belong to images as in `rows_of_images`. Empty cells are unknown, and so are anatomical sites that the training
    data do not name.

    Args:
        table: The table; its columns have any name that the public datasets use.
        images: Locations of the images.
        note: Receives a line on images without a row, and one on unknown sites.

    Returns:
        A function from an image's location to its patient data: empty for an image that is not in the table.

    Raises:
        DataError: The table cannot be read, has no such columns, holds an impossible value, or does not tell which
            row belongs to which image.
    """
    content = read_table(table)
    if content.note:
        note(f"{table}: {content.note}")
    rows, unknown_sites = _read(content)
    locations = list(dict.fromkeys(images))
    found = rows_of_images(table, rows, locations)
    if missing := len(locations) - len(found):
        note(f"{table}: {missing:,} of {len(locations):,} images have no row")
    _note_unknown(unknown_sites, table, note)
    return partial(_patient_of, {image: rows[row] for image, row in found.items()})


def read_dicom_patients(images: Iterable[str], note: Callable[[str], None]) -> Callable[[str], Patient]:
    """Read age, sex and site of images from the headers of their DICOM files, and nothing else of the patient.

    Args:
        images: Locations of the images.
        note: Receives a line on images without such data, and one on unknown sites.

    Returns:
        A function from an image's location to its patient data: empty for another file or a damaged one.
    """
    found: dict[str, Patient] = {}
    unknown_sites: Counter[str] = Counter()
    for image in images:
        try:
            data = read_image_bytes(image)
            found[image] = _patient(read_patient(data), image, unknown_sites) if is_dicom(data) else Patient()
        except (ImageError, DataError):  # decoding reports the former; the latter is an impossible age
            found[image] = Patient()
    if missing := sum(patient == Patient() for patient in found.values()):
        note(f"{missing:,} of {len(found):,} images have no age, sex or site in a DICOM header")
    _note_unknown(unknown_sites, "DICOM headers", note)
    return partial(_patient_of, found)


def _patient_of(patients: Mapping[str, Patient], image: str) -> Patient:
    return patients.get(image, Patient())


def _note_unknown(unknown_sites: Counter[str], source: object, note: Callable[[str], None]) -> None:
    if unknown_sites:
        names = ", ".join(f"{site!r} ({count:,})" for site, count in sorted(unknown_sites.items()))
        note(f"{source}: unknown sites are not used: {names}")


def _read(content: Table) -> tuple[dict[str, Patient], Counter[str]]:
    table = content.path
    columns = known_columns(ColumnMapping(), content.header)
    image = columns.get("path") or columns.get("image_id")
    if image is None or not any(field in columns for field in _FIELDS):
        raise DataError(f"{table} needs a column `image` and one of `age`, `sex` and `site`")
    rows: dict[str, Patient] = {}
    unknown_sites: Counter[str] = Counter()
    for line, cells in content.rows:
        where = f"{table}, line {line}"
        if len(cells) != len(content.header):
            raise DataError(f"{where}: {len(cells)} cells under {len(content.header)} column names")
        row = dict(zip(content.header, cells, strict=True))
        patient = _patient({field: row[columns[field]] for field in _FIELDS if field in columns}, where, unknown_sites)
        name = row_name(row[image])
        if rows.setdefault(name, patient) != patient:
            raise DataError(f"{where}: a second row for {name} with different values; remove one of them")
    return rows, unknown_sites


def rows_of_images(table: Path, rows: Iterable[str], images: Iterable[str]) -> dict[str, str]:
    """Return the row of each image, by its location; images without a row are absent.

    A row that names a folder belongs to the image with that path and to no other: file names such as `1.jpg` occur in
    the folders of several patients. Another row belongs to the image of its file name, or of its name without suffix.

    Args:
        table: The table, for errors.
        rows: Names of images in the table, as `row_name` returns them.
        images: Locations of images, each once.

    Raises:
        DataError: The table does not tell which row belongs to which image.
    """
    by_name = defaultdict(list)
    for name in rows:
        by_name[image_id(name)].append(name)
    found: dict[str, str] = {}
    users: dict[str, str] = {}
    for image in images:
        hits = _matches(image, by_name[image_id(image)])
        if len(hits) > 1:
            raise DataError(f"{table}: {image} may be {' or '.join(hits)}; name the images by their paths")
        for row in hits:
            if row in users:
                raise DataError(f"{table}: {row} may be {users[row]} or {image}; name the images by their paths")
            users[row] = image
            found[image] = row
    return found


def row_name(name: str) -> str:
    """Return the name of an image in a table as `rows_of_images` compares it."""
    file, frame = split_frame(name)
    path = file.replace(ZIP_SEPARATOR, "/").replace("\\", "/").removeprefix("./")
    return path if frame is None else f"{path}{ZIP_SEPARATOR}{frame}"


def _matches(image: str, rows: Sequence[str]) -> list[str]:
    """Return the rows that may belong to an image, out of those with its name: by path if any does, else by name."""
    given, full = row_name(image), row_name(os.path.abspath(image))
    by_path = [row for row in rows if "/" in row and f"/{full}".endswith(f"/{row}")]
    names = [row for row in rows if "/" not in row]
    exact = [row for row in names if row in (given.rpartition("/")[2], image_id(image))]
    return [row for row in by_path if row == given] or by_path or exact or names


def _patient(given: dict[str, str], where: str, unknown_sites: Counter[str]) -> Patient:
    site = given.get("site", "").lower()
    if Site.named(site) is None:
        unknown_sites.update({site} - UNKNOWN)
        given = {field: text for field, text in given.items() if field != "site"}
    try:
        return Patient.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(f"{where}: {first['loc'][0]}: {first['msg'].lower()}, not {first['input']!r}") from error

"""Patient data of many images, from a table."""

import csv
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from lesionlab.bundle import Patient, Site
from lesionlab.errors import DataError
from lesionlab.prediction.io.inputs import image_id

# Column names of the public datasets.
_IMAGE = ("image", "image_id", "isic_id", "image_name", "path")
_FIELDS = {
    "age": ("age", "age_approx", "age_approximate"),
    "sex": ("sex",),
    "site": ("site", "localization", "anatom_site_general"),
}
_UNKNOWN = ("", "unknown", "na", "nan", "none")


def read_patients(table: Path) -> Callable[[str], Patient]:
    """Read age, sex and site of images from a CSV file, one row per image.

    Columns: `image` (or `image_id`, `isic_id`; a name with or without its suffix), and any of `age`, `sex` and `site`
    (or their names in HAM10000 and ISIC). Empty cells are unknown, and so are anatomical sites that the
    training data do not name.

    Returns:
        A function from an image's path to its patient data: empty for an image that is not in the table.

    Raises:
        DataError: The file cannot be read, has no such columns, or holds an impossible value.
    """
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            columns = reader.fieldnames or ()
            image = next((name for name in _IMAGE if name in columns), None)
            found = {field: next((n for n in names if n in columns), None) for field, names in _FIELDS.items()}
            if image is None or not any(found.values()):
                raise DataError(f"{table} needs a column `image` and one of `age`, `sex` and `site`")
            known = {}
            for row in reader:
                given = {field: row.get(name) for field, name in found.items() if name is not None}
                known[image_id(row[image] or "")] = _patient(given, f"{table}, line {reader.line_num}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table} cannot be read as CSV ({error})") from error
    return lambda path: known.get(image_id(path), Patient())


def _patient(given: dict[str, str | None], where: str) -> Patient:
    values = {field: text.strip().lower() for field, text in given.items() if text is not None}
    values = {field: value for field, value in values.items() if value not in _UNKNOWN}
    if values.get("site") not in {site.value for site in Site}:
        values.pop("site", None)
    try:
        return Patient.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(f"{where}: {first['loc'][0]}: {first['msg'].lower()}, not {first['input']!r}") from error

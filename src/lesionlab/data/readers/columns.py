"""Mapping of a table's columns to the attributes of an image."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from lesionlab.errors import DataError, UsageError
from lesionlab.taxonomy import CODES, DIAGNOSES, parse_diagnosis


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """Column names by attribute of `ImageRecord`; None if the table has no such column.

    Example:
        >>> ColumnMapping.parse("image_id=image, diagnosis=label").diagnosis
        'label'
    """

    image_id: str | None = None
    path: str | None = None
    lesion_id: str | None = None
    diagnosis: str | None = None
    age: str | None = None
    sex: str | None = None
    site: str | None = None
    dx_type: str | None = None
    source: str | None = None
    skin_tone: str | None = None

    @classmethod
    def parse(cls, text: str) -> "ColumnMapping":
        """Return the mapping written as `attribute=column`, separated by commas.

        Raises:
            UsageError: An entry is not of that form, or the attribute does not exist.
        """
        known = [field.name for field in fields(cls)]
        mapping: dict[str, str] = {}
        for entry in filter(None, (entry.strip() for entry in text.split(","))):
            attribute, separator, column = (piece.strip() for piece in entry.partition("="))
            if not (attribute and separator and column):
                raise UsageError(f"columns: {entry!r} is not of the form attribute=column")
            if attribute not in known:
                raise UsageError(f"columns: {attribute!r} is none of {', '.join(known)}")
            mapping[attribute] = column
        return cls(**mapping)

    def completed(self, header: Sequence[str], table: object) -> "ColumnMapping":
        """Return the mapping with missing attributes filled in by the known column names.

        Args:
            header: The table's column names.
            table: Name of the table, for errors.

        Raises:
            DataError: A mapped column does not exist, or no column has the image or the diagnosis.
        """
        found: dict[str, str] = {}
        lower = {name.lower(): name for name in reversed(header)}
        for attribute, names in _KNOWN_NAMES.items():
            given: str | None = getattr(self, attribute)
            if given is not None and given not in header:
                raise DataError(f"{table}: no column {given!r}; the columns are {', '.join(header)}")
            match = given or next((lower[name] for name in names if name in lower), None)
            if match is not None:
                found[attribute] = match
        complete = replace(self, **found)
        if complete.image_id is None and complete.path is None:
            raise DataError(_missing(table, "image_id", header))
        if complete.diagnosis is None and not one_hot_columns(header):
            raise DataError(_missing(table, "diagnosis", header))
        return complete


# Columns with coarser labels: the meaning of 0 and 1.
BINARY_COLUMNS = {
    "melanoma": ("other", "mel"),
    "malignant": ("benign", "malignant"),
    "benign_malignant": ("benign", "malignant"),
    "target": ("benign", "malignant"),  # ISIC 2020
}

# Names of HAM10000, of the ISIC archive and challenges, of MILK10k, of FLamby (center), and of a saved manifest.
_KNOWN_NAMES = {
    "image_id": ("image_id", "isic_id", "image"),
    "path": ("path",),
    "lesion_id": ("lesion_id",),
    "diagnosis": ("diagnosis", "dx", *BINARY_COLUMNS),
    "age": ("age", "age_approx", "age_approximate"),
    "sex": ("sex",),
    "site": ("site", "localization", "anatom_site_general"),
    "dx_type": ("dx_type",),
    "source": ("source", "dataset", "center", "centre", "attribution"),
    "skin_tone": ("skin_tone", "skin_tone_class"),
}


def one_hot_columns(header: Sequence[str]) -> dict[str, str]:
    """Return code -> column if a table has a column of 0 and 1 per diagnosis (ISIC 2018), else an empty mapping."""
    names = {diagnosis.isic for diagnosis in DIAGNOSES}
    columns = {parse_diagnosis(name) or "": name for name in header if name in names}
    return columns if len(columns) == len(CODES) else {}


def _missing(table: object, attribute: str, header: Sequence[str]) -> str:
    columns = ", ".join(header)
    return f"{table}: no column of {attribute} among {columns}; give it with --columns {attribute}=..."

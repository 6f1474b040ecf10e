"""Which column of a table holds which attribute of an image."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from lesionlab.errors import DataError, UsageError
from lesionlab.taxonomy import CODES, DIAGNOSES, parse_diagnosis


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """Names of the columns, one attribute per attribute of `ImageRecord`; None where the table has none.

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

    @classmethod
    def parse(cls, text: str) -> "ColumnMapping":
        """Return the mapping written as `attribute=column`, separated by commas.

        Raises:
            UsageError: A part is not of that form, or names an attribute that does not exist.
        """
        known = [field.name for field in fields(cls)]
        mapping: dict[str, str] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            attribute, separator, column = (piece.strip() for piece in part.partition("="))
            if not (attribute and separator and column):
                raise UsageError(f"columns: {part!r} is not of the form attribute=column")
            if attribute not in known:
                raise UsageError(f"columns: {attribute!r} is none of {', '.join(known)}")
            mapping[attribute] = column
        return cls(**mapping)

    def completed(self, header: Sequence[str], table: object) -> "ColumnMapping":
        """Return the mapping with the attributes it leaves open found by the names that are usual.

        Args:
            header: The table's column names.
            table: Name of the table, for errors.

        Raises:
            DataError: A column that the mapping names is not there, or none holds the image or the diagnosis.
        """
        found: dict[str, str] = {}
        lower = {name.lower(): name for name in reversed(header)}
        for attribute, validation in _USUAL_NAMES.items():
            given: str | None = getattr(self, attribute)
            if given is not None and given not in header:
                raise DataError(f"{table}: no column {given!r}; the columns are {', '.join(header)}")
            match = given or next((lower[name] for name in validation if name in lower), None)
            if match is not None:
                found[attribute] = match
        complete = replace(self, **found)
        if complete.image_id is None and complete.path is None:
            raise DataError(_unnamed(table, "image_id", header))
        if complete.diagnosis is None and not one_hot_columns(header):
            raise DataError(_unnamed(table, "diagnosis", header))
        return complete


# Columns that tell less than a diagnosis: what 0 and 1 stand for in them.
BINARY_COLUMNS = {
    "melanoma": ("other", "mel"),
    "malignant": ("benign", "malignant"),
    "benign_malignant": ("benign", "malignant"),
    "target": ("benign", "malignant"),  # ISIC 2020
}

# HAM10000's own names, those of the ISIC archive and challenges, and those of a saved manifest.
_USUAL_NAMES = {
    "image_id": ("image_id", "isic_id", "image"),
    "path": ("path",),
    "lesion_id": ("lesion_id",),
    "diagnosis": ("diagnosis", "dx", *BINARY_COLUMNS),
    "age": ("age", "age_approx", "age_approximate"),
    "sex": ("sex",),
    "site": ("site", "localization", "anatom_site_general"),
    "dx_type": ("dx_type",),
    "source": ("source", "dataset"),
}


def one_hot_columns(header: Sequence[str]) -> dict[str, str]:
    """Return code -> column where a table has one column of 0 and 1 per diagnosis (ISIC 2018), else nothing."""
    names = {diagnosis.isic for diagnosis in DIAGNOSES}
    columns = {parse_diagnosis(name) or "": name for name in header if name in names}
    return columns if len(columns) == len(CODES) else {}


def _unnamed(table: object, attribute: str, header: Sequence[str]) -> str:
    columns = ", ".join(header)
    return f"{table}: no column of {attribute} among {columns}; name it with --columns {attribute}=..."

"""Mapping of a table's columns to the attributes of an image."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from lesionlab.data.readers.labels import LabelColumns
from lesionlab.errors import DataError, UsageError


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
    patient_id: str | None = None
    image_type: str | None = None
    subset: str | None = None
    label: str | None = None
    label_origin: str | None = None
    label_readers: str | None = None

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
        for column in filter(None, map(self.__getattribute__, _KNOWN_NAMES)):
            if column not in header:
                raise DataError(f"{table}: no column {column!r}; the columns are {', '.join(header)}")
        complete = replace(self, **known_columns(self, header))
        if complete.image_id is None and complete.path is None:
            raise DataError(_missing(table, "image_id", header))
        if LabelColumns.find(header, complete.diagnosis) is None:
            raise DataError(_missing(table, "diagnosis", header))
        return complete


# Names of HAM10000, of the ISIC archive and challenges, MILK10k, PAD-UFES-20, Derm7pt, BCN20000, Hugging Face image
# folders, FLamby (center), and of a saved manifest.
_KNOWN_NAMES = {
    "image_id": ("image_id", "isic_id", "image", "image_name", "img_id", "bcn_filename"),
    "path": ("path", "file_name", "filename"),
    "lesion_id": ("lesion_id", "lesion", "case_num"),
    "patient_id": ("patient_id",),
    "diagnosis": (),
    "age": ("age", "age_approx", "age_approximate"),
    "sex": ("sex", "gender"),
    "site": ("site", "localization", "anatom_site_general", "anatom_site_general_challenge", "region", "location"),
    "dx_type": ("dx_type", "diagnosis_confirm_type", "biopsed"),
    "source": ("source", "dataset", "center", "centre", "attribution"),
    "skin_tone": ("skin_tone", "skin_tone_class", "fitspatrick", "fitzpatrick_skin_type"),
    "image_type": ("image_type",),
    "subset": ("subset", "split", "part"),
    "label": ("label", "diagnosis_full"),
    "label_origin": ("label_origin",),
    "label_readers": ("label_readers",),
}


def known_columns(given: ColumnMapping, header: Sequence[str]) -> dict[str, str]:
    """Return the column of each attribute among those of a header: the given one, else one with a known name."""
    lower = {name.lower(): name for name in reversed(header)}
    found = {}
    for attribute, names in _KNOWN_NAMES.items():
        column = getattr(given, attribute)
        known = column if column in header else next((lower[name] for name in names if name in lower), None)
        if known is not None:
            found[attribute] = known
    return found


def _missing(table: object, attribute: str, header: Sequence[str]) -> str:
    columns = ", ".join(header)
    further = ", or give the table that has it as a further --metadata" if attribute == "diagnosis" else ""
    return f"{table}: no column of {attribute} among {columns}; give it with --columns {attribute}=...{further}"

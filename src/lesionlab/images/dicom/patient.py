"""Age, sex and body site in the header of a DICOM file."""

import io
import re
from typing import Final

from lesionlab.images.dicom.file import read_elements

_AGE: Final = re.compile(r"(\d{3})([DWMY])")
_UNITS_PER_YEAR: Final = {"D": 365.25, "W": 52.18, "M": 12.0, "Y": 1.0}
_SEXES: Final = {"F": "female", "M": "male"}


def read_patient(data: bytes) -> dict[str, str]:
    """Return the `age` in years, `sex` and `site` that a DICOM file states, each only if it does.

    The age is the one at the time of the image (PatientAge); it is never computed from dates. Nothing else is read.

    Raises:
        ImageError: The file is damaged, or pydicom is not installed.
    """
    elements = read_elements(
        io.BytesIO(data), ("PatientAge", "PatientSex", "BodyPartExamined", "AnatomicRegionSequence")
    )
    found = {}
    if age := _AGE.fullmatch(str(elements.get("PatientAge", "")).strip()):
        found["age"] = f"{int(age[1]) / _UNITS_PER_YEAR[age[2]]:.4g}"
    if sex := _SEXES.get(str(elements.get("PatientSex", "")).strip()):
        found["sex"] = sex
    regions = elements.get("AnatomicRegionSequence") or ()
    if site := next((str(region.get("CodeMeaning", "")) for region in regions), "") or elements.get("BodyPartExamined"):
        found["site"] = str(site).strip().lower()
    return found

"""Age, sex and body site in the header of a DICOM file."""

from typing import Any

import numpy as np
import pytest
from pydicom import Dataset

from lesionlab.errors import ImageError
from lesionlab.images.dicom import read_patient
from tests.images.dicom.files import PATIENT, dicom

PIXELS = np.zeros((8, 8, 3), np.uint8)


def region(meaning: str) -> list[Dataset]:
    item = Dataset()
    item.CodeMeaning = meaning
    return [item]


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        (PATIENT, {"age": "65", "sex": "female", "site": "back"}),
        ({"PatientAge": "018M"}, {"age": "1.5"}),
        ({"PatientAge": "026W"}, {"age": "0.4983"}),
        ({"PatientAge": "010D"}, {"age": "0.02738"}),
        ({"PatientAge": "", "PatientSex": "M"}, {"sex": "male"}),
        ({"PatientSex": "O", "PatientBirthDate": "19610203", "StudyDate": "20260102"}, {}),
        ({"BodyPartExamined": "LEG", "AnatomicRegionSequence": region("Forearm")}, {"site": "forearm"}),
        ({}, {}),
    ],
)
def test_age_sex_and_site(elements: dict[str, Any], expected: dict[str, str]) -> None:
    assert read_patient(dicom(PIXELS, **elements)) == expected


def test_an_age_without_a_unit_is_not_used() -> None:
    assert read_patient(dicom(PIXELS, PatientAge="065Y").replace(b"065Y", b"65  ")) == {}


def test_a_damaged_file_is_an_error() -> None:
    with pytest.raises(ImageError, match="transfer syntax"):
        read_patient(dicom(PIXELS)[:140])

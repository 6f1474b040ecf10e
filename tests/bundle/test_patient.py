"""Patient effects: missing data change nothing, and what is between two ages lies between them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lesionlab.bundle import Patient, PatientEffects, Site

EFFECTS = PatientEffects(
    ages=(0, 40, 80),
    age=((0.5, -0.5), (0.0, 0.0), (-1.0, 1.0)),
    sex={"male": (0.1, -0.1)},
    site={"back": (0.2, -0.2)},
    strength=0.8,
    images=5,
    nll_without=1,
    nll_with=0.9,
)
ROWS = st.floats(1e-6, 1 - 1e-6).map(lambda p: np.array([p, 1 - p]))


@given(row=ROWS)
def test_nothing_known_changes_nothing(row: np.ndarray) -> None:
    for unknown in (Patient(), Patient(sex="female"), Patient(site=Site.EAR), Patient(site=Site.UNKNOWN)):
        assert EFFECTS.adjusted(row, unknown) is row


@given(row=ROWS, age=st.floats(0, 120), sex=st.sampled_from([None, "male"]))
def test_probabilities_stay_probabilities(row: np.ndarray, age: float, sex: None) -> None:
    adjusted = EFFECTS.adjusted(row, Patient(age=age, sex=sex, site=Site.BACK))
    assert adjusted.sum() == pytest.approx(1)
    assert (adjusted >= 0).all()


def test_ratios_are_added_and_ages_interpolated() -> None:
    patient = Patient(age=60, sex="male", site=Site.BACK)
    np.testing.assert_allclose(EFFECTS.log_ratio(patient), 0.8 * np.array([-0.5 + 0.3, 0.5 - 0.3]))
    np.testing.assert_allclose(EFFECTS.log_ratio(Patient(age=100)), EFFECTS.log_ratio(Patient(age=80)))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"sex": "M", "site": "anterior torso"}, Patient(sex="male", site=Site.TRUNK)),
        (
            {"age": "57,5", "sex": " Female", "site": "Lower_Extremity"},
            Patient(age=57.5, sex="female", site=Site.LOWER_EXTREMITY),
        ),
        ({"age": "NA", "sex": "unknown", "site": ""}, Patient()),
        ({"sex": "f", "site": "palms/soles"}, Patient(sex="female", site=Site.ACRAL)),
        ({"site": "head/neck"}, Patient(site=Site.UNKNOWN)),
        ({"site": "unknown"}, Patient(site=Site.UNKNOWN)),
    ],
)
def test_values_are_read_as_in_tables(written: dict[str, str], expected: Patient) -> None:
    patient = Patient.model_validate(written)
    assert patient == expected
    assert Patient.model_validate(patient.model_dump(mode="json")) == patient


@pytest.mark.parametrize(
    ("field", "words"), [("sex", "'female' or 'male'"), ("site", "'abdomen', 'acral'"), ("age", "number")]
)
def test_unknown_values_name_the_known_ones(field: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Patient.model_validate({field: "moon"})


def test_rows_must_fit() -> None:
    with pytest.raises(ValidationError, match="one number for each class"):
        PatientEffects.model_validate(EFFECTS.model_dump() | {"sex": {"male": (0.1,)}})
    with pytest.raises(ValidationError, match="ages must ascend"):
        PatientEffects.model_validate(EFFECTS.model_dump() | {"ages": (0, 80, 40)})

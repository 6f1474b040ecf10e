"""The seven diagnoses: their order, their meaning, and how people spell them."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesionlab.taxonomy import BY_CODE, CODES, DIAGNOSES, DIAGNOSIS, MALIGNANT, TASKS, Diagnosis, Risk, parse_diagnosis


def test_the_codes_stand_in_the_order_of_the_isic_columns() -> None:
    assert [diagnosis.isic for diagnosis in DIAGNOSES] == ["MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC"]
    assert tuple(diagnosis.isic.lower() for diagnosis in DIAGNOSES) == CODES
    assert list(BY_CODE) == list(CODES)
    assert len({diagnosis.name for diagnosis in DIAGNOSES}) == 7


def test_malignancy_and_risk_agree() -> None:
    assert MALIGNANT == ("mel", "bcc", "akiec")
    for diagnosis in DIAGNOSES:
        assert diagnosis.malignant == (diagnosis.risk is not Risk.LOW)


def test_risk_belongs_to_a_class_of_the_task() -> None:
    assert [DIAGNOSIS.risk_of(code) for code in CODES] == [diagnosis.risk for diagnosis in DIAGNOSES]
    for name in ("malignant", "melanoma"):
        task = TASKS[name]
        assert [task.risk_of(code) for code in task.classes] == [Risk.LOW, Risk.HIGH]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Melanoma", "mel"),
        ("Basal_cell_carcinoma", "bcc"),
        ("basal-cell  carcinoma", "bcc"),
        (" Melanocytic Naevus ", "nv"),
        ("melanocytic nevi", "nv"),
        ("Actinic keratosis / intraepithelial carcinoma", "akiec"),
        ("Bowen's disease", "akiec"),
        ("Benign keratosis-like lesion", "bkl"),
        ("seborrheic_keratosis", "bkl"),
        ("DF", "df"),
        ("vascular lesions", "vasc"),
    ],
)
def test_common_spellings_are_understood(text: str, code: str) -> None:
    assert parse_diagnosis(text) == code


@given(
    st.sampled_from(DIAGNOSES),
    st.sampled_from(["code", "name", "isic"]),
    st.sampled_from([str.upper, str.lower, str.title]),
    st.sampled_from(["", " ", "\t\n"]),
)
def test_case_and_white_space_do_not_matter(
    diagnosis: Diagnosis, field: str, spell: Callable[[str], str], space: str
) -> None:
    assert parse_diagnosis(space + spell(getattr(diagnosis, field)) + space) == diagnosis.code


@pytest.mark.parametrize("text", ["", "wart", "mel nv", "melanoma?", "0", "none"])
def test_anything_else_is_no_diagnosis(text: str) -> None:
    assert parse_diagnosis(text) is None

"""The diagnoses: their order, their meaning, the tasks made of them, and how people spell them."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesionlab.taxonomy import (
    BY_CODE,
    CODES,
    DIAGNOSES,
    DIAGNOSIS,
    DIAGNOSIS_11,
    LABELS,
    TASKS,
    Diagnosis,
    Risk,
    Task,
    is_of_target,
    label_name,
    parse_diagnosis,
)


def test_the_codes_stand_in_the_order_of_the_isic_columns() -> None:
    assert CODES == DIAGNOSIS.classes == ("mel", "nv", "bcc", "akiec", "bkl", "df", "vasc")
    assert tuple(BY_CODE) == DIAGNOSIS_11.classes == (*CODES, "scc", "mal_oth", "ben_oth", "inf")
    assert len({diagnosis.name for diagnosis in DIAGNOSES}) == 11


def test_malignancy_and_risk_agree() -> None:
    assert DIAGNOSIS.malignant == ("mel", "bcc", "akiec")
    assert DIAGNOSIS_11.malignant == ("mel", "bcc", "akiec", "scc", "mal_oth")
    for diagnosis in DIAGNOSES:
        assert diagnosis.malignant == (diagnosis.risk is not Risk.LOW)


def test_risk_belongs_to_a_class_of_the_task() -> None:
    assert [DIAGNOSIS_11.risk_of(code) for code in BY_CODE] == [diagnosis.risk for diagnosis in DIAGNOSES]
    assert DIAGNOSIS_11.risk_of("scc") is Risk.HIGH
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
        # HAM10000 as Kaggle notebooks, MedMNIST and Hugging Face write it
        ("Benign keratosis-like lesions", "bkl"),
        ("benign_keratosis-like_lesion", "bkl"),
        ("actinic keratoses and intraepithelial carcinoma", "akiec"),
        ("Actinic keratoses and intraepithelial carcinoma / Bowen's disease", "akiec"),
        ("melanocytic_Nevi", "nv"),
        ("Melanocytic nevi (nv)", "nv"),
        ("mel - melanoma", "mel"),
        ("solar lentigines / seborrheic keratoses and lichen-planus like keratoses, bkl", "bkl"),
        ("angiomas, angiokeratomas, pyogenic granulomas and hemorrhage", "vasc"),
        ("vascular_lesions", "vasc"),
        # the ISIC archive
        ("Pigmented benign keratosis", "bkl"),
        ("Lichen planus like keratosis", "bkl"),
        ("Melanoma, NOS", "mel"),
        ("Melanoma in situ, Lentigo maligna type", "mel"),
        ("Nevus, Atypical, Dysplastic, or Clark", "nv"),
        ("Basal cell carcinoma, Nodular", "bcc"),
        ("Solar or actinic keratosis", "akiec"),
        ("Squamous cell carcinoma in situ, Bowens disease", "akiec"),
        ("Squamous cell carcinoma, Invasive", "scc"),
        ("Hemangioma, Cherry", "vasc"),
        ("Lentigo NOS", "ben_oth"),
        ("Inflammatory or infectious diseases", "inf"),
        ("Atypical melanocytic neoplasm", "unk"),
        # ISIC 2019, MILK10k, PAD-UFES-20
        ("AK", "akiec"),
        ("SCC", "scc"),
        ("UNK", "unk"),
        ("SCCKA", "scc"),
        ("MAL_OTH", "mal_oth"),
        ("BEN_OTH", "ben_oth"),
        ("ACK", "akiec"),
        ("SEK", "bkl"),
        ("NEV", "nv"),
        # Derm7pt, PH2
        ("melanoma (less than 0.76 mm)", "mel"),
        ("melanoma (in situ)", "mel"),
        ("reed or spitz nevus", "nv"),
        ("melanosis", "ben_oth"),
        ("Common Nevus", "nv"),
        ("atypical nevus", "nv"),
    ],
)
def test_common_spellings_are_understood(text: str, code: str) -> None:
    assert parse_diagnosis(text) == code


@given(
    st.sampled_from(DIAGNOSES),
    st.sampled_from(["code", "name"]),
    st.sampled_from([str.upper, str.lower, str.title]),
    st.sampled_from(["", " ", "\t\n"]),
)
def test_case_and_white_space_do_not_matter(
    diagnosis: Diagnosis, field: str, spell: Callable[[str], str], space: str
) -> None:
    assert parse_diagnosis(space + spell(getattr(diagnosis, field)) + space) == diagnosis.code


@pytest.mark.parametrize("label", LABELS)
def test_every_label_is_read_from_its_code_and_its_name(label: str) -> None:
    assert parse_diagnosis(label) == parse_diagnosis(label_name(label)) == label


@pytest.mark.parametrize(
    ("label", "malignant", "melanoma"),
    [
        ("scc", "malignant", "other"),
        ("mal_oth", "malignant", "other"),
        ("ben_oth", "benign", "other"),
        ("inf", "benign", "other"),
        ("benign", "benign", "other"),
        ("malignant", "malignant", None),
        ("other", None, "other"),
        ("unk", None, None),
    ],
)
def test_other_diagnoses_determine_the_classes_that_follow_from_them(
    label: str, malignant: str | None, melanoma: str | None
) -> None:
    assert not DIAGNOSIS.determines(label)
    for name, expected in (("malignant", malignant), ("melanoma", melanoma)):
        task = TASKS[name]
        assert task.determines(label) == (expected is not None)
        assert expected is None or task.classes[task.index(label)] == expected
    assert is_of_target(label, "malignant") == (malignant == "malignant")
    assert not is_of_target(label, "melanoma")


@pytest.mark.parametrize(
    ("label", "of_seven", "of_eleven"),
    [
        ("scc", "mel bcc akiec", "scc"),
        ("inf", "nv bkl df vasc", "inf"),
        ("mel", "mel", "mel"),
        ("benign", "nv bkl df vasc", "nv bkl df vasc ben_oth inf"),
        ("malignant", "mel bcc akiec", "mel bcc akiec scc mal_oth"),
        ("other", "nv bcc akiec bkl df vasc", "nv bcc akiec bkl df vasc scc mal_oth ben_oth inf"),
        ("unk", "", ""),
        ("not a label", "", ""),
    ],
)
def test_compatible_classes_are_all_that_a_label_allows(label: str, of_seven: str, of_eleven: str) -> None:
    for task, expected in ((DIAGNOSIS, of_seven), (DIAGNOSIS_11, of_eleven)):
        assert [task.classes[index] for index in task.compatible(label)] == expected.split()


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
@pytest.mark.parametrize("label", LABELS)
def test_a_label_that_determines_a_class_allows_this_one_alone(label: str, task: Task) -> None:
    if task.determines(label):
        assert task.compatible(label) == (task.index(label),)
    else:
        assert len(task.compatible(label)) != 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "wart",
        "mel nv",
        "melanoma?",
        "0",
        "none",
        "melanoma, suspected",
        "no nevus",
        "nevus of Ota",
        "atypical",
        "melanoma or nevus",
        "melanoma, atypical?",
        "melanoma and more",
    ],
)
def test_anything_else_is_no_diagnosis(text: str) -> None:
    assert parse_diagnosis(text) is None

"""The diagnoses: codes, names, malignancy and order."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Risk(StrEnum):
    """Risk level of a lesion."""

    HIGH = "high"
    MODERATE = "moderate"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One class of the taxonomy.

    Attributes:
        code: HAM10000's code, lower case (`mel`).
        name: The term a dermatologist would use.
        malignant: Whether the class counts as malignant (melanoma, basal cell carcinoma, actinic keratosis
            and intraepithelial carcinoma).
        risk: Risk level of the class.
        isic: Column name in the ISIC 2018 task 3 format.
    """

    code: str
    name: str
    malignant: bool
    risk: Risk
    isic: str


# In the order of the ISIC 2018 columns, which is also the order of every probability vector in the package.
DIAGNOSES: tuple[Diagnosis, ...] = (
    Diagnosis("mel", "Melanoma", True, Risk.HIGH, "MEL"),
    Diagnosis("nv", "Melanocytic nevus", False, Risk.LOW, "NV"),
    Diagnosis("bcc", "Basal cell carcinoma", True, Risk.HIGH, "BCC"),
    Diagnosis("akiec", "Actinic keratosis / intraepithelial carcinoma", True, Risk.MODERATE, "AKIEC"),
    Diagnosis("bkl", "Benign keratosis-like lesion", False, Risk.LOW, "BKL"),
    Diagnosis("df", "Dermatofibroma", False, Risk.LOW, "DF"),
    Diagnosis("vasc", "Vascular lesion", False, Risk.LOW, "VASC"),
)

Target = Literal["malignant", "melanoma"]

CODES: tuple[str, ...] = tuple(diagnosis.code for diagnosis in DIAGNOSES)
BY_CODE: dict[str, Diagnosis] = {diagnosis.code: diagnosis for diagnosis in DIAGNOSES}
MALIGNANT: tuple[str, ...] = tuple(diagnosis.code for diagnosis in DIAGNOSES if diagnosis.malignant)


@dataclass(frozen=True, slots=True)
class OtherDiagnosis:
    """A diagnosis that is none of `DIAGNOSES`. Images with it are no part of a task of these classes.

    Attributes:
        code: Lower case.
        name: In words.
        malignant: Whether it is malignant; None if unknown.
    """

    code: str
    name: str
    malignant: bool | None


OTHER_DIAGNOSES: dict[str, OtherDiagnosis] = {
    other.code: other
    for other in (
        OtherDiagnosis("scc", "Squamous cell carcinoma / keratoacanthoma", True),
        OtherDiagnosis("mal_oth", "Other malignant lesion", True),
        OtherDiagnosis("ben_oth", "Other benign lesion", False),
        OtherDiagnosis("inf", "Inflammatory or infectious disease", False),
        OtherDiagnosis("unk", "Unknown or indeterminate diagnosis", None),
    )
}


def is_of_target(code: str, target: Target) -> bool:
    """Return whether a class, of any task, belongs to a target: melanoma alone, or all malignant diagnoses."""
    if target == "melanoma":
        return code == "mel"
    other = OTHER_DIAGNOSES.get(code)
    return code == "malignant" or code in MALIGNANT or (other is not None and other.malignant is True)

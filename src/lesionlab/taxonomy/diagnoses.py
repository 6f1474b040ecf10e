"""The diagnoses and the labels: codes, names, malignancy and order."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Risk(StrEnum):
    """Risk level of a lesion."""

    HIGH = "high"
    MODERATE = "moderate"
    LOW = "low"


Target = Literal["malignant", "melanoma"]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One diagnosis.

    Attributes:
        code: HAM10000's code, or one of the same form, lower case (`mel`).
        name: The term a dermatologist would use.
        malignant: Whether it counts as malignant. Actinic keratosis and intraepithelial carcinoma do.
        risk: Its risk level.
    """

    code: str
    name: str
    malignant: bool
    risk: Risk


# The seven diagnoses of HAM10000 in the order of the ISIC 2018 columns, then the others of MILK10k, the malignant ones
# first. Every probability vector in the package has this order.
DIAGNOSES: tuple[Diagnosis, ...] = (
    Diagnosis("mel", "Melanoma", True, Risk.HIGH),
    Diagnosis("nv", "Melanocytic nevus", False, Risk.LOW),
    Diagnosis("bcc", "Basal cell carcinoma", True, Risk.HIGH),
    Diagnosis("akiec", "Actinic keratosis / intraepithelial carcinoma", True, Risk.MODERATE),
    Diagnosis("bkl", "Benign keratosis-like lesion", False, Risk.LOW),
    Diagnosis("df", "Dermatofibroma", False, Risk.LOW),
    Diagnosis("vasc", "Vascular lesion", False, Risk.LOW),
    Diagnosis("scc", "Squamous cell carcinoma / keratoacanthoma", True, Risk.HIGH),
    Diagnosis("mal_oth", "Other malignant lesion", True, Risk.HIGH),
    Diagnosis("ben_oth", "Other benign lesion", False, Risk.LOW),
    Diagnosis("inf", "Inflammatory or infectious disease", False, Risk.LOW),
)
BY_CODE: dict[str, Diagnosis] = {diagnosis.code: diagnosis for diagnosis in DIAGNOSES}
# The seven of HAM10000: the first ones.
CODES: tuple[str, ...] = tuple(BY_CODE)[:7]

# The diagnoses of each target.
TARGETS: dict[Target, frozenset[str]] = {
    "malignant": frozenset(diagnosis.code for diagnosis in DIAGNOSES if diagnosis.malignant),
    "melanoma": frozenset(("mel",)),
}

# Labels of datasets that state no single diagnosis: the diagnoses that each allows, and its name.
UNKNOWN = "unk"
COARSE: dict[str, str] = {"benign": "Benign", "malignant": "Malignant", "other": "Not melanoma"}
_ALLOWED: dict[str, frozenset[str]] = {
    **{code: frozenset((code,)) for code in BY_CODE},
    "benign": frozenset(BY_CODE) - TARGETS["malignant"],
    "malignant": TARGETS["malignant"],
    "other": frozenset(BY_CODE) - TARGETS["melanoma"],
}
LABELS: tuple[str, ...] = (*BY_CODE, UNKNOWN, *COARSE)


def diagnoses_of(label: str) -> frozenset[str]:
    """Return the diagnoses that a label allows, as codes; empty for an unknown diagnosis and for any other text.

    Example:
        >>> diagnoses_of("scc"), sorted(diagnoses_of("malignant")), diagnoses_of("unk")
        (frozenset({'scc'}), ['akiec', 'bcc', 'mal_oth', 'mel', 'scc'], frozenset())
    """
    return _ALLOWED.get(label, frozenset())


def is_of_target(label: str, target: Target) -> bool:
    """Return whether a label, or a class of any task, belongs to a target: melanoma alone, or all malignant ones."""
    allowed = diagnoses_of(label)
    return bool(allowed) and allowed <= TARGETS[target]


def label_name(label: str) -> str:
    """Return a label, one of `LABELS`, in words."""
    if label == UNKNOWN:
        return "Unknown or indeterminate diagnosis"
    return BY_CODE[label].name if label in BY_CODE else COARSE[label]

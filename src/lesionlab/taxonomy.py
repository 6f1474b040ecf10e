"""The seven diagnoses of HAM10000 and the tasks made of them: codes, names, malignancy, risk and order.

Source of the classes: Tschandl et al., Sci. Data 5, 180161 (2018). The column order of the ISIC 2018 task 3
submission format is MEL, NV, BCC, AKIEC, BKL, DF, VASC.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from lesionlab.errors import DataError


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


def is_of_target(code: str, target: Target) -> bool:
    """Return whether a class, of any task, belongs to a target: melanoma alone, or all malignant diagnoses."""
    return code == "mel" if target == "melanoma" else code == "malignant" or code in MALIGNANT


@dataclass(frozen=True, slots=True)
class Task:
    """A classification task.

    Attributes:
        name: Its name in recipes and bundles.
        classes: Codes of the classes, in the order of every probability vector of the task.
        names: The classes in words, in the same order.
        members: Diagnoses of each class, in the same order.
    """

    name: str
    classes: tuple[str, ...]
    names: tuple[str, ...]
    members: tuple[tuple[str, ...], ...]

    @property
    def binary(self) -> bool:
        """Whether there are two classes. The second one is the target."""
        return len(self.classes) == 2

    @property
    def malignant(self) -> tuple[str, ...]:
        """The classes with malignant diagnoses only."""
        return tuple(code for code, held in zip(self.classes, self.members, strict=True) if set(held) <= set(MALIGNANT))

    @property
    def targets(self) -> dict[Target, tuple[str, ...]]:
        """The targets whose probability follows from the classes, with their classes; the first is the main one."""
        found: dict[Target, tuple[str, ...]] = {"malignant": self.malignant} if self.tells_malignancy else {}
        return found | ({"melanoma": ("mel",)} if "mel" in self.classes else {})

    @property
    def tells_malignancy(self) -> bool:
        """Whether the probability of malignancy follows from the classes: no class mixes malignant and benign."""
        return all(set(held) <= set(MALIGNANT) or not set(held) & set(MALIGNANT) for held in self.members)

    def malignancy_of(self, code: str) -> bool | None:
        """Return whether a class is malignant, None for a class with malignant and benign diagnoses."""
        kinds = {diagnosis in MALIGNANT for diagnosis in self.members[self.classes.index(code)]}
        return kinds.pop() if len(kinds) == 1 else None

    def determines(self, label: str) -> bool:
        """Whether a label, a diagnosis or one of `COARSE`, determines the class."""
        return label in self.classes or any(label in held for held in self.members)

    def index(self, label: str) -> int:
        """Return the index of the class that a label stands for, or that holds a diagnosis, given by its code.

        Raises:
            DataError: The label does not determine the class: `benign` for a task with several benign diagnoses.
        """
        if label in self.classes:
            return self.classes.index(label)
        found = next((index for index, held in enumerate(self.members) if label in held), None)
        if found is None:
            raise DataError(
                f"the label {label!r} does not determine the class in task {self.name} ({', '.join(self.classes)})"
            )
        return found

    def name_of(self, code: str) -> str:
        """Return a class in words."""
        return self.names[self.classes.index(code)]

    def risk_of(self, code: str) -> Risk:
        """Return the risk level of a class: of two classes, the target is high and the other low."""
        if self.binary:
            return Risk.HIGH if code == self.classes[1] else Risk.LOW
        return BY_CODE[code].risk


DIAGNOSIS = Task("diagnosis", CODES, tuple(d.name for d in DIAGNOSES), tuple((code,) for code in CODES))
TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        DIAGNOSIS,
        Task(
            "malignant",
            ("benign", "malignant"),
            ("Benign", "Malignant"),
            (tuple(code for code in CODES if code not in MALIGNANT), MALIGNANT),
        ),
        Task(
            "melanoma",
            ("other", "mel"),
            ("Not melanoma", "Melanoma"),
            (tuple(code for code in CODES if code != "mel"), ("mel",)),
        ),
    )
}

# Coarse labels: the classes of the binary tasks. Images with such labels can evaluate any model, and train a model of
# that task.
COARSE: dict[str, str] = {
    code: name
    for task in TASKS.values()
    if task.binary
    for code, name in zip(task.classes, task.names, strict=True)
    if code not in CODES
}
LABELS: tuple[str, ...] = (*CODES, *COARSE)


def label_name(code: str) -> str:
    """Return a diagnosis, or a label of `COARSE`, in words."""
    return BY_CODE[code].name if code in BY_CODE else COARSE[code]


# Common spellings, in addition to the codes, the names and the ISIC column names.
_ALIASES = {
    "melanoma": "mel",
    "nevus": "nv",
    "naevus": "nv",
    "melanocytic nevi": "nv",
    "melanocytic naevus": "nv",
    "basal cell carcinoma": "bcc",
    "actinic keratosis": "akiec",
    "actinic keratoses": "akiec",
    "bowen's disease": "akiec",
    "benign keratosis": "bkl",
    "seborrheic keratosis": "bkl",
    "dermatofibroma": "df",
    "vascular": "vasc",
    "vascular lesion": "vasc",
    "vascular lesions": "vasc",
    "non melanoma": "other",
}
_SPELLINGS = (
    _ALIASES
    | {n.lower(): c for c, n in COARSE.items()}
    | {c: c for c in COARSE}
    | {d.name.lower(): d.code for d in DIAGNOSES}
    | {d.code: d.code for d in DIAGNOSES}
)


def parse_diagnosis(text: str) -> str | None:
    """Return the code for a diagnosis as people spell it, or None where it is none of the seven and none of `COARSE`.

    Example:
        >>> parse_diagnosis("MEL"), parse_diagnosis("Basal_cell_carcinoma"), parse_diagnosis("wart")
        ('mel', 'bcc', None)
    """
    return _SPELLINGS.get(" ".join(text.replace("_", " ").replace("-", " ").lower().split())) or _SPELLINGS.get(
        text.strip().lower()
    )

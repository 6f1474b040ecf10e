"""Classification tasks: groups of diagnoses, and the labels that determine their classes."""

from dataclasses import dataclass

from lesionlab.errors import DataError
from lesionlab.taxonomy.diagnoses import BY_CODE, CODES, DIAGNOSES, MALIGNANT, OTHER_DIAGNOSES, Risk, Target


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
        """Whether a label, one of `LABELS`, determines the class."""
        return self._find(label) is not None

    def index(self, label: str) -> int:
        """Return the index of the class that a label stands for, or that holds a diagnosis, given by its code.

        Raises:
            DataError: The label does not determine the class: `benign` for a task with several benign diagnoses.
        """
        found = self._find(label)
        if found is None:
            raise DataError(
                f"the label {label!r} does not determine the class in task {self.name} ({', '.join(self.classes)})"
            )
        return found

    def _find(self, label: str) -> int | None:
        for one in (label, *coarser_labels(label)):
            for index, (code, held) in enumerate(zip(self.classes, self.members, strict=True)):
                if one == code or one in held:
                    return index
        return None

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
LABELS: tuple[str, ...] = (*CODES, *OTHER_DIAGNOSES, *COARSE)


def coarser_labels(label: str) -> tuple[str, ...]:
    """Return the labels of `COARSE` that follow from another label without being a diagnosis of the task.

    Example:
        >>> coarser_labels("scc"), coarser_labels("benign"), coarser_labels("unk")
        (('malignant', 'other'), ('other',), ())
    """
    if label == "benign":
        return ("other",)
    other = OTHER_DIAGNOSES.get(label)
    if other is None or other.malignant is None:
        return ()
    return ("malignant" if other.malignant else "benign", "other")


def label_name(code: str) -> str:
    """Return a label, one of `LABELS`, in words."""
    if code in OTHER_DIAGNOSES:
        return OTHER_DIAGNOSES[code].name
    return BY_CODE[code].name if code in BY_CODE else COARSE[code]

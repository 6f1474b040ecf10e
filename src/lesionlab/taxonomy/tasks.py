"""Classification tasks: groups of diagnoses, and the labels that determine their classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lesionlab.errors import DataError
from lesionlab.taxonomy.diagnoses import BY_CODE, CODES, TARGETS, Risk, Target, diagnoses_of, label_name

TaskName = Literal["diagnosis", "diagnosis-11", "malignant", "melanoma"]


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
    def of_diagnoses(self) -> bool:
        """Whether each class is one diagnosis."""
        return all(held == (code,) for code, held in zip(self.classes, self.members, strict=True))

    @property
    def malignant(self) -> tuple[str, ...]:
        """The classes with malignant diagnoses only."""
        return self._within("malignant")

    @property
    def targets(self) -> dict[Target, tuple[str, ...]]:
        """The targets whose probability follows from the classes, with their classes; the first is the main one."""
        found = {target: self._within(target) for target in TARGETS if not self._mixes(target)}
        return {target: classes for target, classes in found.items() if classes}

    @property
    def tells_malignancy(self) -> bool:
        """Whether the probability of malignancy follows from the classes: no class mixes malignant and benign."""
        return not self._mixes("malignant")

    def malignancy_of(self, code: str) -> bool | None:
        """Return whether a class is malignant, None for a class with malignant and benign diagnoses."""
        kinds = {BY_CODE[diagnosis].malignant for diagnosis in self.members[self.classes.index(code)]}
        return kinds.pop() if len(kinds) == 1 else None

    def compatible(self, label: str) -> tuple[int, ...]:
        """Return the indices of the classes that a label, one of `LABELS`, allows.

        A diagnosis allows the class that holds it; `benign`, `malignant` and `other` (no melanoma) allow every class
        with such a diagnosis. A diagnosis outside the task allows the classes of its malignancy, an unknown one none.

        Example:
            >>> DIAGNOSIS.compatible("malignant"), DIAGNOSIS.compatible("nv"), DIAGNOSIS.compatible("scc")
            ((0, 2, 3), (1,), (0, 2, 3))
        """
        allowed = diagnoses_of(label)
        if allowed.isdisjoint(code for held in self.members for code in held):
            kinds = {BY_CODE[code].malignant for code in allowed}
            return tuple(index for index, code in enumerate(self.classes) if self.malignancy_of(code) in kinds)
        return tuple(index for index, held in enumerate(self.members) if not allowed.isdisjoint(held))

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

    def name_of(self, code: str) -> str:
        """Return a class in words."""
        return self.names[self.classes.index(code)]

    def risk_of(self, code: str) -> Risk:
        """Return the risk level of a class: of two classes, the target is high and the other low."""
        if self.binary:
            return Risk.HIGH if code == self.classes[1] else Risk.LOW
        return BY_CODE[code].risk

    def _find(self, label: str) -> int | None:
        """Return the class that holds all diagnoses of a label; None without one."""
        allowed = diagnoses_of(label)
        holding = (index for index, held in enumerate(self.members) if allowed.issubset(held))
        return next(holding, None) if allowed else None

    def _within(self, target: Target) -> tuple[str, ...]:
        pairs = zip(self.classes, self.members, strict=True)
        return tuple(code for code, held in pairs if TARGETS[target].issuperset(held))

    def _mixes(self, target: Target) -> bool:
        positive = TARGETS[target]
        return not all(positive.issuperset(held) or positive.isdisjoint(held) for held in self.members)


def task_of_diagnoses(name: str, codes: Sequence[str]) -> Task:
    """Return a task with a class for each of some diagnoses."""
    return Task(name, tuple(codes), tuple(map(label_name, codes)), tuple((code,) for code in codes))


def _binary(target: Target, negative: str, positive: str) -> Task:
    held = TARGETS[target]
    members = (tuple(code for code in BY_CODE if code not in held), tuple(code for code in BY_CODE if code in held))
    return Task(target, (negative, positive), (label_name(negative), label_name(positive)), members)


DIAGNOSIS = task_of_diagnoses("diagnosis", CODES)
DIAGNOSIS_11 = task_of_diagnoses("diagnosis-11", tuple(BY_CODE))
TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        DIAGNOSIS,
        DIAGNOSIS_11,
        _binary("malignant", "benign", "malignant"),
        _binary("melanoma", "other", "mel"),
    )
}

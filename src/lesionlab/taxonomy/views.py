"""How the classes of one task follow from those of another: coarser classes, fewer diagnoses, columns of challenges.

Probabilities of classes that belong together are summed. Where the other task has no class for a diagnosis, its
probabilities are conditional on the classes that it has: in the seven-class view of an eleven-class model,
P(class | one of the seven) = P(class) / sum over the seven. Squamous cell carcinoma and the other three diagnoses
belong to no class of it; they are not added to actinic keratosis or to any other class.

The probability of a target is the same in every view: P(malignant) is the sum over all malignant classes of the model,
squamous cell carcinoma and other malignant lesions included.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lesionlab.taxonomy.tasks import Task

_Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class View:
    """A task whose classes follow from those of a model.

    Attributes:
        task: The task.
        class_of: The class of the task for each class of the model; None for one that is no class of the task.
    """

    task: Task
    class_of: tuple[int | None, ...]

    @property
    def conditional(self) -> bool:
        """Whether the model has classes that the task does not have."""
        return None in self.class_of

    @property
    def selects(self) -> bool:
        """Whether each class of the task is one class of the model, not a sum of several."""
        found = [index for index in self.class_of if index is not None]
        return len(found) == len(set(found))

    def probabilities(self, of_model: _Array) -> _Array:
        """Return the probabilities of the task's classes, [N, K], for those of the model's classes, [N, C]."""
        belongs = np.zeros((len(self.class_of), len(self.task.classes)))
        for row, index in enumerate(self.class_of):
            if index is not None:
                belongs[row, index] = 1
        summed: _Array = of_model @ belongs
        if not self.conditional:
            return summed
        total = summed.sum(axis=-1, keepdims=True)
        # A model that is certain of another diagnosis tells nothing about these.
        return np.where(total > 0, summed / np.where(total > 0, total, 1), 1 / len(self.task.classes))


def view_of(model: Task, task: Task) -> View | None:
    """Return the view of a model's classes as a task; None where they do not determine the task's classes.

    That is the case if a class of the model holds diagnoses of several classes, or if a class has no diagnosis of the
    model's.

    Example:
        >>> from lesionlab.taxonomy import DIAGNOSIS, DIAGNOSIS_11
        >>> view_of(DIAGNOSIS_11, DIAGNOSIS).class_of, view_of(DIAGNOSIS, DIAGNOSIS_11)
        ((0, 1, 2, 3, 4, 5, 6, None, None, None, None), None)
    """
    found = _matched(model, task)
    covered = found is not None and set(range(len(task.classes))) <= set(found)
    return View(task, found) if found is not None and covered else None


def columns_of(model: Task, challenge: Task) -> View | None:
    """Return the columns of a challenge's submission as a view of a model's classes; None if a class has no column.

    A column without a class of the model is 0.
    """
    found = _matched(model, challenge)
    return None if found is None else View(challenge, found)


def _matched(model: Task, task: Task) -> tuple[int | None, ...] | None:
    """Return the class of the task with the diagnoses of each class of the model; None if one has several."""
    class_of = {diagnosis: index for index, held in enumerate(task.members) for diagnosis in held}
    found = [{class_of.get(diagnosis) for diagnosis in held} for held in model.members]
    return tuple(one.pop() for one in found) if all(len(one) == 1 for one in found) else None


def _challenge(name: str, columns: Mapping[str, str]) -> Task:
    return Task(name, tuple(columns), tuple(columns), tuple(tuple(codes.split()) for codes in columns.values()))


# The columns of submissions, with their diagnoses.
ISIC_2018 = _challenge(
    "ISIC 2018", {"MEL": "mel", "NV": "nv", "BCC": "bcc", "AKIEC": "akiec", "BKL": "bkl", "DF": "df", "VASC": "vasc"}
)
ISIC_2019 = _challenge(
    "ISIC 2019",
    {
        "MEL": "mel",
        "NV": "nv",
        "BCC": "bcc",
        "AK": "akiec",
        "BKL": "bkl",
        "DF": "df",
        "VASC": "vasc",
        "SCC": "scc",
        "UNK": "mal_oth ben_oth inf",
    },
)
MILK10K = _challenge(
    "MILK10k",
    {
        "AKIEC": "akiec",
        "BCC": "bcc",
        "BEN_OTH": "ben_oth",
        "BKL": "bkl",
        "DF": "df",
        "INF": "inf",
        "MAL_OTH": "mal_oth",
        "MEL": "mel",
        "NV": "nv",
        "SCCKA": "scc",
        "VASC": "vasc",
    },
)

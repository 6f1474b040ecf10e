"""Labels of a task: its classes, and coarser labels that allow several of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lesionlab.taxonomy import LABELS, Task


@dataclass(frozen=True)
class LabelSets:
    """What the labels of a dataset allow, each as a set of classes.

    The first sets are the single classes in their order, so that a class index is the index of its set. A label that
    allows several classes, such as `benign`, is trained by the sum of their probabilities.

    Attributes:
        members: Whether a set has a class, [L, C].
        index: Index of the set by label, for every label that allows some classes and not all.
    """

    members: NDArray[np.bool_]
    index: dict[str, int]

    @classmethod
    def of(cls, task: Task, labels: Sequence[str] = LABELS) -> "LabelSets":
        """Return the sets of a task's classes and of labels, by default all."""
        sets: list[tuple[int, ...]] = [(position,) for position in range(len(task.classes))]
        index: dict[str, int] = {}
        for label in labels:
            allowed = (task.index(label),) if task.determines(label) else task.compatible(label)
            if not allowed or len(allowed) == len(task.classes):  # says nothing
                continue
            if allowed not in sets:
                sets.append(allowed)
            index[label] = sets.index(allowed)
        members = np.zeros((len(sets), len(task.classes)), dtype=np.bool_)
        for row, allowed in zip(members, sets, strict=True):
            row[list(allowed)] = True
        return cls(members, index)

"""Validation within sources: whether the network ranks lesions, and not clinics or cameras."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lesionlab.data import ImageRecord
from lesionlab.metrics.ranking import within_group_auc
from lesionlab.taxonomy import TASKS, Task


class WithinSource:
    """The AUC for a task's main target between images of one source.

    Args:
        records: The validation images, in the order of their probabilities.
        task: The task of the network.
    """

    def __init__(self, records: Sequence[ImageRecord], task: Task) -> None:
        target, self._classes = next(iter(task.targets.items()))
        binary = TASKS[target]
        self._positions = [task.classes.index(code) for code in self._classes]
        self._known = np.array([binary.determines(record.diagnosis) for record in records])
        self._positive = np.array([binary.determines(r.diagnosis) and binary.index(r.diagnosis) == 1 for r in records])
        self._sources = np.array([record.source for record in records])
        self._histology = np.array([record.dx_type == "histo" for record in records])

    def measure(self, probabilities: NDArray[np.float64]) -> dict[str, float]:
        """Return `within_source_auc`, and `histology_auc`: the same of images confirmed by histopathology.

        Args:
            probabilities: Of the task's classes, [N, C].
        """
        scores = probabilities[:, self._positions].sum(axis=1)
        subsets = {"within_source_auc": self._known, "histology_auc": self._known & self._histology}
        return {
            name: float(within_group_auc(self._positive[chosen], scores[chosen], self._sources[chosen]))
            for name, chosen in subsets.items()
        }

"""Validation within sources: whether the network ranks lesions, and not clinics or cameras."""

from collections.abc import Sequence

import numpy as np

from lesionlab.data import ImageRecord
from lesionlab.metrics.arrays import FloatArray, IntArray
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

    def measure(self, probabilities: FloatArray) -> dict[str, float]:
        """Return `within_source_auc`, and `histology_auc`: the same of images confirmed by histopathology.

        Args:
            probabilities: Of the task's classes, [N, C].
        """
        return {name: float(self.weighted(name, probabilities)) for name in ("within_source_auc", "histology_auc")}

    def weighted(self, name: str, probabilities: FloatArray, weights: IntArray | None = None) -> FloatArray:
        """Return one of these metrics with weights of the images, [..., N], as of the bootstrap: [...]."""
        scores = probabilities[:, self._positions].sum(axis=1)
        chosen = self._known & self._histology if name == "histology_auc" else self._known
        counted = None if weights is None else weights[..., chosen]
        return within_group_auc(self._positive[chosen], scores[chosen], self._sources[chosen], counted)

"""Labels worth a second look: confident learning by lesion, from out-of-fold probabilities."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lesionlab.curation.confident_learning import likely_errors
from lesionlab.data import ImageRecord, Manifest
from lesionlab.metrics.arrays import FloatArray
from lesionlab.taxonomy import BY_CODE, COARSE, TASKS, Task, task_of_diagnoses


@dataclass(frozen=True, slots=True)
class LesionLabel:
    """The label of a lesion, and the probabilities of models that were not fitted to the lesion.

    Attributes:
        records: The images of the lesion with this label.
        probability: Mean probability of the class of the label over these images: the self-confidence, least first.
        suggested: The most probable other class.
        suggested_probability: Its mean probability.
        likely_error: Whether confident learning counts the label among the likely errors.
    """

    records: tuple[ImageRecord, ...]
    probability: float
    suggested: str
    suggested_probability: float
    likely_error: bool

    @property
    def lesion_id(self) -> str:
        """Identifier of the lesion, or of the image where images of a patient are kept together."""
        return self.records[0].labelled_id

    @property
    def given(self) -> str:
        """The label."""
        return self.records[0].diagnosis


def rank_labels(records: Sequence[ImageRecord], probabilities: FloatArray, task: Task) -> list[LesionLabel]:
    """Return the labels of lesions, the least probable first (ranking by self-confidence).

    Probabilities are averaged over the images of a lesion. Where images of a lesion have several labels, each is
    ranked.

    Args:
        records: The images; their labels determine classes of the task.
        probabilities: Of models that were not fitted to the lesion of the image, [N, C].
        task: The classes.
    """
    rows: dict[tuple[str, str], list[int]] = {}
    for row, record in enumerate(records):
        rows.setdefault((record.labelled_id, record.diagnosis), []).append(row)
    mean = np.stack([probabilities[held].mean(axis=0) for held in rows.values()])
    given = np.array([task.index(label) for _, label in rows])
    errors = likely_errors(given, mean)
    others = mean.copy()
    others[np.arange(len(mean)), given] = -1
    suggested = others.argmax(axis=1)
    labels = [
        LesionLabel(
            tuple(records[row] for row in held),
            float(mean[i, given[i]]),
            task.classes[suggested[i]],
            float(mean[i, suggested[i]]),
            bool(errors[i]),
        )
        for i, held in enumerate(rows.values())
    ]
    return sorted(labels, key=lambda one: (one.probability, one.lesion_id, one.given))


def classes_of_labels(manifest: Manifest, least: int) -> Task:
    """Return a task of the labels of a dataset, for models of its own.

    The classes are its diagnoses with enough lesions, those beside the seven included. With a coarse label, such as
    `benign`, they are those of the finest binary task that most labels determine.

    Args:
        manifest: The images.
        least: The least number of lesions of a class.
    """
    lesions = Counter(label for _, label in {(record.lesion_id, record.diagnosis) for record in manifest})
    if not COARSE.keys().isdisjoint(lesions):
        binary = [task for task in TASKS.values() if task.binary]
        return max(binary, key=lambda task: sum(count for label, count in lesions.items() if task.determines(label)))
    return task_of_diagnoses("labels", [code for code in BY_CODE if lesions[code] >= least])

"""The lesions to label, with what the bundle computes of them."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from lesionlab.bundle import Bundle
from lesionlab.data import ImageRecord, Manifest
from lesionlab.errors import DataError
from lesionlab.labelling.embeddings import Progress, image_outputs, lesion_means, lesion_probabilities, lesions_of
from lesionlab.labelling.head import Head, Projection
from lesionlab.labelling.store import LesionStatus, State
from lesionlab.labelling.strategies import Pool
from lesionlab.metrics.arrays import FloatArray, IntArray
from lesionlab.taxonomy import TASKS, Task

# Below it a head of its own predicts worse than the bundle.
LEAST_LABELS = 100
_TINY = 1e-12
_FINAL = (LesionStatus.AGREED, LesionStatus.ADJUDICATED)


@dataclass(frozen=True, eq=False)
class LesionSet:
    """The L lesions of a dataset that have an image for the bundle.

    Attributes:
        manifest: All images, clinical ones included.
        ids: The lesions, in the order of all arrays.
        images: The images of each lesion.
        task: The classes of the bundle.
        model: Identity of the bundle.
        features: Pooled features, mean over the images, [L, D].
        components: Their principal components, the input of a head that is fitted to labels, [L, K].
        probabilities: Of the bundle, [L, C].
        head: The bundle's head on the features; None where it is not linear.
    """

    manifest: Manifest
    ids: tuple[str, ...]
    images: dict[str, tuple[ImageRecord, ...]]
    task: Task
    model: str
    features: FloatArray
    components: FloatArray
    probabilities: FloatArray
    head: Head | None

    @classmethod
    def of(cls, manifest: Manifest, bundle: Bundle, progress: Progress | None = None) -> "LesionSet":
        """Compute what the bundle says of the lesions; images of another type than its own are shown only.

        Args:
            manifest: The images.
            bundle: The model.
            progress: Called with the number of images done and their total.

        Raises:
            DataError: There is no image of the bundle's type.
            ImageError: An image cannot be read.
        """
        own = tuple(record for record in manifest if record.image_type in (bundle.info.image_type, None))
        if not own:
            raise DataError(
                f"{manifest.root}: there is no {bundle.info.image_type} image, which {bundle.info.name} needs"
            )
        outputs = image_outputs(replace(manifest, records=own), bundle, progress)
        rows = lesions_of(own)
        features = lesion_means(outputs.features, rows)
        shown: dict[str, list[ImageRecord]] = {lesion: [] for lesion in rows}
        for record in manifest:
            if record.labelled_id in shown:
                shown[record.labelled_id].append(record)
        return cls(
            manifest,
            tuple(rows),
            {lesion: tuple(records) for lesion, records in shown.items()},
            TASKS[bundle.info.task],
            bundle.info.identity,
            features,
            Projection.fit(features).apply(features),
            lesion_probabilities(outputs.logits, bundle, rows),
            _head(bundle, features),
        )

    @cached_property
    def row_of(self) -> dict[str, int]:
        """Row of each lesion in the arrays."""
        return {lesion: row for row, lesion in enumerate(self.ids)}

    @cached_property
    def record_of(self) -> dict[str, ImageRecord]:
        """The images that are shown, by their id."""
        return {record.image_id: record for records in self.images.values() for record in records}

    def diagnoses(self) -> dict[str, str]:
        """Return the most probable class of each lesion."""
        best = self.probabilities.argmax(axis=1)
        return {lesion: self.task.classes[code] for lesion, code in zip(self.ids, best, strict=True)}

    @cached_property
    def directions(self) -> FloatArray:
        """Components of length 1: their products are the similarities of lesions, [L, K]."""
        lengths = np.linalg.norm(self.components, axis=1, keepdims=True)
        return np.asarray(self.components / np.maximum(lengths, _TINY))

    def nearest_labelled(self, state: State, lesion: str, count: int) -> list[tuple[str, str, float]]:
        """Return the most similar lesions with a final diagnosis: lesion, diagnosis and similarity, up to 1."""
        similar = self.directions @ self.directions[self.row_of[lesion]]
        found: list[tuple[str, str, float]] = []
        for row in np.argsort(-similar, kind="stable"):
            other = self.ids[row]
            if other == lesion or state.statuses.get(other) not in _FINAL:
                continue
            result = state.result(other)
            if result is not None and result.diagnosis is not None:
                found.append((other, result.diagnosis, float(similar[row])))
            if len(found) == count:
                break
        return found

    def labels(self, state: State) -> IntArray:
        """Return the class of each lesion with a final diagnosis that determines one, else -1, [L]."""
        found = np.full(len(self.ids), -1)
        for row, lesion in enumerate(self.ids):
            result = state.result(lesion)
            if result is not None and result.diagnosis is not None and self.task.determines(result.diagnosis):
                found[row] = self.task.index(result.diagnosis)
        return found

    def pool(self, state: State) -> Pool:
        """Return the lesions for a strategy: those that were neither chosen nor read are candidates.

        Probabilities are those of the bundle, and from 100 labels of at least two classes on those of a head that is
        fitted to the labels.
        """
        labels = self.labels(state)
        read = set(state.lesions())
        candidates = np.array([lesion not in state.choices and lesion not in read for lesion in self.ids])
        known = labels >= 0
        if known.sum() < LEAST_LABELS or len(set(labels[known])) < 2:
            return Pool(self.components, self.probabilities, labels, candidates, self.head, self.features)
        head = Head.fit(self.components[known], labels[known], len(self.task.classes))
        return Pool(self.components, head.probabilities(self.components), labels, candidates, head)


def _head(bundle: Bundle, features: FloatArray) -> Head | None:
    """Return the bundle's linear head with its calibration."""
    reference, calibration = bundle.reference, bundle.info.calibration
    if reference is None or reference.head is None or reference.head.weights.shape[1] != features.shape[1]:
        return None
    scales, offsets = np.array(calibration.scales or 1.0), np.array(calibration.offsets or 0.0)
    weights = reference.head.weights.astype(np.float64).T * scales
    return Head(weights, reference.head.bias * scales + offsets, calibration.temperature)

"""The images that explanations are measured on: each with its mask, its answer, and the class that is explained."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

import numpy as np
from numpy.typing import NDArray

from lesionlab.attribution.trained import TrainedModel
from lesionlab.data import ImageRecord, Manifest
from lesionlab.data.masks import MaskFolder
from lesionlab.errors import DataError
from lesionlab.results import Prediction
from lesionlab.taxonomy import MALIGNANT, TASKS


@dataclass(frozen=True, eq=False)
class Case:
    """One image.

    Attributes:
        record: What is known of it.
        pixels: The network's input, uint8 [size, size, 3].
        mask: Where the lesion is, bool [size, size].
        prediction: The model's answer.
        index: Index of the answer's class, which is explained.
        correct: Whether the answer is right.
    """

    record: ImageRecord
    pixels: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    prediction: Prediction
    index: int
    correct: bool


def drawn(manifest: Manifest, masks: MaskFolder) -> list[ImageRecord]:
    """Return images that have a mask, one of each lesion, malignant and benign in turn, in an order that nobody chose.

    Raises:
        DataError: None has a mask.
    """
    chosen: dict[str, ImageRecord] = {}
    for record in sorted(with_mask(manifest, masks), key=_lot):
        chosen.setdefault(record.lesion_id, record)
    malignant = [record for record in chosen.values() if _is_malignant(record)]
    benign = [record for record in chosen.values() if not _is_malignant(record)]
    return [record for record in chain(*zip_longest(malignant, benign)) if record is not None]


def with_mask(manifest: Manifest, masks: MaskFolder) -> list[ImageRecord]:
    """Return the images that have a mask.

    Raises:
        DataError: None has one.
    """
    found = [record for record in manifest if record.image_id in masks]
    if not found:
        raise DataError(f"{masks.path} has no mask of any image of the part to measure on")
    return found


def malignant_cases(model: TrainedModel, manifest: Manifest, masks: MaskFolder) -> Iterable[Case]:
    """Yield all malignant images that have a mask, with their answers."""
    return cases(model, manifest, masks, [r for r in with_mask(manifest, masks) if _is_malignant(r)])


def cases(model: TrainedModel, manifest: Manifest, masks: MaskFolder, records: Sequence[ImageRecord]) -> Iterable[Case]:
    """Yield images with masks and answers, one at a time.

    Raises:
        ImageError: An image cannot be judged.
        DataError: A mask cannot be read.
    """
    task = TASKS[model.predictor.info.task]
    for record in records:
        prepared = model.predictor.pipeline.prepare(manifest.location(record))
        (prediction,) = model.predictor.pipeline.predict([prepared])
        index = task.classes.index(prediction.most_probable)
        mask = masks.read(record.image_id, model.network.size)
        yield Case(record, prepared.pixels, mask, prediction, index, index == task.index(record.diagnosis))


def _is_malignant(record: ImageRecord) -> bool:
    return record.diagnosis in MALIGNANT or record.diagnosis == "malignant"


def _lot(record: ImageRecord) -> str:
    return hashlib.sha256(record.image_id.encode()).hexdigest()

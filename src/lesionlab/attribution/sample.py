"""The images on which explanations are measured, with lesion mask, prediction and explained class."""

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
from lesionlab.taxonomy import TASKS, is_of_target


@dataclass(frozen=True, eq=False)
class MaskedImage:
    """One image with its mask and prediction.

    Attributes:
        record: Its metadata.
        pixels: The network's input, uint8 [size, size, 3].
        mask: Lesion mask, bool [size, size].
        prediction: The prediction.
        index: Index of the most probable class, which is explained.
        correct: Whether that class is the true one.
    """

    record: ImageRecord
    pixels: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    prediction: Prediction
    index: int
    correct: bool


def draw_sample(manifest: Manifest, masks: MaskFolder) -> list[ImageRecord]:
    """Return images with a mask, one per lesion, malignant and benign alternating, in the order of a hash.

    Raises:
        DataError: No image has a mask.
    """
    chosen: dict[str, ImageRecord] = {}
    for record in sorted(with_mask(manifest, masks), key=_hash):
        chosen.setdefault(record.lesion_id, record)
    malignant = [record for record in chosen.values() if _is_malignant(record)]
    benign = [record for record in chosen.values() if not _is_malignant(record)]
    return [record for record in chain(*zip_longest(malignant, benign)) if record is not None]


def with_mask(manifest: Manifest, masks: MaskFolder) -> list[ImageRecord]:
    """Return the images that have a mask.

    Raises:
        DataError: No image has a mask.
    """
    found = [record for record in manifest if record.image_id in masks]
    if not found:
        raise DataError(f"{masks.path} has no mask of any image of the evaluated subset")
    return found


def malignant_images(model: TrainedModel, manifest: Manifest, masks: MaskFolder) -> Iterable[MaskedImage]:
    """Yield all malignant images that have a mask, with their predictions."""
    malignant = [record for record in with_mask(manifest, masks) if _is_malignant(record)]
    return predict_masked(model, manifest, masks, malignant)


def predict_masked(
    model: TrainedModel, manifest: Manifest, masks: MaskFolder, records: Sequence[ImageRecord]
) -> Iterable[MaskedImage]:
    """Yield images with masks and predictions, one at a time.

    Raises:
        ImageError: An image cannot be read.
        DataError: A mask cannot be read.
    """
    task = TASKS[model.predictor.info.task]
    for record in records:
        prepared = model.predictor.pipeline.prepare(manifest.location(record))
        (prediction,) = model.predictor.pipeline.predict([prepared])
        index = task.classes.index(prediction.most_probable)
        mask = masks.read(record.image_id, model.network.size)
        yield MaskedImage(record, prepared.pixels, mask, prediction, index, index == task.index(record.diagnosis))


def _is_malignant(record: ImageRecord) -> bool:
    return is_of_target(record.diagnosis, "malignant")


def _hash(record: ImageRecord) -> str:
    return hashlib.sha256(record.image_id.encode()).hexdigest()

"""From an image in any form to what the graph takes: the half of a prediction that needs no graph."""

import os
import threading
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

from lesionlab.bundle import Patient
from lesionlab.errors import ImageError
from lesionlab.images import ImageSource, Preprocessing, load_image
from lesionlab.prediction.ahead import mapped_ahead
from lesionlab.prediction.result import Failure
from lesionlab.prediction.session import available_cores

Item = TypeVar("Item")

# Decoding a camera-sized PNG takes some hundred megabytes for a moment: more at once would cost more than they save.
_MOST_AT_ONCE = 4
_decoding = threading.BoundedSemaphore(_MOST_AT_ONCE)


@dataclass(frozen=True, slots=True)
class PreparedImage:
    """An image in the form that the graph takes.

    Attributes:
        name: What to call it in the answer.
        pixels: uint8 [size, size, 3].
        notes: What was unusual about it and how it was treated.
        patient: What is known of the patient.
        original_size: (width, height) of the image before it was scaled; None where that is not known.
    """

    name: str
    pixels: np.ndarray
    notes: tuple[str, ...]
    patient: Patient = field(default_factory=Patient)
    original_size: tuple[int, int] | None = None


def prepare_image(image: ImageSource, preprocessing: Preprocessing, name: str | None = None) -> PreparedImage:
    """Decode and scale one image; without a name it is called by its path, or `image 0`.

    Raises:
        ImageError: The image cannot be judged; the message begins with its name.
    """
    return or_raise(try_to_prepare(image, preprocessing, name or name_of(image, 0)))


def prepare_ahead(
    images: Iterable[ImageSource], preprocessing: Preprocessing, batch_size: int
) -> Generator[PreparedImage | Failure, None, None]:
    """Yield images prepared, in their order, at most two batches before they are asked for."""

    def attempt(image: ImageSource, index: int) -> PreparedImage | Failure:
        return try_to_prepare(image, preprocessing, name_of(image, index))

    return mapped_ahead(attempt, images, ahead=2 * batch_size, threads=min(available_cores(), _MOST_AT_ONCE))


def or_raise(prepared: Item | Failure) -> Item:
    """Return what came of an image that could be prepared.

    Raises:
        ImageError: It could not; the message begins with the image's name.
    """
    if isinstance(prepared, Failure):
        raise ImageError(f"{prepared.path}: {prepared.error}")
    return prepared


def try_to_prepare(image: ImageSource, preprocessing: Preprocessing, name: str) -> PreparedImage | Failure:
    """Decode and scale one image, or say why that cannot be done."""
    try:
        with _decoding:
            decoded = load_image(image, at_least=preprocessing.decode_size)
    except ImageError as error:
        return Failure(path=name, error=str(error))
    notes = decoded.notes + preprocessing.notes(decoded)
    # A model of tiny pictures, which are enlarged for its network, is content with those.
    size = None if preprocessing.through else decoded.original_size
    return PreparedImage(name, preprocessing.apply(decoded.image), notes, original_size=size)


def name_of(image: ImageSource, index: int) -> str:
    """Return what to call an image in the answer: its path, or its place among others."""
    if not isinstance(image, str | Path):
        return f"image {index}"
    # A file name may hold bytes that are no UTF-8; no JSON or CSV could carry them as they are.
    return os.fsencode(image).decode("utf-8", "backslashreplace")

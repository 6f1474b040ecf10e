"""Preprocessing: from an image in any form to the input of the graph."""

import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

from lesionlab.bundle import Patient
from lesionlab.errors import ImageError
from lesionlab.images import ImageSource, NamedImage, Preprocessing, load_image
from lesionlab.prediction.decision.setting import Setting
from lesionlab.results import Failure

Item = TypeVar("Item")

# Decoding a camera-sized PNG briefly needs several hundred megabytes, so concurrent decoding is limited.
MAX_DECODERS = 4
_decoding = threading.BoundedSemaphore(MAX_DECODERS)


@dataclass(frozen=True, slots=True)
class PreparedImage:
    """An input of the graph.

    Attributes:
        name: Its name in the result.
        pixels: uint8 [size, size, 3].
        notes: Unusual properties of the image and how they were treated.
        patient: Patient data.
        setting: Prevalence and risk rule; None: those of the predictor.
        original_size: (width, height) of the image before it was scaled; None if unknown.
    """

    name: str
    pixels: np.ndarray
    notes: tuple[str, ...]
    patient: Patient = field(default_factory=Patient)
    setting: Setting | None = None
    original_size: tuple[int, int] | None = None


def prepare_image(image: ImageSource, preprocessing: Preprocessing, name: str | None = None) -> PreparedImage:
    """Decode and scale one image; its default name is its path, or `image 0`.

    Raises:
        ImageError: The image cannot be read; the message begins with its name.
    """
    return or_raise(try_to_prepare(image, preprocessing, name or name_of(image, 0)))


def or_raise(prepared: Item | Failure) -> Item:
    """Return the result for an image, or raise its failure.

    Raises:
        ImageError: The image failed; the message begins with the image's name.
    """
    if isinstance(prepared, Failure):
        raise ImageError(f"{prepared.image}: {prepared.error}")
    return prepared


def try_to_prepare(image: ImageSource, preprocessing: Preprocessing, name: str) -> PreparedImage | Failure:
    """Decode and scale one image, or return the failure."""
    try:
        with _decoding:
            decoded = load_image(image, at_least=preprocessing.decode_size)
    except ImageError as error:
        return Failure(image=name, error=str(error))
    notes = decoded.notes + preprocessing.notes(decoded)
    # A model of tiny images, which enlarges them for its network, accepts them.
    size = None if preprocessing.through else decoded.original_size
    return PreparedImage(name, preprocessing.apply(decoded.image), notes, original_size=size)


def name_of(image: ImageSource, index: int) -> str:
    """Return the name of an image in the result: its own, its path, or its position."""
    if isinstance(image, NamedImage):
        image = image.name
    if not isinstance(image, str | Path):
        return f"image {index}"
    # A file name may hold bytes that are not UTF-8, which JSON and CSV cannot represent.
    return os.fsencode(image).decode("utf-8", "backslashreplace")

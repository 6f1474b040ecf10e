"""The files that the browser needs in addition to the bundle: a description of the model and packed statistics."""

from dataclasses import fields
from typing import Any

import numpy as np

from lesionlab.bundle import Reference
from lesionlab.images.formats import FORMATS
from lesionlab.prediction import Predictor
from lesionlab.results.model_card import Limits

_GROUPS = ("head", "image", "sharpness", "features")
# Browsers cannot decode TIFF, and have less memory than a server.
_LIMITS = Limits(
    max_bytes=100_000_000,
    max_batch_bytes=100_000_000,
    max_pixels=50_000_000,
    max_batch=1,
    formats=tuple(name for name in FORMATS if name != "TIFF"),
)


def model_description(predictor: Predictor) -> dict[str, Any]:
    """Return the content of `model.json` without the fields about other files; its type is in `web/types`."""
    info = predictor.info
    return {
        "card": predictor.card(_LIMITS).model_dump(mode="json"),
        "crop_threshold": info.crop.threshold if info.crop else None,
        "dermoscopy": info.dermoscopy.model_dump(mode="json") if info.dermoscopy else None,
        "has_evaluation": predictor.bundle.evaluation is not None,
    }


def packed_reference(reference: Reference | None) -> tuple[bytes, dict[str, dict[str, Any]]]:
    """Concatenate the arrays of reference statistics that inference needs.

    Args:
        reference: The statistics; None for a bundle without them.

    Returns:
        The values as little-endian float32, and offset in bytes and shape of each array by name.
    """
    data, layout = bytearray(), {}
    for group in _GROUPS:
        part = getattr(reference, group, None)
        for field in fields(part) if part is not None else ():
            array: np.ndarray = getattr(part, field.name)
            layout[f"{group}_{field.name}"] = {"offset": len(data), "shape": array.shape}
            data += array.astype("<f4").tobytes()
    return bytes(data), layout

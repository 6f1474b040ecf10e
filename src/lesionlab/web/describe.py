"""The files that the browser needs in addition to the bundle: a description of the model and packed statistics."""

from dataclasses import fields
from typing import Any, get_args

import numpy as np

from lesionlab.bundle import Reference, Site
from lesionlab.images.formats import FORMATS
from lesionlab.prediction import Predictor
from lesionlab.results import ModelCard
from lesionlab.results.model_card import Limits
from lesionlab.taxonomy import TASKS, Target, is_of_target

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
    info, risk = predictor.info, predictor.pipeline.risk
    task = TASKS[info.task]
    card = ModelCard.of(
        info, risk_rule=risk.text, explainable=predictor.explainable, abstains=predictor.abstains, limits=_LIMITS
    )
    return {
        "card": card.model_dump(mode="json"),
        "targets": list(task.targets),
        "target_classes": {
            target: [code for code in task.classes if is_of_target(code, target)] for target in get_args(Target)
        },
        "risk": {
            "target": risk.target,
            "threshold": risk.threshold,
            "point": info.operating_points.index(risk.point) if risk.point else None,
        },
        "sites": [site.value for site in Site],
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

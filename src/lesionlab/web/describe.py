"""What the browser has to know beside the bundle: the package's own words, and numbers in a form that it reads."""

from dataclasses import fields
from typing import Any

import numpy as np

from lesionlab import RESEARCH_ONLY, __version__
from lesionlab.bundle import Reference, Site
from lesionlab.prediction import Predictor
from lesionlab.prediction.decision.risk import RiskScale
from lesionlab.taxonomy import TASKS

# The parts of the reference that an answer needs.
_PARTS = ("head", "image", "sharpness", "features")


def described(predictor: Predictor) -> dict[str, Any]:
    """Return what is written as `site.json`, but for what concerns other files; `web/types` has it as a type."""
    info = predictor.info
    task, risk = TASKS[info.task], RiskScale.of(info, None)
    return {
        "notice": RESEARCH_ONLY,
        "version": __version__,
        "identity": info.identity,
        "targets": task.targets,
        "risk": {"target": risk.target, "threshold": risk.threshold, "meaning": risk.text},
        "classes": [
            {
                "code": code,
                "name": task.name_of(code),
                "risk": task.risk_of(code),
                "malignant": task.malignancy_of(code),
            }
            for code in task.classes
        ],
        "sites": [site.value for site in Site],
        "explainable": predictor.explainable,
        "abstains": predictor.abstains,
        "has_evaluation": predictor.bundle.evaluation is not None,
    }


def laid_out(reference: Reference | None) -> tuple[bytes, dict[str, dict[str, Any]]]:
    """Return the arrays of a reference one behind the other, and where each begins and what shape it has.

    Args:
        reference: What reasons and refusals rest on; None for a bundle without it.

    Returns:
        Little-endian float32, and by name the place of the first byte and the shape.
    """
    data, places = bytearray(), {}
    for name in _PARTS:
        part = getattr(reference, name, None)
        for field in fields(part) if part is not None else ():
            array: np.ndarray = getattr(part, field.name)
            places[f"{name}_{field.name}"] = {"offset": len(data), "shape": array.shape}
            data += array.astype("<f4").tobytes()
    return bytes(data), places

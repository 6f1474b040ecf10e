"""lesionlab: classify dermoscopic images of skin lesions.

Research and education only, not a diagnosis.

Example:
    >>> from lesionlab import Predictor
    >>> predictor = Predictor.load()  # the model that ships with the package
    >>> predictor.predict("lesion.jpg").headline  # doctest: +SKIP
    'P(malignant) 12.0%, positive at 95% sensitivity, most probable: Melanocytic nevus 84.1%'
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lesionlab.bundle import Bundle, Patient
    from lesionlab.errors import (
        BundleError,
        DataError,
        ImageError,
        LesionlabError,
        MissingExtraError,
        RecipeError,
        UsageError,
    )
    from lesionlab.prediction import Lesion, Predictor, RiskRule
    from lesionlab.results import ExplainedPrediction, Explanation, Failure, Prediction

__version__ = "0.1.0"

# The official builds of ONNX Runtime send telemetry unless this is set before their first import.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

RESEARCH_ONLY = "For research and education only, not a diagnosis."

# Imported on first use, so that `lesionlab --help` and `lesionlab.__version__` load no inference runtime.
_LAZY = {
    "lesionlab.bundle": ("Bundle", "Patient"),
    "lesionlab.errors": (
        "BundleError",
        "DataError",
        "ImageError",
        "LesionlabError",
        "MissingExtraError",
        "RecipeError",
        "UsageError",
    ),
    "lesionlab.prediction": ("Lesion", "Predictor", "RiskRule"),
    "lesionlab.results": ("ExplainedPrediction", "Explanation", "Failure", "Prediction"),
}
_MODULE_OF = {name: module for module, names in _LAZY.items() for name in names}

__all__ = [
    "RESEARCH_ONLY",
    "Bundle",
    "BundleError",
    "DataError",
    "ExplainedPrediction",
    "Explanation",
    "Failure",
    "ImageError",
    "Lesion",
    "LesionlabError",
    "MissingExtraError",
    "Patient",
    "Prediction",
    "Predictor",
    "RecipeError",
    "RiskRule",
    "UsageError",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        return getattr(import_module(_MODULE_OF[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__

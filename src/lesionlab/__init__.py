"""lesionlab: classify dermoscopic images of skin lesions, from a folder of images to a calibrated answer.

Research and education only, never a diagnosis.

Example:
    >>> from lesionlab import Predictor
    >>> predictor = Predictor.load()  # the model that ships with the package
    >>> predictor.predict("lesion.jpg").top[0].name  # doctest: +SKIP
    'Melanocytic nevus'
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lesionlab.bundle import Bundle
    from lesionlab.prediction import Prediction, Predictor

__version__ = "0.1.0"

__all__ = ["RESEARCH_ONLY", "Bundle", "Prediction", "Predictor", "__version__"]

# The inference runtime's official builds report their use to their maker unless told not to, and look here when they
# are first imported. Nothing that lesionlab judges, and nothing about it, is sent anywhere.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

RESEARCH_ONLY = "For research and education only, not a diagnosis."

# Resolved on first use, so that `lesionlab --help` and `lesionlab.__version__` load no inference runtime.
_LAZY = {
    "Bundle": "lesionlab.bundle",
    "Prediction": "lesionlab.prediction",
    "Predictor": "lesionlab.prediction",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Explanations of one image by several methods."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lesionlab.attribution.stability import Stability
from lesionlab.results import Explanation, Prediction


@dataclass(frozen=True, eq=False)
class MethodMap:
    """The map of one method for one image.

    Attributes:
        method: Name of the method in file names and arrays.
        meaning: Meaning of a bright place.
        values: The map, float32 [h, w], positive where it supports the class.
        explanation: The map as it is displayed.
    """

    method: str
    meaning: str
    values: NDArray[np.float32]
    explanation: Explanation


@dataclass(frozen=True, eq=False)
class ExplainedImage:
    """A prediction with the maps of several methods.

    Attributes:
        image: The image as it was named.
        thumbnail: The image, reduced.
        prediction: The prediction.
        code: Code of the explained class.
        name: Name of the explained class.
        maps: One map per method; empty for an abstention.
        stability: Predictions for perturbed images; None for an abstention or if not requested.
    """

    image: str
    thumbnail: Image.Image
    prediction: Prediction
    code: str
    name: str
    maps: tuple[MethodMap, ...]
    stability: Stability | None

    @property
    def probability(self) -> float:
        """Calibrated probability of the explained class."""
        return self.prediction.probabilities[self.code]

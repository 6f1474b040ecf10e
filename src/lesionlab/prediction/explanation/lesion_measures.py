"""The lesion in numbers beside an answer: measured on the outline of the model's own graph, or of the package's."""

import threading

import numpy as np
from PIL import Image

from lesionlab.bundle import Bundle
from lesionlab.prediction.inference.preprocessing import PreparedImage
from lesionlab.results import LesionMeasures
from lesionlab.segmentation import Segmenter, measure_lesion


class LesionMeasurer:
    """Measures lesions. Safe to use from several threads.

    A graph that looks for the lesion hands its outline over with the answer. For any other, the segmentation model
    that ships with the package is asked; it is loaded when it is asked first.

    Attributes:
        in_graph: Whether the bundle's own graph finds the lesion.
    """

    def __init__(self, bundle: Bundle) -> None:
        """Measure for one bundle."""
        self._crop = bundle.info.crop
        self._segmenter: Segmenter | None = None
        self._loading = threading.Lock()
        self.in_graph = self._crop is not None

    def by_graph(self, image: PreparedImage, probability: np.ndarray | None) -> LesionMeasures | None:
        """Measure on what the graph found, [rows, columns]; None where it found no lesion, or looks for none."""
        if self._crop is None or probability is None:
            return None
        return _measured(image, probability, self._crop.threshold)

    def by_package(self, image: PreparedImage) -> LesionMeasures | None:
        """Measure on what the package's segmentation model finds; None where it finds no lesion.

        Raises:
            BundleError: That model is missing or damaged.
        """
        segmenter = self._loaded()
        return _measured(image, segmenter.of_squares(image.pixels[None])[0], segmenter.info.threshold)

    def _loaded(self) -> Segmenter:
        with self._loading:
            if self._segmenter is None:
                self._segmenter = Segmenter.load()
            return self._segmenter


def _measured(image: PreparedImage, probability: np.ndarray, threshold: float) -> LesionMeasures | None:
    # In the shape that the picture had before it was squashed.
    square = Image.fromarray(image.pixels)
    width, height = image.original_size or square.size
    scale = max(square.size) / max(width, height)
    picture = square.resize((max(1, round(width * scale)), max(1, round(height * scale))))
    return measure_lesion(probability, picture, threshold=threshold)

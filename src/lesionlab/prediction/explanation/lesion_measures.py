"""Measures of the lesion, from the segmentation of the model's own graph or of the package's model."""

import threading

import numpy as np
from PIL import Image

from lesionlab.bundle import Bundle
from lesionlab.prediction.inference.preprocessing import PreparedImage
from lesionlab.results import LesionMeasures
from lesionlab.segmentation import Segmenter, measure_lesion


class LesionMeasurer:
    """Measures lesions. Safe to use from several threads.

    A graph with a segmentation branch outputs the segmentation with the logits. For other graphs, the segmentation
    model of the package is loaded at the first call.

    Attributes:
        in_graph: Whether the bundle's own graph segments the lesion.
    """

    def __init__(self, bundle: Bundle) -> None:
        """Prepare for a bundle."""
        self._crop = bundle.info.crop
        self._segmenter: Segmenter | None = None
        self._loading = threading.Lock()
        self.in_graph = self._crop is not None

    def by_graph(self, image: PreparedImage, probability: np.ndarray | None) -> LesionMeasures | None:
        """Measure the graph's own segmentation, [rows, columns]; None without a lesion or a segmentation branch."""
        if self._crop is None or probability is None:
            return None
        return _measured(image, probability, self._crop.threshold)

    def by_package(self, image: PreparedImage) -> LesionMeasures | None:
        """Measure the segmentation of the package's model; None if it finds no lesion.

        Raises:
            BundleError: The segmentation model is missing or damaged.
        """
        segmenter = self._loaded()
        return _measured(image, segmenter.segment_squares(image.pixels[None])[0], segmenter.info.threshold)

    def _loaded(self) -> Segmenter:
        with self._loading:
            if self._segmenter is None:
                self._segmenter = Segmenter.load()
            return self._segmenter


def _measured(image: PreparedImage, probability: np.ndarray, threshold: float) -> LesionMeasures | None:
    # In the original aspect ratio.
    square = Image.fromarray(image.pixels)
    width, height = image.original_size or square.size
    scale = max(square.size) / max(width, height)
    picture = square.resize((max(1, round(width * scale)), max(1, round(height * scale))))
    return measure_lesion(probability, picture, threshold=threshold)

"""Explained predictions: class activation maps, nearest training images and measures of the lesion."""

import threading
from collections.abc import Sequence
from typing import TypedDict

import numpy as np
from PIL import Image

from lesionlab.bundle import Bundle, LinearHead, Reference
from lesionlab.bundle.features import pool_features
from lesionlab.errors import BundleError, UsageError
from lesionlab.prediction.explanation.class_activation import METHOD, class_activation_map, placed, scaled
from lesionlab.prediction.explanation.nearest_images import NearestImageIndex
from lesionlab.prediction.inference.preprocessing import PreparedImage
from lesionlab.prediction.inference.session import GraphOutput
from lesionlab.results import ExplainedPrediction, Explanation, LesionMeasures, Prediction
from lesionlab.results.explanation import Outline
from lesionlab.segmentation import Segmenter, lesion_outline, measure_lesion
from lesionlab.taxonomy import TASKS


class ExplanationBuilder:
    """Explains predictions of one bundle from the feature maps behind them."""

    def __init__(self, bundle: Bundle, reference: Reference) -> None:
        """Prepare for a bundle and reference statistics that fit its graph.

        Raises:
            BundleError: The bundle's index of training images does not fit its reference statistics.
        """
        self._bundle = bundle
        self._task = TASKS[bundle.info.task]
        self._head = reference.head
        self._index = NearestImageIndex.of(bundle)
        self._measurer = LesionMeasurer(bundle)

    def check(self, codes: Sequence[str | None]) -> LinearHead:
        """Return the classifier layer, after a check of the requested classes.

        Raises:
            UsageError: The model has no such class, or no class activation map.
        """
        if self._head is None:
            raise UsageError(f"{self._bundle.info.identity} has no class activation map: {self._why_no_map()}")
        for code in codes:
            if code is not None and code not in self._task.classes:
                raise UsageError(f"diagnosis {code!r} is none of {', '.join(self._task.classes)}")
        return self._head

    def build(
        self,
        images: Sequence[PreparedImage],
        predictions: Sequence[Prediction],
        outputs: GraphOutput,
        codes: Sequence[str | None],
    ) -> list[ExplainedPrediction]:
        """Return the predictions from these outputs with their explanations; an abstention has no map.

        The codes are those of the classes to explain; None: the most probable one.

        Raises:
            UsageError: What `check` raises.
        """
        head, explained = self.check(codes), []
        if outputs.feature_map is None:  # the reference statistics were checked against the graph
            raise BundleError(f"{self._bundle.path}: the graph has no feature map")
        features = pool_features(outputs.feature_map)
        for index, (prediction, code) in enumerate(zip(predictions, codes, strict=True)):
            explanation, crop = None, None if outputs.crop is None else outputs.crop[index]
            if not prediction.abstained:
                explanation = self._explanation(head, outputs.feature_map[index], crop, code or prediction.top[0].code)
            nearest = None if self._index is None else self._index.nearest(features[index])
            lesion = self._measurer.by_graph(images[index], None if outputs.lesion is None else outputs.lesion[index])
            parts = {"explanation": explanation, "nearest_images": nearest}
            explained.append(ExplainedPrediction(prediction=prediction, **parts, **lesion))
        return explained

    def measure_lesion(self, image: PreparedImage, explained: ExplainedPrediction) -> ExplainedPrediction:
        """Add measures and outline from the package's segmentation model, unless the graph itself segments the lesion.

        Raises:
            BundleError: The segmentation model is missing or damaged.
        """
        if self._measurer.in_graph:
            return explained
        return explained.model_copy(update=dict(self._measurer.by_package(image)))

    def _explanation(
        self, head: LinearHead, feature_map: np.ndarray, crop: np.ndarray | None, code: str
    ) -> Explanation:
        values = scaled(class_activation_map(head, feature_map, self._task.classes.index(code)))
        if crop is not None:
            values = placed(values, crop)
        return Explanation(code=code, name=self._task.name_of(code), method=METHOD, values=values)

    def _why_no_map(self) -> str:
        if self._bundle.reference is None:
            return "its bundle was exported without reference.npz; export its run again"
        return "its network has more than average pooling and one linear layer after the last feature map"


class LesionMeasurer:
    """Measures lesions. Safe to use from several threads.

    A graph with a segmentation branch (`in_graph`) outputs the segmentation with the logits. For other graphs, the
    segmentation model of the package is loaded at the first call.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._crop = bundle.info.crop
        self._segmenter: Segmenter | None = None
        self._loading = threading.Lock()
        self.in_graph = self._crop is not None

    def by_graph(self, image: PreparedImage, probability: np.ndarray | None) -> "_Lesion":
        """Measure the graph's own segmentation, [rows, columns]; None without a lesion or a segmentation branch."""
        if self._crop is None or probability is None:
            return {"lesion": None, "outline": None}
        return _measured(image, probability, self._crop.threshold)

    def by_package(self, image: PreparedImage) -> "_Lesion":
        """Measure the segmentation of the package's model; None if it finds no lesion.

        Raises:
            BundleError: The segmentation model is missing or damaged.
        """
        with self._loading:
            self._segmenter = segmenter = self._segmenter or Segmenter.load()
        return _measured(image, segmenter.segment_squares(image.pixels[None])[0], segmenter.info.threshold)


class _Lesion(TypedDict):
    """Fields of `ExplainedPrediction`."""

    lesion: LesionMeasures | None
    outline: Outline | None


def _measured(image: PreparedImage, probability: np.ndarray, threshold: float) -> _Lesion:
    # In the original aspect ratio.
    square = Image.fromarray(image.pixels)
    width, height = image.original_size or square.size
    scale = max(square.size) / max(width, height)
    picture = square.resize((max(1, round(width * scale)), max(1, round(height * scale))))
    return {
        "lesion": measure_lesion(probability, picture, threshold=threshold),
        "outline": lesion_outline(probability, threshold=threshold),
    }

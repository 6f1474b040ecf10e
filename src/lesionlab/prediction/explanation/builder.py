"""Explained predictions: class activation maps, nearest training images and measures of the lesion."""

from collections.abc import Sequence

from lesionlab.bundle import Bundle, LinearHead, Reference
from lesionlab.bundle.features import pool_features
from lesionlab.errors import BundleError, UsageError
from lesionlab.prediction.explanation.class_activation import METHOD, class_activation_map, placed, scaled
from lesionlab.prediction.explanation.lesion_measures import LesionMeasurer
from lesionlab.prediction.explanation.nearest_images import NearestImageIndex
from lesionlab.prediction.inference.preprocessing import PreparedImage
from lesionlab.prediction.inference.session import GraphOutput
from lesionlab.results import ExplainedPrediction, Explanation, Prediction
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
        """Return predictions with their explanations; an abstention has no map.

        Args:
            images: The images.
            predictions: Their predictions.
            outputs: The graph outputs behind them, with a feature map.
            codes: Code of the class to explain for each; None: the most probable one.

        Raises:
            UsageError: What `check` raises.
        """
        head, explained = self.check(codes), []
        if outputs.feature_map is None:  # the reference statistics were checked against the graph
            raise BundleError(f"{self._bundle.path}: the graph has no feature map")
        features = pool_features(outputs.feature_map)
        for index, (prediction, code) in enumerate(zip(predictions, codes, strict=True)):
            explanation = None
            if not prediction.abstained:
                explanation = self._explanation(head, outputs, index, code or prediction.top[0].code)
            nearest = None if self._index is None else self._index.nearest(features[index])
            lesion = self._measurer.by_graph(images[index], None if outputs.lesion is None else outputs.lesion[index])
            explained.append(
                ExplainedPrediction(
                    prediction=prediction, explanation=explanation, nearest_images=nearest, lesion=lesion
                )
            )
        return explained

    def measure_lesion(self, image: PreparedImage, explained: ExplainedPrediction) -> ExplainedPrediction:
        """Add measures from the package's segmentation model, unless the graph itself segments the lesion.

        Raises:
            BundleError: The segmentation model is missing or damaged.
        """
        if self._measurer.in_graph:
            return explained
        return explained.model_copy(update={"lesion": self._measurer.by_package(image)})

    def _explanation(self, head: LinearHead, outputs: GraphOutput, index: int, code: str) -> Explanation:
        if outputs.feature_map is None:
            raise BundleError(f"{self._bundle.path}: the graph has no feature map")
        values = scaled(class_activation_map(head, outputs.feature_map[index], self._task.classes.index(code)))
        if outputs.crop is not None:
            values = placed(values, outputs.crop[index])
        return Explanation(code=code, name=self._task.name_of(code), method=METHOD, values=values)

    def _why_no_map(self) -> str:
        if self._bundle.reference is None:
            return "its bundle was exported without reference.npz; export its run again"
        return "its network has more than average pooling and one linear layer after the last feature map"

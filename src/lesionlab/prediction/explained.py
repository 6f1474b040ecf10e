"""An answer with its reasons: where in the picture it comes from, and which training cases are like it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lesionlab.bundle import Bundle, LinearHead, Reference
from lesionlab.errors import BundleError, UsageError
from lesionlab.prediction.explanation import METHOD, Explanation, class_activation_map, placed, scaled
from lesionlab.prediction.lesion import LesionMeter
from lesionlab.prediction.prepared import PreparedImage
from lesionlab.prediction.refusal import pooled
from lesionlab.prediction.result import Prediction
from lesionlab.prediction.session import GraphOutput
from lesionlab.prediction.similar import SimilarCase, TrainingCases
from lesionlab.segmentation import LesionMeasures
from lesionlab.taxonomy import TASKS


@dataclass(frozen=True, eq=False)
class ExplainedPrediction:
    """An answer and what a reader may hold it against, from one run of the graph.

    Attributes:
        prediction: The answer.
        explanation: How much each place of the picture speaks for a class.
        similar: The training cases most like the picture, the most similar first; None for a bundle without them.
        lesion: Shape, colours and size of the lesion; None where none was found, or the graph does not look for it and
            nobody else was asked (`Explainer.with_lesion`).
    """

    prediction: Prediction
    explanation: Explanation
    similar: tuple[SimilarCase, ...] | None
    lesion: LesionMeasures | None = None


class Explainer:
    """Gives reasons for answers of one bundle, from the feature maps that they were made of."""

    def __init__(self, bundle: Bundle, reference: Reference) -> None:
        """Explain by a reference that fits the bundle's graph.

        Raises:
            BundleError: The bundle's cases do not fit its reference.
        """
        self._bundle = bundle
        self._task = TASKS[bundle.info.task]
        self._head = reference.head
        self._cases = TrainingCases.of(bundle)
        self._meter = LesionMeter(bundle)

    def check(self, diagnoses: Sequence[str | None]) -> LinearHead:
        """Return the layer that explains answers for these classes, before anything is computed.

        Raises:
            UsageError: The model has no such class, or no class activation map.
        """
        if self._head is None:
            raise UsageError(f"{self._bundle.info.identity} cannot explain its answers: {self._why_no_map()}")
        for code in diagnoses:
            if code is not None and code not in self._task.classes:
                raise UsageError(f"diagnosis {code!r} is none of {', '.join(self._task.classes)}")
        return self._head

    def explained(
        self,
        images: Sequence[PreparedImage],
        predictions: Sequence[Prediction],
        seen: GraphOutput,
        diagnoses: Sequence[str | None],
    ) -> list[ExplainedPrediction]:
        """Return answers with their reasons.

        Args:
            images: The images.
            predictions: The answers to them.
            seen: What they were made of, with a feature map.
            diagnoses: Code of the class to explain for each; None: the answer.

        Raises:
            UsageError: What `check` raises.
        """
        head, found = self.check(diagnoses), []
        if seen.feature_map is None:  # the reference was checked against the graph
            raise BundleError(f"{self._bundle.path}: the graph gives no feature map")
        features = pooled(seen.feature_map)
        for index, (prediction, code) in enumerate(zip(predictions, diagnoses, strict=True)):
            chosen = code or prediction.top[0].diagnosis
            values = scaled(class_activation_map(head, seen.feature_map[index], self._task.classes.index(chosen)))
            if seen.crop is not None:
                values = placed(values, seen.crop[index])
            explanation = Explanation(chosen, self._task.name_of(chosen), METHOD, values)
            similar = None if self._cases is None else self._cases.nearest(features[index])
            lesion = self._meter.by_graph(images[index], None if seen.lesion is None else seen.lesion[index])
            found.append(ExplainedPrediction(prediction, explanation, similar, lesion))
        return found

    def with_lesion(self, image: PreparedImage, explained: ExplainedPrediction) -> ExplainedPrediction:
        """Measure the lesion with the package's segmentation model, unless the graph itself has looked for it.

        Raises:
            BundleError: The segmentation model is missing or damaged.
        """
        return explained if self._meter.in_graph else replace(explained, lesion=self._meter.by_package(image))

    def _why_no_map(self) -> str:
        if self._bundle.reference is None:
            return "its bundle was exported without reference.npz; export its run again"
        return "its network does more with the last feature map than pool it and weigh the channels"

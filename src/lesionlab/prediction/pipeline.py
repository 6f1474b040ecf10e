"""The inference pipeline of a bundle: prepared images to predictions and explanations. A server drives it directly."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from lesionlab.bundle import Bundle, BundleInfo, DriftMeasures, Patient
from lesionlab.images import ImageSource
from lesionlab.images.quality import brightness_and_contrast, sharpness
from lesionlab.prediction.decision.abstention import checked_reference
from lesionlab.prediction.decision.prediction_builder import Evidence, PredictionBuilder
from lesionlab.prediction.decision.risk import RiskRule, RiskScale
from lesionlab.prediction.decision.setting import Setting
from lesionlab.prediction.explanation.builder import ExplanationBuilder
from lesionlab.prediction.inference.batching import predict_in_batches
from lesionlab.prediction.inference.device import Device
from lesionlab.prediction.inference.preprocessing import PreparedImage, prepare_image
from lesionlab.prediction.inference.session import IMAGES_PER_RUN, GraphOutput
from lesionlab.prediction.inference.session_pool import SessionPool
from lesionlab.prediction.inference.tta import Session, TestTimeAugmentation
from lesionlab.results import ExplainedPrediction, Failure, Prediction
from lesionlab.taxonomy import TASKS

Result = TypeVar("Result")


@dataclass(frozen=True)
class Options:
    """Options of inference; see `lesionlab.Predictor.load`."""

    threads: int | None = None
    tta: TestTimeAugmentation = "none"
    prevalence: Mapping[str, float] | None = None
    risk: RiskRule | None = None
    device: Device = "cpu"


class Pipeline:
    """Runs the graph of a bundle. Safe to use from several threads.

    Attributes:
        threads: Number of threads for inference.
        builder: Makes predictions from the outputs of the graph.
    """

    def __init__(self, bundle: Bundle, options: Options) -> None:
        """Open the graph.

        Raises:
            BundleError: The graph does not match its description.
            UsageError: The prevalence does not fit the model, it has no threshold for the risk rule, or the device is
                not available.
        """
        self.bundle = bundle
        self._options = options
        self._setting = Setting.of(bundle.info, options.prevalence, options.risk)
        self._sessions = SessionPool(bundle, options.threads, options.tta, options.device)
        self.threads = self._sessions.threads
        self._reference = checked_reference(bundle, self._sessions.shared.channels)
        self.builder = PredictionBuilder(self._reference, self._setting)
        self._explainer = ExplanationBuilder(bundle, self._reference)

    @property
    def info(self) -> BundleInfo:
        """Description of the model; predictive values are those at the stated prevalence."""
        return self._setting.info

    @property
    def risk(self) -> RiskScale:
        """The risk rule applied to the model."""
        return self._setting.risk

    def setting(self, prevalence: Mapping[str, float] | None, risk: RiskRule | None) -> Setting:
        """Return the setting of an image with a prevalence or risk rule of its own; None: that of the predictor.

        Raises:
            UsageError: The prevalence does not fit the model, or it has no threshold for the risk rule.
        """
        if not prevalence and risk is None:
            return self._setting
        return Setting.of(self.bundle.info, prevalence or self._options.prevalence, risk or self._options.risk)

    def prepare(self, image: ImageSource, name: str | None = None, patient: Patient | None = None) -> PreparedImage:
        """Decode and scale one image; its default name in the result is its path, or `image 0`.

        Raises:
            ImageError: The image cannot be read; the message begins with its name.
        """
        prepared = prepare_image(image, self.info.preprocessing, name)
        return replace(prepared, patient=patient) if patient is not None else prepared

    def predict(self, images: Sequence[PreparedImage], *, concurrent: bool = False) -> list[Prediction]:
        """Predict prepared images in one run of the graph, in their order.

        With `concurrent`, other runs go on at the same time; the run then uses one thread instead of all.
        """
        if not images:
            return []
        return self._predicted(images, self._sessions.session(concurrent=concurrent))

    def evidence(self, images: Sequence[PreparedImage], *, concurrent: bool = False) -> list[Evidence]:
        """Return the evidence of prepared images, in their order; see `predict`."""
        session = self._sessions.session(concurrent=concurrent)
        runs = (images[first : first + IMAGES_PER_RUN] for first in range(0, len(images), IMAGES_PER_RUN))
        return [one for run in runs for one in self.builder.evidence(run, self._outputs(run, session))]

    def explain(
        self, images: Sequence[PreparedImage], codes: Sequence[str | None], *, concurrent: bool = False
    ) -> list[ExplainedPrediction]:
        """Predict and explain prepared images in one run of the graph, in their order; see `predict`.

        The codes are those of the classes to explain, one for each image; None: the most probable one.

        Raises:
            UsageError: The model has no such class, or no class activation map.
        """
        self._explainer.check(codes)
        if not images:
            return []
        return self._explained(images, codes, self._sessions.session(concurrent=concurrent))

    def measure_lesion(self, image: PreparedImage, explained: ExplainedPrediction) -> ExplainedPrediction:
        """Add the measures of the lesion, where the graph itself does not segment it.

        The segmentation model of the package is loaded at the first call.

        Raises:
            BundleError: The segmentation model is missing or damaged.
        """
        return self._explainer.measure_lesion(image, explained)

    def predict_many(
        self,
        images: Iterable[ImageSource | Failure],
        batch_size: int,
        patient_of: Callable[[str], Patient] | None = None,
    ) -> Iterator[Prediction | Failure]:
        """Predict images in batches, in their order; see `Predictor.predict_many`.

        A failure among the images, of one that could not be read before, is yielded in its place.
        """
        return self._in_batches(images, batch_size, self._predicted, patient_of)

    def explain_many(
        self, images: Iterable[ImageSource], batch_size: int, patient_of: Callable[[str], Patient] | None = None
    ) -> Iterator[ExplainedPrediction | Failure]:
        """Predict and explain images in batches, in their order; see `Predictor.explain_many`."""
        self._explainer.check(())

        def explain(batch: list[PreparedImage], session: Session) -> list[ExplainedPrediction]:
            explained = self._explained(batch, [None] * len(batch), session)
            return list(map(self.measure_lesion, batch, explained))

        return self._in_batches(images, batch_size, explain, patient_of)

    def measure_many(
        self, images: Iterable[ImageSource], batch_size: int
    ) -> Iterator[tuple[Prediction, DriftMeasures] | Failure]:
        """Predict images in batches, in their order, with the measures that drift detection compares."""
        targets = TASKS[self.info.task].targets[self.info.target]

        def measures(image: PreparedImage, prediction: Prediction) -> DriftMeasures:
            scores = self.info.decision_rule.scores(np.array(list(prediction.probabilities.values())))
            probability = min(1.0, sum(prediction.probabilities[code] for code in targets))
            return DriftMeasures(
                *brightness_and_contrast(image.pixels),
                sharpness=sharpness(image.pixels),
                ood_score=prediction.ood_score or 0.0,
                target_probability=probability,
                confidence=float(scores.max()),
            )

        def measure(batch: list[PreparedImage], session: Session) -> list[tuple[Prediction, DriftMeasures]]:
            predictions = self._predicted(batch, session)
            return list(zip(predictions, map(measures, batch, predictions), strict=True))

        return self._in_batches(images, batch_size, measure)

    def predict_with_logits(
        self, images: Iterable[ImageSource], batch_size: int
    ) -> Iterator[tuple[Prediction, np.ndarray] | Failure]:
        """Predict images in batches, in their order, with their logits, float32 [C] each."""

        def predict(batch: list[PreparedImage], session: Session) -> list[tuple[Prediction, np.ndarray]]:
            outputs = self._outputs(batch, session)
            return list(zip(self.builder.build(batch, outputs), outputs.logits, strict=True))

        return self._in_batches(images, batch_size, predict)

    def logits_many(self, images: Iterable[ImageSource], batch_size: int) -> Iterator[np.ndarray | Failure]:
        """Yield the logits of images, float32 [C] each, in their order."""
        return self._in_batches(images, batch_size, lambda batch, session: list(session.logits(_stacked(batch))))

    def _predicted(self, images: Sequence[PreparedImage], session: Session) -> list[Prediction]:
        return self.builder.build(images, self._outputs(images, session))

    def _explained(
        self, images: Sequence[PreparedImage], codes: Sequence[str | None], session: Session
    ) -> list[ExplainedPrediction]:
        outputs = session.outputs(_stacked(images))
        return self._explainer.build(images, self.builder.build(images, outputs), outputs, codes)

    def _outputs(self, images: Sequence[PreparedImage], session: Session) -> GraphOutput:
        info = self.bundle.info
        if self._reference.features is None and info.crop is None and info.dermoscopy is None:
            return GraphOutput(session.logits(_stacked(images)))
        return session.outputs(_stacked(images))

    def _in_batches(
        self,
        images: Iterable[ImageSource | Failure],
        batch_size: int,
        function: Callable[[list[PreparedImage], Session], list[Result]],
        patient_of: Callable[[str], Patient] | None = None,
    ) -> Iterator[Result | Failure]:
        session, workers = self._sessions.for_images(images), self.threads
        return predict_in_batches(
            images, self.info.preprocessing, lambda batch: function(batch, session), batch_size, workers, patient_of
        )


def _stacked(images: Sequence[PreparedImage]) -> np.ndarray:
    return np.stack([image.pixels for image in images])

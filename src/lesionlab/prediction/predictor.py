"""The predictor: a bundle loaded once, asked as often as wanted."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from lesionlab.bundle import Bundle, BundleInfo, Patient
from lesionlab.images import ImageSource
from lesionlab.prediction.answering import Answering
from lesionlab.prediction.explained import ExplainedPrediction, Explainer
from lesionlab.prediction.explanation import Explanation
from lesionlab.prediction.graphs import Graphs
from lesionlab.prediction.many import judged_in_batches
from lesionlab.prediction.prepared import PreparedImage, or_raise, prepare_image
from lesionlab.prediction.prevalence import at_prevalence, prior_shift
from lesionlab.prediction.reference import checked_reference
from lesionlab.prediction.refusal import (
    measure_picture,
    sharpness,
)
from lesionlab.prediction.result import (
    Failure,
    Prediction,
)
from lesionlab.prediction.risk import RiskRule, RiskScale, with_point
from lesionlab.prediction.session import IMAGES_PER_RUN, GraphOutput
from lesionlab.prediction.views import Session, Views
from lesionlab.taxonomy import TASKS

Answer = TypeVar("Answer")

_RANKED = 3


class Predictor:
    """Judges images. Safe to use from several threads.

    Example:
        >>> predictor = Predictor.load()
        >>> predictor.predict("lesion.jpg").malignant  # doctest: +SKIP
        0.12
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        threads: int | None = None,
        views: Views = "one",
        prevalence: Mapping[str, float] | None = None,
        risk: RiskRule | None = None,
    ) -> None:
        """Open the graph of a bundle; see `load`."""
        self.bundle = bundle
        self._task = TASKS[bundle.info.task]
        self._risk = RiskScale.of(bundle.info, risk)
        info = with_point(bundle.info, self._risk.point)
        self._shift = prior_shift(info, prevalence) if prevalence else None
        self._info = at_prevalence(info, self._shift) if self._shift else info
        self._graphs = Graphs(bundle, threads, views)
        self._reference = checked_reference(bundle, self._graphs.shared.channels)
        self._answering = Answering(bundle, self._info, self._reference, self._risk, self._shift)
        self._explainer = Explainer(bundle, self._reference)

    @classmethod
    def load(
        cls,
        bundle: Path | str | Bundle | None = None,
        *,
        threads: int | None = None,
        views: Views = "one",
        prevalence: Mapping[str, float] | None = None,
        risk: RiskRule | None = None,
    ) -> "Predictor":
        """Load a model.

        Args:
            bundle: A bundle, or where to read it from; None: the model that ships with the package.
            threads: Threads for inference; default: one per core that the process may use.
            views: `flips` averages over an image and its three mirror images, at four times the computation.
            prevalence: How frequent classes are where the images come from, by code, or of `malignant`; default: as
                in the training data. See `lesionlab.prediction.prevalence`.
            risk: What the risk level goes by; default: the threshold for 95 % sensitivity. See
                `lesionlab.prediction.risk`.

        Raises:
            BundleError: The bundle is missing or damaged, or its graph is not what its description says.
            UsageError: The prevalence makes no sense for this model, or it has no threshold for the risk level.
        """
        opened = bundle if isinstance(bundle, Bundle) else Bundle.load(bundle)
        return cls(opened, threads=threads, views=views, prevalence=prevalence, risk=risk)

    @property
    def info(self) -> BundleInfo:
        """The description of the model; its thresholds' predictive values are those at the prevalence given."""
        return self._info

    @property
    def risk_meaning(self) -> str:
        """What the risk level goes by, in words."""
        return self._risk.meaning

    @property
    def explains(self) -> bool:
        """Whether `explain` works: the network's head is linear and the bundle carries its weights."""
        return self.bundle.explains

    @property
    def refuses(self) -> bool:
        """Whether the bundle knows what images it can judge, so that others get a `refusal`."""
        return self.bundle.refuses

    def predict(self, image: ImageSource, patient: Patient | None = None) -> Prediction:
        """Judge one image.

        Args:
            image: A path, `archive.zip::member`, the bytes of an image file, a Pillow image, or an array uint8
                [height, width, 3] in RGB order.
            patient: What is known of the patient; models that judge the picture alone say so in a note.

        Raises:
            ImageError: The image cannot be judged; the message begins with its name.
        """
        return self.judge([self.prepare(image, patient=patient)])[0]

    def explain(self, image: ImageSource, diagnosis: str | None = None) -> Explanation:
        """Say where in the picture an answer comes from.

        Args:
            image: What `predict` takes.
            diagnosis: Code of the class to explain; default: the model's answer.

        Raises:
            ImageError: The image cannot be judged; the message begins with its name.
            UsageError: The model has no such class, or no class activation map.
        """
        return self.judge_explained([self.prepare(image)], [diagnosis])[0].explanation

    def classify(self, pixels: np.ndarray) -> tuple[str, float]:
        """Return the name of the class that the model answers and its probability.

        Args:
            pixels: An image, uint8 [height, width, 3] in RGB order; small ones such as [28, 28, 3] will do.

        Raises:
            ImageError: The array is not an image.

        Example:
            >>> predictor.classify(np.zeros((28, 28, 3), np.uint8))  # doctest: +SKIP
            ('Melanocytic nevus', 0.83)
        """
        best = self.predict(pixels).top[0]
        return best.name, best.probability

    def predict_many(
        self,
        images: Iterable[ImageSource],
        *,
        batch_size: int = IMAGES_PER_RUN,
        patient_of: Callable[[str], Patient] | None = None,
    ) -> Iterator[Prediction | Failure]:
        """Judge images in batches, in their order; a bad one does not stop the rest.

        Each thread takes a batch from its files to the answers, never more than one batch ahead, so that memory stays
        the same however many there are. An image gets the same probabilities (to 1e-6) alone and in a batch.

        Args:
            images: What `predict` takes. An image without a name is called `image 0`, `image 1` and so on, by
                its place.
            batch_size: Images per run of the graph.
            patient_of: Returns what is known of the patient of an image, for the image's name; called from threads.
        """
        session = self._graphs.suited_to(images)

        def judged(batch: list[PreparedImage]) -> list[Prediction]:
            return self._answering.answers(batch, self._seen(batch, session))

        return self._in_batches(images, batch_size, patient_of, judged)

    def explain_many(
        self,
        images: Iterable[ImageSource],
        *,
        batch_size: int = IMAGES_PER_RUN,
        patient_of: Callable[[str], Patient] | None = None,
    ) -> Iterator[ExplainedPrediction | Failure]:
        """Judge images as `predict_many` does, give the reasons for the answer to each, and measure the lesion.

        Args:
            images: What `predict_many` takes.
            batch_size: Images per run of the graph.
            patient_of: What `predict_many` takes.

        Raises:
            UsageError: The model has no class activation map.
            BundleError: The segmentation model, which measures the lesion, is missing or damaged.
        """
        session = self._graphs.suited_to(images)

        def explained(batch: list[PreparedImage]) -> list[ExplainedPrediction]:
            reasoned = self._explained(batch, [None] * len(batch), session)
            return [self.with_lesion(*pair) for pair in zip(batch, reasoned, strict=True)]

        return self._in_batches(images, batch_size, patient_of, explained)

    def measured_many(
        self, images: Iterable[ImageSource], *, batch_size: int = IMAGES_PER_RUN
    ) -> Iterator[tuple[Prediction | Failure, tuple[float, ...]]]:
        """Judge images as `predict_many` does, and measure what each is like.

        Args:
            images: What `predict_many` takes.
            batch_size: Images per run of the graph.

        Yields:
            The answer, and the numbers that `lesionlab.bundle.Usual` keeps of validation images, in its order; none for
            an image that cannot be judged.
        """
        session = self._graphs.suited_to(images)

        def measured(batch: list[PreparedImage]) -> list[tuple[Prediction, tuple[float, ...]]]:
            seen = self._seen(batch, session)
            away = self._answering.distances(seen)
            rows: list[tuple[Prediction, tuple[float, ...]]] = []
            for image, answer, distance in zip(batch, self._answering.answers(batch, seen), away, strict=True):
                probabilities = np.array(list(answer.probabilities.values()))
                certainty = self.info.decision.scores(probabilities).max()
                looks = (*measure_picture(image.pixels), sharpness(image.pixels), distance or 0.0)
                rows.append((answer, (*looks, answer.suspicion[self.info.looked_for], float(certainty))))
            return rows

        for item in self._in_batches(images, batch_size, None, measured):
            yield (item, ()) if isinstance(item, Failure) else item

    def predict_logits(
        self,
        images: Sequence[ImageSource],
        *,
        batch_size: int = IMAGES_PER_RUN,
        progress: Callable[[int, int], None] | None = None,
    ) -> np.ndarray:
        """Return the uncalibrated outputs of the network, float32 [N, C] for C classes.

        Args:
            images: What `predict` takes.
            batch_size: Images per run of the graph.
            progress: Called after each batch with the number of images done and of all.

        Raises:
            ImageError: An image cannot be judged; the message begins with its name.
        """
        session = self._graphs.suited_to(images)

        def logits_of(batch: list[PreparedImage]) -> list[np.ndarray]:
            return list(session.logits(_stacked(batch)))

        logits = np.empty((len(images), len(self._task.classes)), dtype=np.float32)
        rows = self._in_batches(images, batch_size, None, logits_of)
        for done, row in enumerate(rows, start=1):
            logits[done - 1] = or_raise(row)
            if progress is not None and (done % batch_size == 0 or done == len(images)):
                progress(done, len(images))
        return logits

    def prepare(self, image: ImageSource, name: str | None = None, patient: Patient | None = None) -> PreparedImage:
        """Decode and scale one image: the half of `predict` that needs no graph.

        A server does this for many images at once, and judges together what is ready at a time.

        Args:
            image: What `predict` takes.
            name: What to call it in the answer; default: its path, or `image 0`.
            patient: What is known of the patient.

        Raises:
            ImageError: The image cannot be judged; the message begins with its name.
        """
        prepared = prepare_image(image, self.info.preprocessing, name)
        return replace(prepared, patient=patient) if patient is not None else prepared

    @property
    def threads(self) -> int:
        """Threads to compute with: so many runs side by side keep all cores busy."""
        return self._graphs.threads

    def judge(self, images: Sequence[PreparedImage], *, others: bool = False) -> list[Prediction]:
        """Judge prepared images in one run of the graph, in their order.

        Args:
            images: The images.
            others: Whether other runs go on meanwhile: then it takes one thread, and otherwise all.
        """
        if not images:
            return []
        return self._answering.answers(images, self._seen(images, self._graphs.beside(others=others)))

    def judge_explained(
        self, images: Sequence[PreparedImage], diagnoses: Sequence[str | None], *, others: bool = False
    ) -> list[ExplainedPrediction]:
        """Judge prepared images and give the reasons for an answer to each, in one run of the graph.

        Args:
            images: The images.
            diagnoses: Code of the class to explain for each; None: the model's answer.
            others: What `judge` takes.

        Raises:
            UsageError: The model has no such class, or no class activation map.
        """
        self._explainer.check(diagnoses)
        if not images:
            return []
        return self._explained(images, diagnoses, self._graphs.beside(others=others))

    def _explained(
        self, images: Sequence[PreparedImage], diagnoses: Sequence[str | None], session: Session
    ) -> list[ExplainedPrediction]:
        self._explainer.check(diagnoses)
        seen = session.outputs(_stacked(images))
        return self._explainer.explained(images, self._answering.answers(images, seen), seen, diagnoses)

    def with_lesion(self, image: PreparedImage, explained: ExplainedPrediction) -> ExplainedPrediction:
        """Measure the lesion beside an answer, where the graph that gave it does not look for the lesion itself.

        This is another network, the segmentation model of the package, loaded when it is first asked: whoever wants
        the answer alone does not wait for it. Where the graph has looked, what it found stays.

        Raises:
            BundleError: The segmentation model is missing or damaged.
        """
        return self._explainer.with_lesion(image, explained)

    def _seen(self, images: Sequence[PreparedImage], session: Session) -> GraphOutput:
        if self._reference.features is None and self.bundle.info.crop is None:
            return GraphOutput(session.logits(_stacked(images)))
        return session.outputs(_stacked(images))

    def _in_batches(
        self,
        images: Iterable[ImageSource],
        batch_size: int,
        patient_of: Callable[[str], Patient] | None,
        judge: Callable[[list[PreparedImage]], list[Answer]],
    ) -> Iterator[Answer | Failure]:
        return judged_in_batches(
            images,
            self.info.preprocessing,
            judge,
            batch_size=batch_size,
            workers=self._graphs.threads,
            patient_of=patient_of,
        )


def _stacked(images: Sequence[PreparedImage]) -> np.ndarray:
    return np.stack([image.pixels for image in images])

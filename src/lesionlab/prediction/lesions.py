"""Predictions for lesions, each from one or several images, dermoscopic, clinical or both."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from operator import length_hint

import numpy as np

from lesionlab.bundle import BundleInfo, ClinicalFusion, ImageType, Patient, Reference
from lesionlab.bundle.fusion import fused_probabilities, lesion_evidence
from lesionlab.errors import ImageError, UsageError
from lesionlab.images import ImageSource
from lesionlab.metrics.arrays import FloatArray
from lesionlab.prediction.decision.prediction_builder import Evidence, PredictionBuilder
from lesionlab.prediction.decision.setting import Setting
from lesionlab.prediction.inference.batching import prefetched
from lesionlab.prediction.inference.preprocessing import PreparedImage, name_of
from lesionlab.prediction.pipeline import Options, Pipeline
from lesionlab.results import AbstainReason, Failure, LesionImage, Prediction

# From this number of lesions each thread takes one, instead of all threads sharing a run of the graph.
_MANY = 16


@dataclass(frozen=True)
class Lesion:
    """The images of one lesion.

    Attributes:
        name: Its name in the result, such as its lesion id.
        dermoscopic: Dermoscopic images.
        clinical: Clinical photographs, without a dermatoscope.
        patient: Patient data.
    """

    name: str
    dermoscopic: tuple[ImageSource, ...] = ()
    clinical: tuple[ImageSource, ...] = ()
    patient: Patient = field(default_factory=Patient)

    @property
    def images(self) -> dict[ImageType, tuple[ImageSource, ...]]:
        """The images by type; types without images are absent."""
        found: dict[ImageType, tuple[ImageSource, ...]] = {"dermoscopic": self.dermoscopic, "clinical": self.clinical}
        return {kind: images for kind, images in found.items() if images}


@dataclass(frozen=True)
class PreparedLesion:
    """A lesion with prepared images, by type."""

    name: str
    images: Mapping[ImageType, tuple[PreparedImage, ...]]
    patient: Patient


class LesionPipeline:
    """Predicts lesions with the one or two graphs of a bundle. Safe to use from several threads.

    Images on which the model abstains are not used, unless it abstains on all images of a lesion.

    Attributes:
        pipelines: The pipeline for each type of images that the model takes.
    """

    def __init__(self, pipeline: Pipeline, options: Options) -> None:
        """Open the clinical network of the bundle, if it has one.

        Args:
            pipeline: The pipeline of the bundle.
            options: Its options.

        Raises:
            BundleError: The graph of the clinical network does not match its description.
            UsageError: A fitted part of the bundle has no threshold for the risk rule.
        """
        bundle, info = pipeline.bundle, pipeline.bundle.info
        self._identity, self._threads = info.identity, pipeline.threads
        self.pipelines: dict[ImageType, Pipeline] = {info.image_type: pipeline}
        self._both: tuple[ClinicalFusion, PredictionBuilder] | None = None
        combined = None if info.fusion is None else info.fusion.clinical
        if combined is not None and bundle.clinical is not None:
            self.pipelines["clinical"] = Pipeline(bundle.clinical, options)
            both = Setting.of(info.fitted_for(combined.fitted), options.prevalence, options.risk)
            self._both = combined, PredictionBuilder(Reference(), both)

    def check(self, lesion: Lesion) -> None:
        """Check that a lesion has images, and only of types that the model takes.

        Raises:
            UsageError: It has none, or others.
        """
        if not lesion.images:
            raise UsageError(f"{lesion.name}: the lesion has no image")
        if other := next((kind for kind in lesion.images if kind not in self.pipelines), None):
            raise UsageError(
                f"{lesion.name}: the model {self._identity} takes {' and '.join(self.pipelines)} images, and the "
                f"lesion has {other} ones; combine it with a model for them by `lesionlab fuse`"
            )

    def prepare(self, lesion: Lesion) -> PreparedLesion:
        """Decode and scale the images of a lesion.

        Raises:
            UsageError: See `check`.
            ImageError: An image cannot be read; the message begins with its name.
        """
        self.check(lesion)
        prepared: dict[ImageType, tuple[PreparedImage, ...]] = {}
        position = 0
        for kind, images in lesion.images.items():
            named = [(image, name_of(image, position + index)) for index, image in enumerate(images)]
            prepared[kind] = tuple(self.pipelines[kind].prepare(image, name) for image, name in named)
            position += len(images)
        return PreparedLesion(lesion.name, prepared, lesion.patient)

    def predict(self, lesion: PreparedLesion, *, concurrent: bool = False) -> Prediction:
        """Predict a prepared lesion; see `lesionlab.prediction.pipeline.Pipeline.predict`."""
        found = {
            kind: self.pipelines[kind].evidence(images, concurrent=concurrent) for kind, images in lesion.images.items()
        }
        usable = {kind: kept for kind, every in found.items() if (kept := [one for one in every if not one.reasons])}
        reasons = (
            () if usable else _distinct(reason for every in found.values() for one in every for reason in one.reasons)
        )
        builder, probabilities = self._fused(usable or found)
        images = tuple(self._described(kind, one) for kind, every in found.items() for one in every)
        unused = sum(not image.used for image in images) if usable else 0
        notes = (f"{unused} of {len(images)} images not used: the model abstains on them",) if unused else ()
        evidence = Evidence(lesion.name, probabilities, reasons, notes, lesion.patient, images=images)
        return builder.prediction(evidence).model_copy(update={"model": self._identity})

    def predict_many(self, lesions: Iterable[Lesion]) -> Iterator[Prediction | Failure]:
        """Predict lesions in their order; see `lesionlab.Predictor.predict_lesions`."""
        concurrent = length_hint(lesions, _MANY) >= _MANY

        def predicted(lesion: Lesion, _index: int) -> Prediction | Failure:
            try:
                return self.predict(self.prepare(lesion), concurrent=concurrent)
            except ImageError as error:
                return Failure(image=lesion.name, error=str(error))

        threads = self._threads if concurrent else 1
        with closing(prefetched(predicted, lesions, ahead=threads, threads=threads)) as finished:
            yield from finished

    def _fused(self, found: Mapping[ImageType, list[Evidence]]) -> tuple[PredictionBuilder, FloatArray]:
        """Return the probabilities of a lesion, [C], and what makes the prediction from them."""
        rows = {kind: np.stack([one.probabilities for one in every]) for kind, every in found.items()}
        priors = {kind: _priors(self.pipelines[kind].info) for kind in rows}
        if self._both is None or len(rows) == 1:
            ((kind, probabilities),) = rows.items()
            return self.pipelines[kind].builder, fused_probabilities(probabilities, *priors[kind])
        combined, builder = self._both
        evidence_of = {kind: lesion_evidence(every, *priors[kind]) for kind, every in rows.items()}
        return builder, combined.probabilities(evidence_of, priors["dermoscopic"][0])

    def _described(self, kind: ImageType, one: Evidence) -> LesionImage:
        return LesionImage(
            image=one.name,
            image_type=kind,
            used=not one.reasons,
            abstain_reasons=one.reasons,
            p_malignant=self.pipelines[kind].builder.p_malignant(one.probabilities),
            ood_score=one.ood_score,
            notes=one.notes,
        )


def _priors(info: BundleInfo) -> tuple[FloatArray, float]:
    """Return the class frequencies of a model's probabilities, equal ones if unknown, and its correlation of images."""
    frequencies = info.class_frequencies or (1 / len(info.classes),) * len(info.classes)
    return np.array(frequencies), 1.0 if info.fusion is None else info.fusion.correlation


def _distinct(reasons: Iterable[AbstainReason]) -> tuple[AbstainReason, ...]:
    """Return the reasons of several images, the first of each kind."""
    found: dict[str, AbstainReason] = {}
    for reason in reasons:
        found.setdefault(reason.code, reason)
    return tuple(found.values())

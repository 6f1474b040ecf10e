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
from lesionlab.prediction.decision.risk import RiskRule
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
class LesionSettings:
    """Prevalence and risk rule of a lesion, for every model that may predict it.

    Attributes:
        by_type: For the model of each type of images.
        both: For both types together; None if the bundle does not combine them.
    """

    by_type: Mapping[ImageType, Setting]
    both: Setting | None


@dataclass(frozen=True)
class PreparedLesion:
    """A lesion with prepared images, by type; without settings, those of the predictor."""

    name: str
    images: Mapping[ImageType, tuple[PreparedImage, ...]]
    patient: Patient
    settings: LesionSettings | None = None


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
        self._identity, self._threads, self._options = info.identity, pipeline.threads, options
        self.pipelines: dict[ImageType, Pipeline] = {info.image_type: pipeline}
        self._both: tuple[ClinicalFusion, PredictionBuilder] | None = None
        combined = None if info.fusion is None else info.fusion.clinical
        if combined is not None and bundle.clinical is not None:
            self.pipelines["clinical"] = Pipeline(bundle.clinical, options)
            self._info_of_both = info.fitted_for(combined.fitted)
            self._both = combined, PredictionBuilder(Reference(), self._setting_of_both(None, None))

    def settings(self, prevalence: Mapping[str, float] | None, risk: RiskRule | None) -> LesionSettings:
        """Return the settings of a lesion with a prevalence or risk rule of its own; None: that of the predictor.

        Raises:
            UsageError: The prevalence does not fit the models, or one of them has no threshold for the risk rule.
        """
        by_type = {kind: pipeline.setting(prevalence, risk) for kind, pipeline in self.pipelines.items()}
        return LesionSettings(by_type, self._setting_of_both(prevalence, risk) if self._both else None)

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
        setting = self._setting_of(lesion.settings, usable or found)
        images = tuple(self._described(kind, one, lesion.settings) for kind, every in found.items() for one in every)
        unused = sum(not image.used for image in images) if usable else 0
        notes = (f"{unused} of {len(images)} images not used: the model abstains on them",) if unused else ()
        evidence = Evidence(lesion.name, probabilities, reasons, notes, lesion.patient, setting, images=images)
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

    def _setting_of(self, settings: LesionSettings | None, found: Mapping[ImageType, object]) -> Setting | None:
        if settings is None:
            return None
        return settings.both if len(found) > 1 else settings.by_type[next(iter(found))]

    def _setting_of_both(self, prevalence: Mapping[str, float] | None, risk: RiskRule | None) -> Setting:
        options = self._options
        return Setting.of(self._info_of_both, prevalence or options.prevalence, risk or options.risk)

    def _described(self, kind: ImageType, one: Evidence, settings: LesionSettings | None) -> LesionImage:
        setting = None if settings is None else settings.by_type[kind]
        return LesionImage(
            image=one.name,
            image_type=kind,
            used=not one.reasons,
            abstain_reasons=one.reasons,
            p_malignant=self.pipelines[kind].builder.p_malignant(one.probabilities, setting),
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

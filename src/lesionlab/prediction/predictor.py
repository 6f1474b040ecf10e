"""The predictor: a bundle that is loaded once and used for any number of images."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lesionlab.bundle import Bundle, BundleInfo, ImageType, Patient
from lesionlab.errors import UsageError
from lesionlab.images import ImageSource
from lesionlab.prediction.decision.risk import RiskRule
from lesionlab.prediction.inference.device import Device
from lesionlab.prediction.inference.preprocessing import or_raise
from lesionlab.prediction.inference.session import IMAGES_PER_RUN
from lesionlab.prediction.inference.tta import TestTimeAugmentation
from lesionlab.prediction.io.inputs import expand_inputs
from lesionlab.prediction.lesions import Lesion, LesionPipeline
from lesionlab.prediction.pipeline import Options, Pipeline
from lesionlab.results import ExplainedPrediction, Failure, ModelCard, Prediction
from lesionlab.results.model_card import Limits, RiskParameters


class Predictor:
    """Classifies images. Safe to use from several threads; can be pickled, and then reloads its bundle.

    Example:
        >>> predictor = Predictor.load()
        >>> predictor.predict("lesion.jpg").p_malignant  # doctest: +SKIP
        0.12

    Attributes:
        pipeline: Lower-level access: prepared images, several runs at a time.
        lesions: The same for lesions with several images.
    """

    def __init__(self, bundle: Bundle, options: Options | None = None) -> None:
        """Open the graph of a bundle; see `load`."""
        self._options = options or Options()
        self.pipeline = Pipeline(bundle, self._options)
        self.lesions = LesionPipeline(self.pipeline, self._options)

    @classmethod
    def load(
        cls,
        bundle: Path | str | Bundle | None = None,
        *,
        threads: int | None = None,
        tta: TestTimeAugmentation = "none",
        prevalence: Mapping[str, float] | None = None,
        risk: RiskRule | str | None = None,
        threshold: float | None = None,
        device: Device = "cpu",
    ) -> "Predictor":
        """Load a model.

        Args:
            bundle: A bundle or its path; None: the model that ships with the package.
            threads: Threads for inference; default: one per core that the process may use.
            tta: Test-time augmentation. `flips` averages over an image and its three reflections, at four times
                the computation.
            prevalence: Frequency of classes where the images come from, by code, or of `malignant`; default: as in the
                training data.
            risk: The risk rule, such as `sensitivity=0.9`, `sensitivity=0.95,confidence=0.95`, `specificity=0.9`,
                `cost=20` or `diagnosis`; default: 95% sensitivity.
            threshold: Probability of the main target from which a decision is positive, in place of a risk rule.
            device: `cpu`, `cuda`, `tensorrt`, `openvino`, `directml` or `coreml`. All but the first need another
                package of ONNX Runtime; see the documentation on devices.

        Raises:
            BundleError: The bundle is missing or damaged, or its graph does not match its description.
            UsageError: The prevalence does not fit the model, it has no threshold for the risk rule, or the device is
                not available.
        """
        opened = bundle if isinstance(bundle, Bundle) else Bundle.load(bundle)
        rule = RiskRule.of_options(risk, threshold)
        return cls(opened, Options(threads, tta, dict(prevalence) if prevalence else None, rule, device))

    def __reduce__(self) -> tuple[Any, ...]:
        # An inference session cannot be pickled: the other process opens the graph again.
        return type(self), (self.bundle, self._options)

    @property
    def bundle(self) -> Bundle:
        """The bundle."""
        return self.pipeline.bundle

    @property
    def info(self) -> BundleInfo:
        """Description of the model; its predictive values are those at the stated prevalence."""
        return self.pipeline.info

    @property
    def risk_rule(self) -> str:
        """The rule behind the risk level, in words."""
        return self.pipeline.risk.text

    def card(self, limits: Limits) -> ModelCard:
        """Return the description of the model for readers of its results."""
        risk = self.pipeline.risk
        point = self.info.operating_points.index(risk.point) if risk.point else None
        return ModelCard.of(
            self.info,
            risk=RiskParameters(target=risk.target, threshold=risk.threshold, point=point),
            risk_rule=risk.text,
            explainable=self.explainable,
            abstains=self.abstains,
            limits=limits,
        )

    @property
    def image_types(self) -> tuple[ImageType, ...]:
        """The types of images that the model takes: `dermoscopic`, `clinical` or both."""
        return self.info.image_types

    @property
    def explainable(self) -> bool:
        """Whether the model has a class activation map, which `explain` needs."""
        return self.bundle.explainable

    @property
    def abstains(self) -> bool:
        """Whether the model can abstain: whether the bundle holds reference statistics of its training images."""
        return self.bundle.abstains

    def predict(self, image: ImageSource, patient: Patient | None = None) -> Prediction:
        """Classify one image.

        Args:
            image: A path, `archive.zip::member`, the bytes of an image file, a Pillow image, or an array in RGB order,
                uint8 [height, width, 3]; see `lesionlab.images.pixels` for other arrays.
            patient: Patient data. A model that uses the image alone adds a note.

        Raises:
            ImageError: The image cannot be read; the message begins with its name.
        """
        return self.pipeline.predict([self.pipeline.prepare(image, patient=patient)])[0]

    def predict_lesion(
        self,
        dermoscopic: Sequence[ImageSource] = (),
        clinical: Sequence[ImageSource] = (),
        patient: Patient | None = None,
        name: str = "lesion",
    ) -> Prediction:
        """Classify one lesion from one or several images.

        Images on which the model abstains are not used; it abstains on the lesion where none is left.

        Args:
            dermoscopic: Its dermoscopic images, each as in `predict`.
            clinical: Its clinical photographs, for a model that takes them; see `image_types`.
            patient: Patient data.
            name: Name of the lesion in the result.

        Raises:
            ImageError: An image cannot be read; the message begins with its name.
            UsageError: There is no image, or one of a type that the model does not take.
        """
        lesion = Lesion(name, tuple(dermoscopic), tuple(clinical), patient or Patient())
        return self.lesions.predict(self.lesions.prepare(lesion))

    def predict_lesions(self, lesions: Iterable[Lesion]) -> Iterator[Prediction | Failure]:
        """Classify lesions in their order; an unreadable image gives a failure in place of its lesion.

        Raises:
            UsageError: A lesion has no image, or one of a type that the model does not take.
        """
        return self.lesions.predict_many(lesions)

    def explain(
        self, image: ImageSource, diagnosis: str | None = None, patient: Patient | None = None
    ) -> ExplainedPrediction:
        """Classify one image, see `predict`, and explain a class by its code; default: the most probable one.

        Raises:
            ImageError: The image cannot be read; the message begins with its name.
            UsageError: The model has no such class, or no class activation map.
            BundleError: The segmentation model, which measures the lesion, is missing or damaged.
        """
        prepared = self.pipeline.prepare(image, patient=patient)
        return self.pipeline.measure_lesion(prepared, self.pipeline.explain([prepared], [diagnosis])[0])

    def predict_many(
        self,
        images: Iterable[ImageSource] | str | Path,
        *,
        batch_size: int = IMAGES_PER_RUN,
        patient_of: Callable[[str], Patient] | None = None,
    ) -> Iterator[Prediction | Failure]:
        """Classify images in batches, in their order; an unreadable image does not stop the others.

        Each thread works at most one batch ahead, so memory use does not depend on the number of images. The
        probabilities of an image are the same alone and in a batch (to 1e-6).

        Args:
            images: What `predict` takes, several of them; or one folder, archive, pattern or file. An image without a
                name is called `image 0`, `image 1` and so on by its position.
            batch_size: Images per run of the graph.
            patient_of: Returns patient data for the name of an image; called from threads.

        Raises:
            UsageError: One image was passed in place of several, or a path stands for no image.
        """
        return self.pipeline.predict_many(_several(images), batch_size, patient_of)

    def explain_many(
        self,
        images: Iterable[ImageSource] | str | Path,
        *,
        batch_size: int = IMAGES_PER_RUN,
        patient_of: Callable[[str], Patient] | None = None,
    ) -> Iterator[ExplainedPrediction | Failure]:
        """Classify and explain images in batches, in their order, and measure their lesions; see `predict_many`.

        Raises:
            UsageError: The model has no class activation map; or what `predict_many` raises.
            BundleError: The segmentation model, which measures the lesion, is missing or damaged.
        """
        return self.pipeline.explain_many(_several(images), batch_size, patient_of)

    def predict_logits(
        self,
        images: Sequence[ImageSource],
        *,
        batch_size: int = IMAGES_PER_RUN,
        progress: Callable[[int, int], None] | None = None,
    ) -> np.ndarray:
        """Return the logits of the network before calibration, float32 [N, C] for C classes.

        `progress` is called after each batch with the number of images done and of all.

        Raises:
            ImageError: An image cannot be read; the message begins with its name.
        """
        logits = np.empty((len(images), len(self.info.classes)), dtype=np.float32)
        for done, row in enumerate(self.pipeline.logits_many(images, batch_size), start=1):
            logits[done - 1] = or_raise(row)
            if progress is not None and (done % batch_size == 0 or done == len(images)):
                progress(done, len(images))
        return logits


def _several(images: Iterable[ImageSource] | str | Path) -> Iterable[ImageSource]:
    if isinstance(images, str | Path):
        return expand_inputs([str(images)])
    # A batch of images is an array or a tensor with four dimensions.
    if isinstance(images, bytes | Image.Image) or getattr(images, "ndim", 4) < 4:
        raise UsageError("one image was given in place of several: pass [image], or call predict or explain")
    return images

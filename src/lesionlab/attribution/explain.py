"""Writing of explanations to a folder: overlays, arrays and one HTML page."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from lesionlab.attribution.explained import ExplainedImage, MethodMap
from lesionlab.attribution.page import render_image, render_page
from lesionlab.attribution.stability import measure_stability
from lesionlab.errors import ImageError, UsageError
from lesionlab.files import FreeNames, replacing, write_text
from lesionlab.images import load_image
from lesionlab.images.formats import image_id
from lesionlab.prediction import Predictor, PreparedImage
from lesionlab.prediction.explanation.overlay import OverlayFolder
from lesionlab.results import Failure
from lesionlab.taxonomy import TASKS

PAGE = "explanations.html"
CLASS_ACTIVATION_MAP = "class-activation-map"
_THUMBNAIL = 360  # longer side in pixels


class Explainer(Protocol):
    """A model with its explanation methods: a `BundleExplainer`, or a `NetworkExplainer` (module `trained`)."""

    @property
    def predictor(self) -> Predictor:
        """Predictor of the model."""
        ...

    @property
    def note(self) -> str | None:
        """Remark on the methods for the page."""
        ...

    def maps(self, prepared: PreparedImage, code: str) -> Iterator[MethodMap]:
        """Yield the map of each method for a class."""
        ...


@dataclass(frozen=True)
class BundleExplainer:
    """A bundle, explained by its class activation map, without a training framework.

    Attributes:
        predictor: Predictor of the bundle.
    """

    predictor: Predictor

    def __post_init__(self) -> None:
        if not self.predictor.explainable:
            raise UsageError(
                f"{self.predictor.info.identity} is a bundle without a class activation map; "
                "name the run that it was exported from"
            )

    @property
    def note(self) -> str:
        """Remark on the methods for the page."""
        return (
            "This model is a bundle, explained by its class activation map alone. "
            "--method names others, which need the extra explain."
        )

    def maps(self, prepared: PreparedImage, code: str) -> Iterator[MethodMap]:
        """Yield the class activation map; nothing for an abstention."""
        (explained,) = self.predictor.pipeline.explain([prepared], [code])
        explanation = explained.explanation
        if explanation is not None:
            meaning = "the last feature map increases the score here; the mean of the map is the score"
            yield MethodMap(CLASS_ACTIVATION_MAP, meaning, explanation.values, explanation)


def explain_images(
    explainer: Explainer,
    images: Sequence[str],
    folder: Path,
    *,
    code: str | None = None,
    stability: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> list[Failure]:
    """Write overlays, arrays and the page for some images. The page is written last and atomically.

    Args:
        explainer: The model with its methods.
        images: Paths of the images.
        folder: Output folder. It is created if missing; no image in it is overwritten.
        code: Code of the class to explain; None: the most probable class of each image.
        stability: Whether to predict about twenty perturbed versions of each image as well.
        progress: Called after each image with the number done and the total.

    Returns:
        The images that could not be explained. The page is not written if all of them failed.

    Raises:
        UsageError: The model has no such class.
        LesionlabError: A file cannot be written.
    """
    classes = TASKS[explainer.predictor.info.task].classes
    if code is not None and code not in classes:
        raise UsageError(f"diagnosis {code!r} is none of {', '.join(classes)}")
    overlays, names = OverlayFolder(folder, images), FreeNames(Path(image).name for image in images)
    failures, sections = [], []
    for done, image in enumerate(images, start=1):
        try:
            explained = explain_image(explainer, image, code, stability=stability)
            for one in explained.maps:
                overlays.write(image, explained.prediction, one.explanation, method=one.method)
        except ImageError as error:
            failures.append(Failure(image=image, error=str(error).removeprefix(f"{image}: ")))
        else:
            if explained.maps:
                _write_arrays(folder / names.take(image_id(image), f"-{explained.code}.npz"), explained)
            sections.append(render_image(explained, number=done))
        if progress is not None:
            progress(done, len(images))
    if sections:
        write_text(folder / PAGE, render_page(sections, explainer.predictor.info, explainer.note))
    return failures


def explain_image(
    explainer: Explainer, image: str, code: str | None = None, *, stability: bool = True
) -> ExplainedImage:
    """Predict and explain one image.

    Raises:
        ImageError: The image cannot be read.
    """
    predictor = explainer.predictor
    prepared = predictor.pipeline.prepare(image)
    (prediction,) = predictor.pipeline.predict([prepared])
    chosen = code or prediction.most_probable
    thumbnail = load_image(image, at_least=(_THUMBNAIL, _THUMBNAIL)).image
    thumbnail.thumbnail((_THUMBNAIL, _THUMBNAIL))
    return ExplainedImage(
        image=prepared.name,
        thumbnail=thumbnail,
        prediction=prediction,
        code=chosen,
        name=TASKS[predictor.info.task].name_of(chosen),
        maps=() if prediction.abstained else tuple(explainer.maps(prepared, chosen)),
        stability=measure_stability(predictor, image, chosen) if stability and not prediction.abstained else None,
    )


def _write_arrays(path: Path, explained: ExplainedImage) -> None:
    with replacing(path, binary=True) as stream:
        np.savez_compressed(stream, allow_pickle=False, **{one.method: one.values for one in explained.maps})

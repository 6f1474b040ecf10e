"""From images to a folder of explanations: overlays, arrays, and one page that shows the methods side by side."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lesionlab.attribution.stability import Stability, measure_stability
from lesionlab.errors import ImageError, UsageError
from lesionlab.files import FreeNames, replacing, write_text
from lesionlab.images import load_image
from lesionlab.prediction import Predictor, PreparedImage
from lesionlab.prediction.explanation.overlay import OverlayFolder
from lesionlab.prediction.io.inputs import image_id
from lesionlab.results import Explanation, Failure, Prediction
from lesionlab.taxonomy import TASKS

PAGE = "explanations.html"
CLASS_ACTIVATION_MAP = "class-activation-map"
_LONGEST = 360  # pixels of a picture's longer side on the page


@dataclass(frozen=True, eq=False)
class ExplainedBy:
    """What one method says of one image.

    Attributes:
        method: Name of the method, as files and arrays are called.
        says: What a bright place means.
        values: The map, float32 [h, w], positive where it speaks for the class.
        explanation: The same as it is shown.
    """

    method: str
    says: str
    values: NDArray[np.float32]
    explanation: Explanation


@dataclass(frozen=True, eq=False)
class ExplainedImage:
    """All that is said of one image.

    Attributes:
        name: The image, as it was named.
        picture: The image itself, small.
        prediction: The answer.
        diagnosis: Code of the class that is explained.
        diagnosis_name: Its name.
        by: What each method says.
        stability: How the answer moves; None where it was not asked for.
    """

    name: str
    picture: Image.Image
    prediction: Prediction
    diagnosis: str
    diagnosis_name: str
    by: tuple[ExplainedBy, ...]
    stability: Stability | None

    @property
    def probability(self) -> float:
        """The class's calibrated probability."""
        return self.prediction.probabilities[self.diagnosis]


class Explainer(Protocol):
    """A model that can be explained by some methods; see `BundleExplainer` and `lesionlab.attribution.RunExplainer`."""

    @property
    def predictor(self) -> Predictor:
        """What gives the answers."""
        ...

    @property
    def note(self) -> str | None:
        """What a reader of the page has to know of the choice of methods."""
        ...

    def explained_by(self, prepared: PreparedImage, diagnosis: str) -> Iterator[ExplainedBy]:
        """Yield what each method says."""
        ...


@dataclass(frozen=True)
class BundleExplainer:
    """A bundle: it carries its class activation map, and no weights that gradients could go through.

    Attributes:
        predictor: The bundle.
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
        """Why there is one method."""
        return (
            "This is a bundle, not a run: it is explained by its class activation map alone. "
            "The other methods need the run that it was exported from."
        )

    def explained_by(self, prepared: PreparedImage, diagnosis: str) -> Iterator[ExplainedBy]:
        """Yield the class activation map."""
        (explained,) = self.predictor.pipeline.explain([prepared], [diagnosis])
        explanation = explained.explanation
        if explanation is None:  # an abstention has no map
            return
        says = "this place of the last feature map raises the score: the map's mean is the score itself"
        yield ExplainedBy(CLASS_ACTIVATION_MAP, says, explanation.values, explanation)


def explain_images(
    explainer: Explainer,
    images: Sequence[str],
    folder: Path,
    *,
    diagnosis: str | None = None,
    stability: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> list[Failure]:
    """Write overlays, arrays and the page for some images; the page is written last, whole or not at all.

    Args:
        explainer: The model with its methods.
        images: Where the images are.
        folder: Where to write; it is made if it is missing, and no image in it is overwritten.
        diagnosis: Code of the class to explain; None: the answer to each image.
        stability: Whether to ask about about twenty changed forms of each image as well.
        progress: Called after each image with the number done and of all.

    Returns:
        The images that could not be explained; there is no page where this is all of them.

    Raises:
        UsageError: The model has no such class.
        LesionlabError: Something cannot be written.
    """
    from lesionlab.attribution.page import render_image, render_page

    classes = TASKS[explainer.predictor.info.task].classes
    if diagnosis is not None and diagnosis not in classes:
        raise UsageError(f"diagnosis {diagnosis!r} is none of {', '.join(classes)}")
    overlays, names = OverlayFolder(folder, images), FreeNames(Path(image).name for image in images)
    failures, sections = [], []
    for done, image in enumerate(images, start=1):
        try:
            explained = explain_image(explainer, image, diagnosis, stability=stability)
            for one in explained.by:
                overlays.write(image, explained.prediction, one.explanation, method=one.method)
        except ImageError as error:
            message = str(error).removeprefix(f"{image}: ")
            failures.append(Failure(image=image, error=message))
        else:
            _write_arrays(folder / names.take(image_id(image), f"-{explained.diagnosis}.npz"), explained)
            sections.append(render_image(explained, number=done))
        if progress is not None:
            progress(done, len(images))
    if sections:
        write_text(folder / PAGE, render_page(sections, explainer.predictor.info, explainer.note))
    return failures


def explain_image(
    explainer: Explainer, image: str, diagnosis: str | None = None, *, stability: bool = True
) -> ExplainedImage:
    """Judge and explain one image.

    Raises:
        ImageError: The image cannot be judged.
    """
    predictor = explainer.predictor
    prepared = predictor.pipeline.prepare(image)
    (prediction,) = predictor.pipeline.predict([prepared])
    chosen = diagnosis or prediction.most_probable
    picture = load_image(image, at_least=(_LONGEST, _LONGEST)).image
    picture.thumbnail((_LONGEST, _LONGEST))
    return ExplainedImage(
        name=prepared.name,
        picture=picture,
        prediction=prediction,
        diagnosis=chosen,
        diagnosis_name=TASKS[predictor.info.task].name_of(chosen),
        # An abstention has no map.
        by=() if prediction.abstained else tuple(explainer.explained_by(prepared, chosen)),
        stability=measure_stability(predictor, image, chosen) if stability and not prediction.abstained else None,
    )


def _write_arrays(place: Path, explained: ExplainedImage) -> None:
    with replacing(place, binary=True) as stream:
        np.savez_compressed(stream, allow_pickle=False, **{one.method: one.values for one in explained.by})

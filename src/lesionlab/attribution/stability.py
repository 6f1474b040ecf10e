"""How an answer moves when its picture is changed in ways that change nothing of the lesion.

A lesion is the same lesion turned, nearer, a little beside the middle, in other light or without its hairs. An answer
that goes with such a change rests on something else. This needs the predictor alone: the graph is asked again.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lesionlab.attribution.hair import remove_hair
from lesionlab.images import ImageSource, load_image
from lesionlab.prediction.inference.session import IMAGES_PER_RUN
from lesionlab.prediction.predictor import Predictor
from lesionlab.results import Prediction
from lesionlab.taxonomy import TASKS

_TURNS = (-30, -15, 15, 30, 90, 180, 270)  # degrees
_SIDES = (0.75, 0.87, 1.15, 1.33)  # of the lesion's side against what it was
_CROP = 0.85  # of each side that a crop keeps
_LIGHT = (0.7, 0.85, 1.15, 1.3)
_LONGEST = 448  # pixels of the side that a picture is changed at: no network sees more than half of that


@dataclass(frozen=True, eq=False)
class Variant:
    """A changed picture and the answer to it.

    Attributes:
        kind: `rotation`, `scale`, `crop`, `brightness` or `hair removed`.
        amount: How much, in words.
        prediction: The answer.
        probability: Calibrated probability of the class that is followed.
        pixels: The network's input, uint8 [size, size, 3].
    """

    kind: str
    amount: str
    prediction: Prediction
    probability: float
    pixels: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Stability:
    """What became of one answer.

    Attributes:
        diagnosis: Code of the class that is followed.
        name: Its name.
        original: The answer to the picture as it is.
        probability: The class's probability there.
        variants: The changed pictures.
        hair: Share of the picture that was taken for hair.
    """

    diagnosis: str
    name: str
    original: Prediction
    probability: float
    variants: tuple[Variant, ...]
    hair: float

    @property
    def lowest(self) -> float:
        """The lowest probability of the class under any change, or as the picture is."""
        return min(self.probability, *(variant.probability for variant in self.variants))

    @property
    def highest(self) -> float:
        """The highest one."""
        return max(self.probability, *(variant.probability for variant in self.variants))

    @property
    def others(self) -> tuple[Variant, ...]:
        """The variants that get another answer than the picture as it is."""
        code = self.original.most_probable
        return tuple(variant for variant in self.variants if variant.prediction.most_probable != code)


def measure_stability(predictor: Predictor, image: ImageSource, diagnosis: str | None = None) -> Stability:
    """Judge an image and about twenty changed forms of it.

    Args:
        predictor: The model.
        image: What `Predictor.predict` takes.
        diagnosis: Code of the class whose probability is followed; default: the model's answer.

    Raises:
        ImageError: The image cannot be judged.
    """
    decoded = load_image(image, at_least=(_LONGEST, _LONGEST)).image
    decoded.thumbnail((_LONGEST, _LONGEST))
    pixels = np.asarray(decoded)
    changed = list(_changed(pixels))
    without_hair, hair = remove_hair(pixels)
    if hair > 0:
        changed.append(("hair removed", f"{hair:.1%} of the picture filled", without_hair))
    prepared = [
        predictor.pipeline.prepare(image),
        *(predictor.pipeline.prepare(picture, amount) for _, amount, picture in changed),
    ]
    answers: list[Prediction] = []
    for start in range(0, len(prepared), IMAGES_PER_RUN):
        answers += predictor.pipeline.predict(prepared[start : start + IMAGES_PER_RUN])
    original = answers[0]
    code = diagnosis or original.most_probable
    variants = tuple(
        Variant(kind, amount, answer, answer.probabilities[code], one.pixels)
        for (kind, amount, _), answer, one in zip(changed, answers[1:], prepared[1:], strict=True)
    )
    name = TASKS[predictor.info.task].name_of(code)
    return Stability(code, name, original, original.probabilities[code], variants, hair)


def _changed(pixels: NDArray[np.uint8]) -> Iterator[tuple[str, str, NDArray[np.uint8]]]:
    picture = Image.fromarray(pixels)
    width, height = picture.size
    # What a turned or a smaller picture shows beyond its edge: the picture again, mirrored, as skin goes on.
    margin = *((max(1, side // 2),) * 2 for side in (height, width)), (0, 0)
    wide = Image.fromarray(np.pad(pixels, margin, mode="reflect" if min(pixels.shape[:2]) > 1 else "edge"))
    middle = wide.width / 2, wide.height / 2

    def seen(of: Image.Image, share: float) -> NDArray[np.uint8]:
        across, down = width * share / 2, height * share / 2
        box = (middle[0] - across, middle[1] - down, middle[0] + across, middle[1] + down)
        return np.asarray(of.resize((width, height), Image.Resampling.BILINEAR, box))

    for angle in _TURNS:
        if angle % 90:
            turned = seen(wide.rotate(angle, Image.Resampling.BILINEAR), 1)
        else:
            turned = np.asarray(picture.rotate(angle, expand=True))
        yield "rotation", f"{angle % 360 if angle % 90 == 0 else angle}°", turned
    for side in _SIDES:
        yield "scale", f"{side:g} times", seen(wide, 1 / side)
    across, down = width * _CROP, height * _CROP
    for name, left, top in (
        ("upper left", 0.0, 0.0),
        ("upper right", width - across, 0.0),
        ("lower left", 0.0, height - down),
        ("lower right", width - across, height - down),
    ):
        box = (left, top, left + across, top + down)
        yield "crop", f"{name} {_CROP:.0%}", np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR, box))
    for light in _LIGHT:
        yield "brightness", f"{light:g} times", (pixels * light + 0.5).clip(0, 255).astype(np.uint8)

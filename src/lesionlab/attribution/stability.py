"""Stability of a prediction under perturbations that keep the lesion.

The lesion stays the same under rotation, scaling, cropping, a change of brightness or removal of hair, so a prediction
that changes with them depends on something else. Only the predictor is needed.
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

_ANGLES = (-30, -15, 15, 30, 90, 180, 270)  # degrees
_SCALES = (0.75, 0.87, 1.15, 1.33)  # of the lesion's diameter
_CROP = 0.85  # share of each side that is kept
_BRIGHTNESS = (0.7, 0.85, 1.15, 1.3)
_LONGEST = 448  # longer side in pixels at which images are perturbed: more than any network input


@dataclass(frozen=True, eq=False)
class Variant:
    """A perturbed image and its prediction.

    Attributes:
        kind: `rotation`, `scale`, `crop`, `brightness` or `hair removed`.
        amount: Size of the perturbation in words.
        prediction: The prediction.
        probability: Calibrated probability of the followed class.
        pixels: The network's input, uint8 [size, size, 3].
    """

    kind: str
    amount: str
    prediction: Prediction
    probability: float
    pixels: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Stability:
    """Predictions for an image and its perturbed versions.

    Attributes:
        code: Code of the class whose probability is followed.
        name: Name of that class.
        original: Prediction for the unchanged image.
        probability: Probability of the class there.
        variants: The perturbed images.
        hair: Share of the image that was detected as hair.
    """

    code: str
    name: str
    original: Prediction
    probability: float
    variants: tuple[Variant, ...]
    hair: float

    @property
    def lowest(self) -> float:
        """Lowest probability of the class over all versions, the unchanged one included."""
        return min(self.probability, *(variant.probability for variant in self.variants))

    @property
    def highest(self) -> float:
        """Highest probability of the class over all versions, the unchanged one included."""
        return max(self.probability, *(variant.probability for variant in self.variants))

    @property
    def changed(self) -> tuple[Variant, ...]:
        """The variants whose most probable class differs from that of the unchanged image."""
        code = self.original.most_probable
        return tuple(variant for variant in self.variants if variant.prediction.most_probable != code)


def measure_stability(predictor: Predictor, image: ImageSource, code: str | None = None) -> Stability:
    """Predict an image and about twenty perturbed versions of it.

    Args:
        predictor: The model.
        image: As for `Predictor.predict`.
        code: Code of the class whose probability is followed; None: the most probable class.

    Raises:
        ImageError: The image cannot be read.
    """
    decoded = load_image(image, at_least=(_LONGEST, _LONGEST)).image
    decoded.thumbnail((_LONGEST, _LONGEST))
    pixels = np.asarray(decoded)
    perturbed = list(_perturbations(pixels))
    without_hair, hair = remove_hair(pixels)
    if hair > 0:
        perturbed.append(("hair removed", f"{hair:.1%} of the image filled in", without_hair))
    prepared = [
        predictor.pipeline.prepare(image),
        *(predictor.pipeline.prepare(version, amount) for _, amount, version in perturbed),
    ]
    predictions: list[Prediction] = []
    for start in range(0, len(prepared), IMAGES_PER_RUN):
        predictions += predictor.pipeline.predict(prepared[start : start + IMAGES_PER_RUN])
    original = predictions[0]
    followed = code or original.most_probable
    variants = tuple(
        Variant(kind, amount, prediction, prediction.probabilities[followed], one.pixels)
        for (kind, amount, _), prediction, one in zip(perturbed, predictions[1:], prepared[1:], strict=True)
    )
    name = TASKS[predictor.info.task].name_of(followed)
    return Stability(followed, name, original, original.probabilities[followed], variants, hair)


def _perturbations(pixels: NDArray[np.uint8]) -> Iterator[tuple[str, str, NDArray[np.uint8]]]:
    image = Image.fromarray(pixels)
    width, height = image.size
    # Rotated and reduced images show a reflected margin beyond the edge.
    margin = *((max(1, side // 2),) * 2 for side in (height, width)), (0, 0)
    wide = Image.fromarray(np.pad(pixels, margin, mode="reflect" if min(pixels.shape[:2]) > 1 else "edge"))
    centre = wide.width / 2, wide.height / 2

    def centre_crop(of: Image.Image, share: float) -> NDArray[np.uint8]:
        half_width, half_height = width * share / 2, height * share / 2
        box = (centre[0] - half_width, centre[1] - half_height, centre[0] + half_width, centre[1] + half_height)
        return np.asarray(of.resize((width, height), Image.Resampling.BILINEAR, box))

    for angle in _ANGLES:
        if angle % 90:
            rotated = centre_crop(wide.rotate(angle, Image.Resampling.BILINEAR), 1)
        else:
            rotated = np.asarray(image.rotate(angle, expand=True))
        yield "rotation", f"{angle % 360 if angle % 90 == 0 else angle}°", rotated
    for scale in _SCALES:
        yield "scale", f"{scale:g} times", centre_crop(wide, 1 / scale)
    across, down = width * _CROP, height * _CROP
    for name, left, top in (
        ("upper left", 0.0, 0.0),
        ("upper right", width - across, 0.0),
        ("lower left", 0.0, height - down),
        ("lower right", width - across, height - down),
    ):
        box = (left, top, left + across, top + down)
        yield "crop", f"{name} {_CROP:.0%}", np.asarray(image.resize((width, height), Image.Resampling.BILINEAR, box))
    for factor in _BRIGHTNESS:
        yield "brightness", f"{factor:g} times", (pixels * factor + 0.5).clip(0, 255).astype(np.uint8)

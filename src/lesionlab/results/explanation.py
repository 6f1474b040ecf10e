"""Explanations: the class activation map, the nearest training images and the measures of the lesion."""

from typing import Annotated, Any

import numpy as np
from pydantic import BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema, computed_field

from lesionlab.base_models import FrozenModel
from lesionlab.results.prediction import Prediction


def _as_map(values: Any) -> np.ndarray:
    found = np.asarray(values, dtype=np.float32)
    if found.ndim != 2:
        raise ValueError("a map has rows and columns")
    return found


# Three digits are finer than a screen resolves and a third of the bytes.
Map = Annotated[
    np.ndarray,
    BeforeValidator(_as_map),
    PlainSerializer(lambda values: [[round(value, 3) for value in row] for row in values.tolist()]),
    WithJsonSchema({"type": "array", "items": {"type": "array", "items": {"type": "number"}}}),
]


class Explanation(FrozenModel):
    """The evidence for a class at each place of the image.

    Attributes:
        code: Code of the explained class.
        method: How the map was made, for example `class activation map`.
        values: float32 [rows, columns] over the whole image, row by row from the top left; 0 for no evidence, 1 for
            the place with the most. All 0 where no place supports the class.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    code: str = Field(examples=["mel"])
    name: str = Field(examples=["Melanoma"])
    method: str = Field(examples=["class activation map"])
    values: Map

    @computed_field  # type: ignore[prop-decorator]
    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.values.shape[0])

    @computed_field  # type: ignore[prop-decorator]
    @property
    def columns(self) -> int:
        """Number of columns."""
        return int(self.values.shape[1])


class NearestImage(FrozenModel):
    """A training image whose features are close to those of the image, with the dataset's own diagnosis.

    Attributes:
        similarity: Cosine of the angle between the features, cut off at 0: 1 for equal features.
    """

    image_id: str = Field(examples=["ISIC_0024306"])
    lesion_id: str = Field(examples=["HAM_0000550"])
    code: str = Field(examples=["nv"])
    name: str = Field(examples=["Melanocytic nevus"])
    similarity: float = Field(ge=0, le=1)


class LesionMeasures(FrozenModel):
    """Measures of a segmented lesion, from 0 to 1 unless stated otherwise. They are not part of the diagnosis.

    Attributes:
        area: Share of the image.
        diameter: Largest extent, relative to the longer side of the image; above 1 along a diagonal.
        touches_border: Whether the lesion extends beyond the image; its measures then refer to the visible part.
        asymmetry: Share of the area without a counterpart after reflection across each of the two principal axes, the
            smaller one first. A disc has (0, 0).
        border_irregularity: Length of the outline divided by that of its convex hull, minus 1. A disc has 0.
        colours: Those of six colours that cover at least 3% of the lesion, with their shares, the largest first.
    """

    area: float
    diameter: float
    touches_border: bool
    asymmetry: tuple[float, float]
    border_irregularity: float
    colours: dict[str, float]

    def in_words(self) -> tuple[str, ...]:
        """Return the measures as lines of text."""
        beyond = "; it extends beyond the image, so its measures refer to the visible part" * self.touches_border
        first, second = self.asymmetry
        colours = ", ".join(f"{name} {share:.0%}" for name, share in self.colours.items())
        return (
            f"asymmetry: {first:.0%} and {second:.0%} of the area have no counterpart across the two principal axes",
            f"border: {self.border_irregularity:.0%} longer than its convex hull",
            f"colours: {colours}",
            f"size: {self.area:.0%} of the image, {self.diameter:.0%} of its longer side{beyond}",
        )


Outline = tuple[tuple[float, float], ...]
"""A closed polygon of points x, y as shares of the sides of an image, clockwise."""


class ExplainedPrediction(FrozenModel):
    """A prediction with its explanation, from one run of the graph.

    Attributes:
        explanation: Class activation map; None for an abstention.
        nearest_images: The nearest training images, the most similar first, one of each lesion; None for a model
            without an index of its training images.
        lesion: Shape, colours and size of the lesion; None where no lesion was found or none was searched for.
        outline: Outline of the lesion; None where `lesion` is None.
    """

    prediction: Prediction
    explanation: Explanation | None
    nearest_images: tuple[NearestImage, ...] | None
    lesion: LesionMeasures | None = None
    outline: Outline | None = None

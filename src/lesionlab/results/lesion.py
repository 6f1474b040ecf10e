"""Measures of a segmented lesion."""

from pydantic import Field

from lesionlab.base_models import FrozenModel


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

    area: float = Field(description="Share of the image.")
    diameter: float = Field(description="Largest extent, relative to the longer side of the image.")
    touches_border: bool = Field(description="Whether the lesion extends beyond the image.")
    asymmetry: tuple[float, float] = Field(
        description="Share of the area without a counterpart after reflection across each principal axis."
    )
    border_irregularity: float = Field(description="Length of the outline divided by that of its convex hull, minus 1.")
    colours: dict[str, float] = Field(description="Colours that cover at least 3% of the lesion, with their shares.")

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

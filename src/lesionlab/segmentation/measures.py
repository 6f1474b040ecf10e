"""What dermatologists look at first, as plain numbers: asymmetry, border, colours, and size in the frame.

The ABCD rule (Stolz et al., Eur. J. Dermatology 4, 1994) scores these by eye. Here they are measured on a mask that a
network has drawn, and are not summed up: they stand beside an answer and are no second one. There is no D in
millimetres, since a picture has no scale.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lesionlab.segmentation.colours import colours_present
from lesionlab.segmentation.shape import asymmetry, border_irregularity, convex_hull, largest_diameter, largest_region

# Less of the frame than this is a speck of the network's and no lesion.
SMALLEST_SHARE = 0.003
_SIDE = 256  # of the longer side, in which shapes are measured


@dataclass(frozen=True, slots=True)
class LesionMeasures:
    """Numbers of one lesion. Of 0 to 1 where nothing else is said.

    Attributes:
        area: Share of the picture that it covers.
        diameter: Its largest extent, of the picture's longer side; more than 1 along a diagonal.
        touches_border: Whether it goes beyond the picture: shape and size are then those of what is seen.
        asymmetry: Share of its area that finds no partner when it is folded over each of its two principal axes,
            the one of more symmetry first. A disc has (0, 0).
        border_irregularity: How much longer its outline is than that of its convex hull, minus 1. A disc has 0.
        colours: Which of six colours cover at least 3 % of it, the largest first, with their shares.
    """

    area: float
    diameter: float
    touches_border: bool
    asymmetry: tuple[float, float]
    border_irregularity: float
    colours: dict[str, float]

    def in_words(self) -> tuple[str, ...]:
        """Return the measures as lines for a reader."""
        beyond = "; it goes beyond the picture, so that shape and size are those of what is seen" * self.touches_border
        one, other = self.asymmetry
        colours = ", ".join(f"{name} {share:.0%}" for name, share in self.colours.items())
        return (
            f"asymmetry: {one:.0%} and {other:.0%} of it find no partner across its two axes",
            f"border: {self.border_irregularity:.0%} longer than around its convex hull",
            f"colours: {colours}",
            f"size: {self.area:.0%} of the picture, {self.diameter:.0%} of its longer side across{beyond}",
        )


def measure_lesion(
    probability: NDArray[np.float32], picture: Image.Image, *, threshold: float
) -> LesionMeasures | None:
    """Measure the largest region of a mask; None where no lesion is found.

    Args:
        probability: That a pixel belongs to the lesion, [S, S], of the picture squashed to a square.
        picture: The picture, RGB, in its own shape: a squashed lesion would be measured as an oval.
        threshold: A pixel belongs to the lesion at or above it.
    """
    scale = _SIDE / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    stretched = np.asarray(Image.fromarray(probability).resize(size, Image.Resampling.BILINEAR))
    mask = largest_region(stretched >= threshold)
    area = float(mask.mean())
    if area < SMALLEST_SHARE:
        return None
    edge = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    pixels = np.asarray(picture.resize(size, Image.Resampling.BOX))
    hull = convex_hull(mask)
    return LesionMeasures(
        area=area,
        diameter=largest_diameter(hull) / _SIDE,
        touches_border=bool(edge.mean() > 0.01),
        asymmetry=asymmetry(mask),
        border_irregularity=border_irregularity(mask, hull),
        colours=colours_present(pixels[mask]),
    )

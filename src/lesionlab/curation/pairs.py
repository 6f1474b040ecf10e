"""Pairs of images that may show one lesion."""

from dataclasses import dataclass
from enum import StrEnum


class PairKind(StrEnum):
    """Kinds of pairs; the value is the text in tables and pages."""

    IDENTICAL = "identical pixels"
    RESAVED = "same picture, re-saved"
    MIRRORED = "same picture, mirrored"
    CROPPED = "same picture, cropped, resized or rotated"
    SAME_LESION = "same lesion, other picture?"


@dataclass(frozen=True, slots=True)
class ImagePair:
    """A pair of images, by their positions in the two lists that were compared.

    Attributes:
        first: Position of the image in the first list.
        second: Position of the image in the second list.
        kind: Relation of the images.
        matches: Number of local features that agree on one affine map between the images.
        differing_bits: Differing bits of the perceptual hashes over the eight orientations.
    """

    first: int
    second: int
    kind: PairKind
    matches: int
    differing_bits: int

    @property
    def score(self) -> float:
        """Order of a list from 0 to 1, which grows with the matches (0.69 for 10, 0.97 for 30); not a probability."""
        return 1.0 if self.kind is PairKind.IDENTICAL else round(1 - 2 ** -(self.matches / 6), 4)

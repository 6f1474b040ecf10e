"""Appearance of each diagnosis: the distributions of all traits, and the diagnoses that are imitated.

The signs are the usual dermoscopic criteria (network, globules, streaks and blue-white veil; arborising vessels and
blue-grey nests; milia-like cysts and comedo-like openings; central white patch; lacunae; scale and the strawberry
pattern). Their frequencies are chosen, not measured.
"""

from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True, slots=True)
class TraitRange:
    """A trait that is present with probability `chance`, then uniform in [low, high], and otherwise 0."""

    low: float
    high: float
    chance: float = 1.0

    def draw(self, rng: np.random.Generator) -> float:
        """Return one value. It always takes two numbers from `rng`, so that traits are drawn independently."""
        present, position = rng.random(2)
        return float(self.low + (self.high - self.low) * position) if present < self.chance else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """The drawn traits of one lesion. Lengths are in units of half the shorter image side, the rest is relative.

    Attributes:
        radius: Mean radius.
        elongation: Ratio of the long axis to the short one, minus 1.
        irregularity: Size of the dents and bulges of the contour, relative to the radius.
        softness: Width over which the border fades.
        pigment: Melanin added to the skin's own.
        erythema: Blood added to the skin's own.
        keratin: Yellow-brown horn added.
        patchiness: Variation of the pigment within the lesion.
        asymmetry: Difference in darkness between the two sides.
        disorder: Irregularity of network, globules and streaks.
        network: Strength of the pigment network.
        globules: Number of brown globules and dots.
        streaks: Number of radial streaks at the border.
        veil: Strength of the blue-white veil.
        scar: Strength of the central white patch.
        cysts: Number of milia-like cysts.
        openings: Number of comedo-like openings.
        fissures: Number of dark furrows.
        arborising: Number of branching vessel trunks.
        dotted: Number of dotted vessels.
        lacunae: Number of red or purple lacunae.
        nests: Number of blue-grey ovoid nests.
        ulcer: Strength of a dark red crust.
        scale: Strength of the white, flaky surface scale.
        strawberry: Strength of the red pseudo-network around pale follicles.
    """

    radius: float
    elongation: float
    irregularity: float
    softness: float
    pigment: float
    erythema: float
    keratin: float
    patchiness: float
    asymmetry: float
    disorder: float
    network: float
    globules: float
    streaks: float
    veil: float
    scar: float
    cysts: float
    openings: float
    fissures: float
    arborising: float
    dotted: float
    lacunae: float
    nests: float
    ulcer: float
    scale: float
    strawberry: float


_S = TraitRange
_ABSENT = TraitRange(0.0, 0.0, 0.0)

_APPEARANCE: dict[str, dict[str, TraitRange]] = {
    "mel": {
        "radius": _S(0.4, 0.8), "elongation": _S(0.0, 0.6), "irregularity": _S(0.06, 0.24),
        "softness": _S(0.03, 0.12), "pigment": _S(1.2, 2.9), "erythema": _S(0.0, 0.5), "patchiness": _S(0.3, 0.8),
        "asymmetry": _S(0.1, 0.8), "disorder": _S(0.4, 1.0), "network": _S(0.3, 0.9, 0.6),
        "globules": _S(8, 40, 0.6), "streaks": _S(8, 26, 0.4), "veil": _S(0.3, 0.75, 0.6),
        "scar": _S(0.2, 0.5, 0.2), "dotted": _S(10, 30, 0.2), "ulcer": _S(0.3, 0.8, 0.1),
    },
    "nv": {
        "radius": _S(0.22, 0.52), "elongation": _S(0.0, 0.5), "irregularity": _S(0.01, 0.12),
        "softness": _S(0.04, 0.14), "pigment": _S(0.55, 1.5), "erythema": _S(0.0, 0.3), "patchiness": _S(0.1, 0.4),
        "asymmetry": _S(0.0, 0.35), "disorder": _S(0.0, 0.5), "network": _S(0.3, 0.8, 0.6),
        "globules": _S(10, 60, 0.45), "streaks": _S(10, 20, 0.04), "veil": _S(0.2, 0.4, 0.05),
    },
    "bcc": {
        "radius": _S(0.28, 0.65), "elongation": _S(0.0, 0.6), "irregularity": _S(0.04, 0.18),
        "softness": _S(0.05, 0.16), "pigment": _S(0.0, 0.45), "erythema": _S(0.4, 0.95), "patchiness": _S(0.2, 0.6),
        "asymmetry": _S(0.0, 0.4), "disorder": _S(0.2, 0.8), "veil": _S(0.15, 0.35, 0.15),
        "scar": _S(0.2, 0.5, 0.3), "arborising": _S(3, 8, 0.9), "nests": _S(3, 12, 0.65), "ulcer": _S(0.4, 0.9, 0.3),
        "globules": _S(3, 10, 0.2),
    },
    "akiec": {
        "radius": _S(0.45, 0.85), "elongation": _S(0.0, 0.7), "irregularity": _S(0.06, 0.26),
        "softness": _S(0.08, 0.24), "pigment": _S(0.05, 0.7), "erythema": _S(0.45, 1.1), "keratin": _S(0.1, 0.5, 0.5),
        "patchiness": _S(0.3, 0.8), "asymmetry": _S(0.0, 0.4), "disorder": _S(0.3, 1.0),
        "scale": _S(0.4, 0.9, 0.85), "strawberry": _S(0.3, 0.9, 0.55), "dotted": _S(15, 50, 0.45),
        "ulcer": _S(0.2, 0.6, 0.15),
    },
    "bkl": {
        "radius": _S(0.28, 0.72), "elongation": _S(0.0, 0.6), "irregularity": _S(0.04, 0.2),
        "softness": _S(0.015, 0.09), "pigment": _S(0.3, 1.3), "erythema": _S(0.0, 0.35), "keratin": _S(0.5, 1.6, 0.95),
        "patchiness": _S(0.2, 0.7), "asymmetry": _S(0.0, 0.5), "disorder": _S(0.2, 0.8),
        "network": _S(0.2, 0.6, 0.2), "cysts": _S(5, 22, 0.65), "openings": _S(4, 18, 0.55),
        "fissures": _S(3, 9, 0.4), "scale": _S(0.1, 0.4, 0.2), "veil": _S(0.15, 0.4, 0.12),
    },
    "df": {
        "radius": _S(0.25, 0.5), "elongation": _S(0.0, 0.35), "irregularity": _S(0.01, 0.1),
        "softness": _S(0.1, 0.24), "pigment": _S(0.25, 0.9), "erythema": _S(0.05, 0.5), "patchiness": _S(0.1, 0.4),
        "asymmetry": _S(0.0, 0.3), "disorder": _S(0.0, 0.4), "network": _S(0.2, 0.6, 0.75),
        "scar": _S(0.45, 0.95, 0.95), "dotted": _S(5, 15, 0.2),
    },
    "vasc": {
        "radius": _S(0.2, 0.5), "elongation": _S(0.0, 0.4), "irregularity": _S(0.02, 0.12),
        "softness": _S(0.02, 0.1), "pigment": _S(0.0, 0.4), "erythema": _S(0.7, 1.8), "patchiness": _S(0.1, 0.5),
        "asymmetry": _S(0.0, 0.4), "disorder": _S(0.0, 0.6), "lacunae": _S(8, 30, 0.9), "veil": _S(0.2, 0.6, 0.4),
        "arborising": _S(2, 4, 0.1), "ulcer": _S(0.4, 0.9, 0.12),
    },
}  # fmt: skip

# Diagnoses that a lesion of another class may resemble.
_IMITATES: dict[str, tuple[str, ...]] = {
    "mel": ("nv", "nv", "bkl"),
    "nv": ("mel", "bkl"),
    "bcc": ("akiec", "bkl", "vasc"),
    "akiec": ("bcc", "bkl"),
    "bkl": ("mel", "nv", "akiec"),
    "df": ("nv", "bcc"),
    "vasc": ("bcc", "mel"),
}
IMITATOR_SHARE = 0.08


def draw_traits(diagnosis: str, rng: np.random.Generator) -> Traits:
    """Draw the traits of a lesion: those of its own diagnosis, or in a few cases those of an imitated one."""
    imitated = str(rng.choice(_IMITATES[diagnosis]))
    traits = _APPEARANCE[imitated if rng.random() < IMITATOR_SHARE else diagnosis]
    return Traits(**{field.name: traits.get(field.name, _ABSENT).draw(rng) for field in fields(Traits)})

"""Skin as layers of chromophores, and the colour of the reflected light."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lesionlab.images.ink import Field
from lesionlab.phantoms.frame import Frame
from lesionlab.phantoms.lesion import PhantomLesion

# Absorption in red, green and blue of one unit of each substance (Beer-Lambert: colour = base * exp(-amount * this)).
# Melanin absorbs short wavelengths most, so that pigment is brown; haemoglobin absorbs red least.
MELANIN = (0.52, 0.84, 1.16)
BLOOD = (0.16, 0.9, 0.72)
KERATIN = (0.12, 0.4, 1.0)
BASE = (0.96, 0.88, 0.85)
# Colours due to scattering: deep melanin (Tyndall effect); scar tissue and scale.
VEIL_COLOUR = (0.45, 0.48, 0.58)
WHITE_COLOUR = (0.95, 0.91, 0.89)


@dataclass
class Tissue:
    """Amounts of chromophores at each pixel, each [H, W].

    Attributes:
        inside: Share of the lesion at each pixel, 0 to 1.
        depth: Distance from the contour, positive inward, relative to the contour's distance from the centre.
        melanin: Brown pigment.
        blood: Haemoglobin.
        keratin: Yellow horn.
        veil: Share of blue-grey scattering, 0 to 1.
        white: Share of white scattering, 0 to 1.
    """

    inside: Field
    depth: Field
    melanin: Field
    blood: Field
    keratin: Field
    veil: Field
    white: Field

    def colour(self) -> NDArray[np.float32]:
        """Return the reflected colour under white light, 0 to 1, [H, W, 3]."""
        veil = np.clip(self.veil, 0, 0.9)
        white = np.clip(self.white, 0, 0.9)
        rgb = np.empty((*self.inside.shape, 3), np.float32)
        for channel in range(3):
            absorbed = MELANIN[channel] * self.melanin + BLOOD[channel] * self.blood + KERATIN[channel] * self.keratin
            light = np.float32(BASE[channel]) * np.exp(-np.maximum(absorbed, 0))
            light += veil * (np.float32(VEIL_COLOUR[channel]) - light)
            light += white * (np.float32(WHITE_COLOUR[channel]) - light)
            rgb[..., channel] = light
        return rgb


def grow(lesion: PhantomLesion, frame: Frame) -> Tissue:
    """Return the skin with the lesion's outline and colours, without structures."""
    traits = lesion.traits
    mottle = frame.noise(lesion.stream(0), 0.5, 3)
    fine = frame.noise(lesion.stream(1), 0.12, 2)
    patches = frame.noise(lesion.stream(2), 0.35, 3)

    distance = np.hypot(frame.u, frame.v)
    boundary = lesion.boundary(np.arctan2(frame.v, frame.u))
    # Fine noise frays the border, in proportion to the contour's irregularity.
    fray = np.float32(0.012 + 0.12 * traits.irregularity) * fine
    edge = (boundary - distance + fray) / np.float32(max(traits.softness, 0.01))
    inside: Field = np.asarray(1 / (1 + np.exp(-np.clip(3 * edge, -30, 30))), np.float32)

    lean = np.float32(lesion.stream(3).uniform(0, 2 * np.pi))
    side = (np.cos(lean) * frame.u + np.sin(lean) * frame.v) / np.float32(traits.radius)
    variation = 1 + np.float32(traits.patchiness) * patches + np.float32(traits.asymmetry) * np.tanh(side)
    amount = inside * np.maximum(variation, 0.12)
    # Blood has a separate pattern, so that dark patches are not always red.
    flush = inside * np.maximum(1 + np.float32(0.5 * traits.patchiness) * mottle, 0.2)
    skin = np.float32(lesion.skin_melanin) * (1 + 0.1 * mottle + 0.05 * fine)
    return Tissue(
        inside=inside,
        depth=np.asarray(1 - distance / boundary, np.float32),
        melanin=skin + np.float32(traits.pigment) * amount,
        blood=np.float32(lesion.skin_blood) * (1 + 0.25 * fine) + np.float32(traits.erythema) * flush,
        keratin=np.float32(traits.keratin) * amount,
        veil=np.zeros_like(inside),
        white=np.zeros_like(inside),
    )

"""A view of a lesion: camera position, illumination and artefacts."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Parameters of one image of a lesion, with equal distributions for all diagnoses.

    Attributes:
        rotation: Rotation of the camera in radians.
        zoom: Magnification.
        shift: Offset (right, down) of the lesion from the image centre, in halves of the shorter side.
        exposure: Factor on the brightness.
        warmth: White balance; above 0 is redder.
        gradient: Change of brightness per unit to the right and down.
        vignette: Radius of the round field of view in halves of the shorter side; 0 if it is not visible.
        hairs: Number of hairs.
        dark_hair: Whether hairs are dark.
        bubbles: Number of bubbles in the immersion gel.
        ruler: Whether millimetre marks run along the lower edge.
        blur: Standard deviation of the blur in halves of the shorter side.
        grain: Standard deviation of the sensor noise; pixels range from 0 to 1.
        seed: Seed of the hairs, bubbles and grain.
    """

    rotation: float
    zoom: float
    shift: tuple[float, float]
    exposure: float
    warmth: float
    gradient: tuple[float, float]
    vignette: float
    hairs: int
    dark_hair: bool
    bubbles: int
    ruler: bool
    blur: float
    grain: float
    seed: int


def draw_view(rng: np.random.Generator) -> View:
    """Draw one view."""
    return View(
        rotation=float(rng.uniform(0.0, 2 * np.pi)),
        zoom=float(rng.uniform(0.85, 1.25)),
        shift=(float(rng.normal(0.0, 0.09)), float(rng.normal(0.0, 0.07))),
        exposure=float(rng.uniform(0.85, 1.1)),
        warmth=float(rng.normal(0.0, 0.035)),
        gradient=(float(rng.normal(0.0, 0.05)), float(rng.normal(0.0, 0.05))),
        vignette=float(rng.uniform(1.1, 1.5)) if rng.random() < 0.3 else 0.0,
        hairs=int(rng.integers(3, 26)) if rng.random() < 0.4 else 0,
        dark_hair=bool(rng.random() < 0.75),
        bubbles=int(rng.integers(2, 8)) if rng.random() < 0.15 else 0,
        ruler=bool(rng.random() < 0.12),
        blur=float(rng.uniform(0.0, 0.008)),
        grain=float(rng.uniform(0.004, 0.018)),
        seed=int(rng.integers(2**32)),
    )

"""A lesion: the parameters that all its images share."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lesionlab.errors import UsageError
from lesionlab.phantoms.class_appearance import Traits, draw_traits
from lesionlab.taxonomy import BY_CODE, CODES

# Melanin of unaffected skin, from Fitzpatrick type I to VI, in the units of `tissue.MELANIN`.
_SKIN_MELANIN = (0.04, 0.1, 0.2, 0.4, 0.75, 1.25)
# Mostly light skin, as in public collections. Equal in all classes, so that it is not predictive.
_SKIN_SHARE = (0.2, 0.34, 0.22, 0.12, 0.07, 0.05)
_HARMONICS = 8


@dataclass(frozen=True, slots=True)
class PhantomLesion:
    """A synthetic lesion and the skin around it.

    Attributes:
        diagnosis: One of `lesionlab.taxonomy.CODES`.
        fitzpatrick: Skin type, 1 to 6.
        skin_melanin: Melanin of the skin around the lesion.
        skin_blood: Blood of the skin around the lesion.
        orientation: Direction of the long axis in radians.
        harmonics: Amplitude (relative to the radius) and phase of each wave of the contour, from 2 waves upward.
        traits: Colours and structures.
        seed: Seed of the random structures within the lesion, equal in all its images.
    """

    diagnosis: str
    fitzpatrick: int
    skin_melanin: float
    skin_blood: float
    orientation: float
    harmonics: tuple[tuple[float, float], ...]
    traits: Traits
    seed: int

    def boundary(self, angle: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the distance of the contour from the centre in each direction (angles in radians)."""
        stretch = 1.0 + self.traits.elongation
        local = angle - self.orientation
        # Polar form of an ellipse whose axes have the mean radius as their geometric mean.
        ellipse = 1.0 / np.sqrt(np.cos(local) ** 2 / stretch + np.sin(local) ** 2 * stretch)
        waves = np.ones_like(angle)
        for order, (amplitude, phase) in enumerate(self.harmonics, start=2):
            waves += amplitude * np.cos(order * angle + phase)
        return np.asarray(self.traits.radius * ellipse * np.maximum(waves, 0.35), dtype=np.float32)

    def stream(self, purpose: int) -> np.random.Generator:
        """Return a separate generator for each structure, so that structures do not affect each other."""
        return np.random.default_rng((self.seed, purpose))


def draw_lesion(diagnosis: str, rng: np.random.Generator) -> PhantomLesion:
    """Draw one lesion.

    Raises:
        UsageError: `diagnosis` is none of the seven codes.
    """
    if diagnosis not in BY_CODE:
        raise UsageError(f"diagnosis {diagnosis!r} is none of {', '.join(CODES)}")
    traits = draw_traits(diagnosis, rng)
    skin = int(rng.choice(len(_SKIN_MELANIN), p=_SKIN_SHARE))
    orders = np.arange(2, 2 + _HARMONICS)
    # Amplitudes decrease with the order, so that irregular contours are smooth as well.
    amplitudes = traits.irregularity * rng.normal(size=_HARMONICS) * (2.0 / orders) ** 1.3
    phases = rng.uniform(0.0, 2 * np.pi, _HARMONICS)
    return PhantomLesion(
        diagnosis=diagnosis,
        fitzpatrick=skin + 1,
        skin_melanin=_SKIN_MELANIN[skin] * float(rng.uniform(0.8, 1.25)),
        skin_blood=float(rng.uniform(0.05, 0.4)),
        orientation=float(rng.uniform(0.0, np.pi)),
        harmonics=tuple(zip(amplitudes.tolist(), phases.tolist(), strict=True)),
        traits=traits,
        seed=int(rng.integers(2**32)),
    )

"""Metadata of a synthetic lesion: age, sex, site and method of confirmation."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class PhantomPatient:
    """Metadata of one lesion; None if not recorded."""

    age: float | None
    sex: str | None
    site: str | None
    dx_type: str


@dataclass(frozen=True, slots=True)
class _Population:
    """Distributions of one diagnosis, rounded from HAM10000 (Tschandl et al., Sci. Data 5, 180161, 2018)."""

    age_mean: float
    age_deviation: float
    male: float
    sites: dict[str, float]
    dx_types: dict[str, float]


_POPULATIONS: dict[str, _Population] = {
    "mel": _Population(
        61, 15, 0.6,
        {"back": 30, "upper extremity": 18, "lower extremity": 17, "face": 11, "chest": 6, "abdomen": 5, "trunk": 4,
         "neck": 3, "foot": 2, "ear": 2, "scalp": 2},
        {"histo": 100},
    ),
    "nv": _Population(
        47, 14, 0.52,
        {"lower extremity": 23, "trunk": 21, "back": 20, "abdomen": 13, "upper extremity": 9, "foot": 4, "chest": 2,
         "face": 1, "neck": 1, "genital": 1, "hand": 1},
        {"follow_up": 69, "histo": 25, "consensus": 6},
    ),
    "bcc": _Population(
        67, 13, 0.63,
        {"back": 38, "face": 19, "lower extremity": 11, "chest": 10, "upper extremity": 10, "scalp": 3, "neck": 3,
         "abdomen": 3, "trunk": 2},
        {"histo": 100},
    ),
    "akiec": _Population(
        67, 12, 0.65,
        {"face": 37, "upper extremity": 18, "lower extremity": 18, "back": 10, "chest": 4, "neck": 4, "scalp": 4,
         "hand": 4},
        {"histo": 100},
    ),
    "bkl": _Population(
        64, 14, 0.58,
        {"face": 27, "back": 18, "lower extremity": 15, "upper extremity": 9, "trunk": 8, "chest": 7, "abdomen": 5,
         "scalp": 3, "neck": 3, "hand": 2},
        {"histo": 67, "consensus": 28, "confocal": 5},
    ),
    "df": _Population(
        53, 13, 0.48,
        {"lower extremity": 74, "upper extremity": 19, "abdomen": 3, "back": 2},
        {"consensus": 60, "histo": 40},
    ),
    "vasc": _Population(
        52, 20, 0.51,
        {"trunk": 28, "abdomen": 22, "lower extremity": 16, "back": 12, "upper extremity": 6, "face": 5, "chest": 3,
         "hand": 3, "neck": 2, "scalp": 2},
        {"consensus": 66, "histo": 34},
    ),
}  # fmt: skip
_SHARE_MISSING = 0.03


def draw_patient(diagnosis: str, rng: np.random.Generator) -> PhantomPatient:
    """Draw the metadata of a lesion. Ages are in steps of five years, as in HAM10000."""
    population = _POPULATIONS[diagnosis]
    age = 5.0 * round(float(np.clip(rng.normal(population.age_mean, population.age_deviation), 5, 85)) / 5)
    sex = "male" if rng.random() < population.male else "female"
    site = _pick(population.sites, rng)
    dx_type = _pick(population.dx_types, rng)
    no_age, no_sex, no_site = (rng.random(3) < _SHARE_MISSING).tolist()
    return PhantomPatient(None if no_age else age, None if no_sex else sex, None if no_site else site, dx_type)


def _pick(weights: dict[str, float], rng: np.random.Generator) -> str:
    shares = np.array(list(weights.values()))
    return str(rng.choice(list(weights), p=shares / shares.sum()))

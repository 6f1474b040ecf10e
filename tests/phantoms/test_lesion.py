"""Drawn lesions are valid for every class and every seed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesionlab.errors import UsageError
from lesionlab.phantoms import draw_lesion
from lesionlab.taxonomy import CODES


@settings(deadline=None)
@given(code=st.sampled_from(CODES), seed=st.integers(0, 2**32))
def test_a_lesion_is_drawn_for_every_class_and_seed(code: str, seed: int) -> None:
    lesion = draw_lesion(code, np.random.default_rng(seed))
    assert lesion == draw_lesion(code, np.random.default_rng(seed))
    assert lesion.diagnosis == code
    assert 1 <= lesion.fitzpatrick <= 6
    angles = np.linspace(0, 2 * np.pi, 90, dtype=np.float32)
    boundary = lesion.boundary(angles)
    assert boundary.min() > 0
    # The contour is closed, and its stretching keeps the mean radius.
    assert boundary[0] == pytest.approx(boundary[-1], rel=1e-3)
    assert 0.5 < boundary.mean() / lesion.traits.radius < 1.6


def test_lesions_of_different_seeds_differ() -> None:
    lesions = {draw_lesion("nv", np.random.default_rng(seed)) for seed in range(50)}
    assert len(lesions) == 50


def test_every_skin_type_occurs_in_every_class() -> None:
    for code in CODES:
        rng = np.random.default_rng(5)
        assert {draw_lesion(code, rng).fitzpatrick for _ in range(200)} == {1, 2, 3, 4, 5, 6}


def test_classes_differ_in_their_leading_signs() -> None:
    rng = np.random.default_rng(11)
    traits = {code: [draw_lesion(code, rng).traits for _ in range(200)] for code in CODES}
    leading = {
        "veil": "mel", "asymmetry": "mel", "globules": "nv", "arborising": "bcc", "nests": "bcc", "scale": "akiec",
        "strawberry": "akiec", "cysts": "bkl", "openings": "bkl", "scar": "df", "lacunae": "vasc",
    }  # fmt: skip
    for trait, code in leading.items():
        means = {other: float(np.mean([getattr(one, trait) for one in traits[other]])) for other in CODES}
        assert max(means, key=lambda other: means[other]) == code, (trait, means)
        # Classes overlap: another class has the sign as well.
        assert sum(value > 0 for value in means.values()) >= 2, trait


def test_an_unknown_diagnosis_is_an_error() -> None:
    with pytest.raises(UsageError, match=r"'wart' is none of mel, nv"):
        draw_lesion("wart", np.random.default_rng(0))

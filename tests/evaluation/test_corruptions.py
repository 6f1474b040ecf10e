"""Corruptions are stages of one thing, change what they say, and leave an image an image."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesionlab.evaluation.corruptions import CORRUPTIONS, SEVERITIES, corrupted
from lesionlab.phantoms import phantom_image


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.asarray(phantom_image("mel", 3, (160, 120)))


@pytest.mark.parametrize("name", sorted(set(CORRUPTIONS) - {"nearer", "farther"}))
def test_each_stage_is_farther_from_the_image(pixels: np.ndarray, name: str) -> None:
    stages = [corrupted(pixels, name, severity, seed=1) for severity in SEVERITIES]
    for stage in stages:
        assert stage.shape == pixels.shape
        assert stage.dtype == np.uint8
    ood_scores = [np.abs(stage.astype(float) - pixels).mean() for stage in stages]
    assert ood_scores[0] > 0.05
    assert ood_scores == sorted(ood_scores)
    np.testing.assert_array_equal(stages[2], corrupted(pixels, name, 3, seed=1))


def test_the_lesion_grows_and_shrinks_with_the_distance() -> None:
    rows, columns = np.mgrid[-1:1:120j, -1:1:160j]
    disc = np.where(np.hypot(rows, columns) < 0.4, 60, 200).astype(np.uint8)
    picture = np.repeat(disc[..., None], 3, axis=2)

    def areas(name: str) -> list[int]:
        return [int((corrupted(picture, name, severity, 0)[..., 0] < 130).sum()) for severity in SEVERITIES]

    before = int((disc < 130).sum())
    assert [before, *areas("nearer")] == sorted({before, *areas("nearer")})
    assert [before, *areas("farther")] == sorted({before, *areas("farther")}, reverse=True)


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(sorted(CORRUPTIONS)),
    severity=st.sampled_from(SEVERITIES),
    size=st.tuples(st.integers(8, 90), st.integers(8, 90)),
    seed=st.integers(0, 2**20),
)
def test_any_size_and_seed_will_do(name: str, severity: int, size: tuple[int, int], seed: int) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    before = picture.copy()
    changed = corrupted(picture, name, severity, seed)
    assert (changed.shape, changed.dtype) == (picture.shape, picture.dtype)
    np.testing.assert_array_equal(picture, before)

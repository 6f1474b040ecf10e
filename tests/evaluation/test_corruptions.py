"""Image corruptions: increasing severity, shape and type."""

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
def test_distance_to_the_image_increases_with_severity(pixels: np.ndarray, name: str) -> None:
    stages = [corrupted(pixels, name, severity, seed=1) for severity in SEVERITIES]
    for stage in stages:
        assert stage.shape == pixels.shape
        assert stage.dtype == np.uint8
    distances = [np.abs(stage.astype(float) - pixels).mean() for stage in stages]
    assert distances[0] > 0.05
    assert distances == sorted(distances)
    np.testing.assert_array_equal(stages[2], corrupted(pixels, name, 3, seed=1))


def test_lesion_area_changes_with_the_distance() -> None:
    rows, columns = np.mgrid[-1:1:120j, -1:1:160j]
    disc = np.where(np.hypot(rows, columns) < 0.4, 60, 200).astype(np.uint8)
    image = np.repeat(disc[..., None], 3, axis=2)

    def areas(name: str) -> list[int]:
        return [int((corrupted(image, name, severity, 0)[..., 0] < 130).sum()) for severity in SEVERITIES]

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
def test_any_size_and_seed(name: str, severity: int, size: tuple[int, int], seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    before = image.copy()
    changed = corrupted(image, name, severity, seed)
    assert (changed.shape, changed.dtype) == (image.shape, image.dtype)
    np.testing.assert_array_equal(image, before)

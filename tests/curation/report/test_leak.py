"""The expected leak of a split by image, against simulated splits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesionlab.curation.report import expected_leak


def simulated_leak(images_per_lesion: dict[int, int], training: int, test: int, splits: int = 4000) -> float:
    sizes = [size for size, count in images_per_lesion.items() for _ in range(count)]
    lesions = np.repeat(np.arange(len(sizes)), sizes)
    random = np.random.default_rng(0)
    shares = []
    for _ in range(splits):
        order = random.permutation(lesions)
        shares.append(np.isin(order[training : training + test], order[:training]).mean())
    return float(np.mean(shares))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("images_per_lesion", "training", "test"),
    [({1: 20, 2: 10, 5: 2}, 40, 10), ({1: 20, 2: 10, 5: 2}, 35, 7), ({1: 3, 30: 1}, 5, 28), ({2: 25}, 5, 45)],
)
def test_equals_the_mean_over_simulated_splits(images_per_lesion: dict[int, int], training: int, test: int) -> None:
    expected = simulated_leak(images_per_lesion, training, test)
    assert expected_leak(images_per_lesion, training) == pytest.approx(expected, abs=0.01)


@given(
    st.dictionaries(st.integers(1, 30), st.integers(1, 20), min_size=1, max_size=5),
    st.floats(0, 1, exclude_max=True),
)
def test_is_a_share_that_grows_with_training(images_per_lesion: dict[int, int], share: float) -> None:
    images = sum(size * count for size, count in images_per_lesion.items())
    training = int(share * images)
    leak = expected_leak(images_per_lesion, training)
    assert 0 <= leak <= 1
    assert leak <= expected_leak(images_per_lesion, min(training + 1, images - 1)) + 1e-12
    assert expected_leak({1: images}, training) == 0


def test_lesions_larger_than_the_test_always_leak() -> None:
    assert expected_leak({10: 1}, training_images=8) == 1

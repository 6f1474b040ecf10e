"""The bootstrap by lesion: its resamples and the coverage of its intervals."""

from random import Random

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesionlab.metrics.arrays import weighted_mean
from lesionlab.metrics.bootstrap import lesion_weights, percentile_interval

lesions = st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, max_size=12)


@given(lesions, st.integers(0, 1000))
def test_images_of_one_lesion_have_equal_weights(lesion_ids: list[str], seed: int) -> None:
    weights = lesion_weights(lesion_ids, 5, seed)
    assert weights.shape == (5, len(lesion_ids))
    first_of = {lesion: lesion_ids.index(lesion) for lesion in lesion_ids}
    np.testing.assert_array_equal(weights, weights[:, [first_of[lesion] for lesion in lesion_ids]])
    assert (weights[:, list(first_of.values())].sum(axis=1) == len(first_of)).all()


@given(lesions, st.integers(0, 1000), st.randoms(use_true_random=False))
def test_resamples_do_not_depend_on_the_order_of_the_images(lesion_ids: list[str], seed: int, random: Random) -> None:
    order = list(range(len(lesion_ids)))
    random.shuffle(order)
    shuffled = lesion_weights([lesion_ids[index] for index in order], 5, seed)
    np.testing.assert_array_equal(shuffled, lesion_weights(lesion_ids, 5, seed)[:, order])


def test_lesions_are_drawn_uniformly_and_reproducibly_by_seed() -> None:
    ids = [f"{index}" for index in range(20)]
    weights = lesion_weights(ids, 4000, seed=1)
    np.testing.assert_allclose(weights.mean(axis=0), 1, atol=0.08)
    # The count of a lesion in 20 draws with probability 1/20 each has the variance 0.95.
    np.testing.assert_allclose(weights.var(axis=0), 0.95, atol=0.12)
    np.testing.assert_array_equal(weights[:10], lesion_weights(ids, 10, seed=1))
    assert (weights[:10] != lesion_weights(ids, 10, seed=2)).any()


def clustered(generator: np.random.Generator) -> tuple[npt.NDArray[np.float64], list[str]]:
    """Return whether each prediction is correct, probability 0.7 and equal within a lesion, and the lesions."""
    images = np.repeat(np.arange(120), generator.integers(1, 6, 120))
    return (generator.random(120) < 0.7)[images].astype(np.float64), [str(lesion) for lesion in images]


@pytest.mark.slow
def test_intervals_by_lesion_have_nominal_coverage_and_intervals_by_image_do_not() -> None:
    generator = np.random.default_rng(11)
    by_lesion: list[bool] = []
    by_image: list[bool] = []
    for draw in range(400):
        right, lesion_ids = clustered(generator)
        for held, units in ((by_lesion, lesion_ids), (by_image, [str(image) for image in range(len(right))])):
            low, high = percentile_interval(weighted_mean(right, lesion_weights(units, 200, seed=draw)))
            held.append(low <= 0.7 <= high)
    assert np.mean(by_lesion) == pytest.approx(0.95, abs=0.035)
    assert np.mean(by_image) < 0.85


def test_interval_uses_the_resamples_that_define_the_metric() -> None:
    values = np.concatenate([np.arange(101.0), np.full(101, np.nan)])
    assert percentile_interval(values) == pytest.approx((2.5, 97.5))
    assert percentile_interval(values, level=0.8) == pytest.approx((10, 90))


@pytest.mark.parametrize("values", [[], [np.nan], [1.0, np.nan, np.nan]])
def test_no_interval_if_most_resamples_are_undefined(values: list[float]) -> None:
    assert np.isnan(percentile_interval(np.array(values, dtype=np.float64))).all()

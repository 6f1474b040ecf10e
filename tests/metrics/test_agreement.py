"""Kappa, against scikit-learn, the example of Fleiss' method, and its own definition."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from lesionlab.metrics.agreement import cohen_kappa, fleiss_kappa


@given(pairs=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40))
def test_cohen_is_that_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    first, second = np.array(pairs).T
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = cohen_kappa_score(first, second, labels=range(4))
    np.testing.assert_allclose(cohen_kappa(first, second, 4), expected, atol=1e-12)


@given(
    pairs=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 3)), min_size=2, max_size=20),
)
def test_a_weight_is_a_number_of_copies(pairs: list[tuple[int, int, int]]) -> None:
    first, second, weights = np.array(pairs).T
    several = np.stack([weights, np.ones_like(weights)])
    if not weights.any():
        return
    copied = cohen_kappa(np.repeat(first, weights), np.repeat(second, weights), 3)
    np.testing.assert_allclose(cohen_kappa(first, second, 3, several)[0], copied, atol=1e-12)
    counts = np.stack([(first == code).astype(int) + (second == code) for code in range(3)], axis=1)
    np.testing.assert_allclose(
        fleiss_kappa(counts, weights), fleiss_kappa(np.repeat(counts, weights, axis=0)), atol=1e-12
    )


def test_fleiss_of_a_published_table() -> None:
    """14 readers, ten subjects, five classes: kappa 0.210, in many textbooks."""
    counts = np.array(
        [
            [0, 0, 0, 0, 14],
            [0, 2, 6, 4, 2],
            [0, 0, 3, 5, 6],
            [0, 3, 9, 2, 0],
            [2, 2, 8, 1, 1],
            [7, 7, 0, 0, 0],
            [3, 2, 6, 3, 0],
            [2, 5, 3, 2, 2],
            [6, 5, 2, 1, 0],
            [0, 2, 2, 3, 7],
        ]
    )
    assert float(fleiss_kappa(counts)) == pytest.approx(0.2099, abs=1e-4)


def test_one_class_throughout_is_undefined() -> None:
    ones = np.ones(5, dtype=int)
    assert np.isnan(cohen_kappa(ones, ones, 2))
    assert np.isnan(fleiss_kappa(np.array([[0, 2]] * 5)))

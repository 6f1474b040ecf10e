"""Coverage of prediction sets, and comparison with the library crepes."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesionlab.metrics.conformal import class_thresholds, conformal_threshold, set_members

crepes = pytest.importorskip("crepes")


def drawn(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return labels of three classes, one of them rare, and informative probabilities."""
    labels = rng.choice(3, count, p=[0.7, 0.25, 0.05])
    logits = rng.normal(0, 1, (count, 3)) + np.eye(3)[labels] * 1.5
    powers = np.exp(logits)
    return labels, powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
@pytest.mark.parametrize("by_class", [False, True])
def test_sets_equal_those_of_crepes(coverage: float, *, by_class: bool) -> None:
    rng = np.random.default_rng(0)
    labels, probabilities = drawn(rng, 900)
    _, new = drawn(rng, 300)
    scores = 1 - probabilities[np.arange(900), labels]
    model = crepes.ConformalClassifier()
    if by_class:
        model.fit(scores, bins=labels)
        bins = np.tile(np.arange(3), (300, 1))
        found = set_members(new, class_thresholds(labels, probabilities, coverage))
        expected = np.stack(
            [
                model.predict_set(1 - new[:, [k]], bins=bins[:, k], confidence=coverage, smoothing=False)[:, 0]
                for k in range(3)
            ],
            axis=1,
        )
    else:
        model.fit(scores)
        found = set_members(new, conformal_threshold(scores, coverage))
        expected = model.predict_set(1 - new, confidence=coverage, smoothing=False)
    np.testing.assert_array_equal(found, expected.astype(bool))


@given(count=st.integers(0, 60), coverage=st.sampled_from([0.8, 0.9, 0.95]))
def test_threshold_is_infinite_for_few_images(count: int, coverage: float) -> None:
    threshold = conformal_threshold(np.linspace(0, 1, count), coverage)
    assert math.isinf(threshold) == (count < round(coverage / (1 - coverage)))


def test_mean_coverage_is_nominal() -> None:
    rng = np.random.default_rng(1)
    marginal, rare = [], []
    for _ in range(200):
        labels, probabilities = drawn(rng, 600)
        new, of_new = drawn(rng, 600)
        scores = 1 - probabilities[np.arange(600), labels]
        held = set_members(of_new, conformal_threshold(scores, 0.9))[np.arange(600), new]
        marginal.append(held.mean())
        by_class = set_members(of_new, class_thresholds(labels, probabilities, 0.9))[np.arange(600), new]
        rare.append(by_class[new == 2].mean())
    assert np.mean(marginal) == pytest.approx(0.9, abs=0.01)
    # With about 30 images of a class, the mean coverage may exceed the nominal one by 1 / (n + 1).
    assert 0.89 <= np.mean(rare) <= 0.94

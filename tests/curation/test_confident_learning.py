"""Thresholds, counts and likely errors are those of cleanlab."""

import numpy as np
import pytest
from cleanlab.count import compute_confident_joint, get_confident_thresholds
from cleanlab.filter import find_label_issues
from hypothesis import given, settings
from hypothesis import strategies as st

from lesionlab.curation.confident_learning import class_thresholds, confident_joint, likely_errors
from lesionlab.metrics.arrays import FloatArray, IntArray


def sample(seed: int, count: int = 400, classes: int = 4) -> tuple[IntArray, FloatArray]:
    """Return labels, a tenth of them wrong, and probabilities of a fair classifier."""
    random = np.random.default_rng(seed)
    true = random.choice(classes, count, p=np.arange(classes, 0, -1) / sum(range(classes + 1)))
    logits = random.normal(size=(count, classes)) + 2 * np.eye(classes)[true]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.where(random.random(count) < 0.1, random.integers(0, classes, count), true)
    labels[:classes] = np.arange(classes)
    return labels, probabilities


@pytest.mark.parametrize("seed", range(3))
def test_results_are_those_of_cleanlab(seed: int) -> None:
    labels, probabilities = sample(seed)
    np.testing.assert_allclose(class_thresholds(labels, probabilities), get_confident_thresholds(labels, probabilities))
    theirs = compute_confident_joint(labels, probabilities)
    # cleanlab rounds to integers with the given totals.
    np.testing.assert_allclose(confident_joint(labels, probabilities), theirs, atol=1)
    found = likely_errors(labels, probabilities)
    issues = find_label_issues(labels, probabilities, filter_by="prune_by_noise_rate", n_jobs=1)
    assert abs(int(found.sum()) - int(issues.sum())) <= 4
    assert (found == issues).mean() > 0.98


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(3, 60))
def test_rows_sum_to_the_given_counts(seed: int, count: int) -> None:
    random = np.random.default_rng(seed)
    labels, probabilities = random.integers(0, 3, count), random.dirichlet(np.ones(3), count)
    joint = confident_joint(labels, probabilities)
    np.testing.assert_allclose(joint.sum(axis=1), np.bincount(labels, minlength=3))
    assert likely_errors(labels, probabilities).sum() <= count


def test_a_certain_classifier_finds_the_wrong_labels_only() -> None:
    true = np.repeat([0, 1, 2], 20)
    labels = true.copy()
    labels[[3, 25, 50]] = [1, 2, 0]
    assert np.flatnonzero(likely_errors(labels, 0.97 * np.eye(3)[true] + 0.01)).tolist() == [3, 25, 50]


def test_a_class_without_samples_gets_none() -> None:
    labels, probabilities = np.array([0, 0, 1, 1]), np.full((4, 3), 1 / 3)
    assert np.isinf(class_thresholds(labels, probabilities)[2])
    assert confident_joint(labels, probabilities)[:, 2].tolist() == [0, 0, 0]

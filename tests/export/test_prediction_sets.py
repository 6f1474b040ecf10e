"""Conformal prediction sets, fitted by lesion."""

import numpy as np
import pytest

from lesionlab.export.prediction_sets import fit_prediction_sets, one_per_lesion

CLASSES = ("a", "b", "c")


def test_each_lesion_counts_with_one_image() -> None:
    lesions = ["x", "y", "x", "z", "x"]
    chosen = one_per_lesion(lesions)
    assert sorted(lesions[index] for index in chosen) == ["x", "y", "z"]
    assert len({tuple(one_per_lesion(lesions, seed)) for seed in range(20)}) > 1


def test_repeated_images_do_not_change_the_thresholds() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 300)
    probabilities = rng.dirichlet(np.ones(3), 300)
    lesions = [str(index) for index in range(300)]
    once = fit_prediction_sets(labels, probabilities, lesions, CLASSES)
    # Fifty images of the worst lesion count as one.
    worst = np.concatenate([np.arange(300), np.repeat(probabilities[np.arange(300), labels].argmin(), 50)])
    repeated = fit_prediction_sets(labels[worst], probabilities[worst], [lesions[i] for i in worst], CLASSES)
    assert once is not None
    assert once == repeated


def test_a_class_with_few_lesions_is_in_every_set() -> None:
    rng = np.random.default_rng(0)
    labels = np.array([0] * 100 + [1] * 100 + [2] * 5)
    probabilities = rng.dirichlet((5, 5, 0.1), 205)
    sets = fit_prediction_sets(labels, probabilities, [str(i) for i in range(205)], CLASSES)
    assert sets is not None
    assert sets.class_conditional["c"] is None
    assert sets.lesions == {"a": 100, "b": 100, "c": 5}
    assert sets.class_conditional_members(probabilities)[:, 2].all()
    for members in (sets.marginal_members(probabilities), sets.class_conditional_members(probabilities)):
        assert members[np.arange(205), probabilities.argmax(axis=1)].all()


@pytest.mark.parametrize("count", [0, 5])
def test_too_few_lesions_have_no_sets(count: int) -> None:
    labels, rows = np.zeros(count, int), np.full((count, 3), 1 / 3)
    assert fit_prediction_sets(labels, rows, [str(i) for i in range(count)], CLASSES) is None

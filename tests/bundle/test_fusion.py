"""Probabilities of a lesion from those of its images."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesionlab.bundle.fusion import combined_logits, effective_count, fused_probabilities, lesion_evidence
from lesionlab.metrics import softmax

FREQUENCIES = np.array([0.7, 0.2, 0.1])
ROWS = np.array([[0.5, 0.3, 0.2], [0.2, 0.6, 0.2], [0.3, 0.4, 0.3]])


@given(st.integers(1, 50), st.floats(0, 1))
def test_correlated_images_count_as_at_most_their_number(images: int, correlation: float) -> None:
    count = float(effective_count(images, correlation))
    assert 1 - 1e-12 <= count <= images + 1e-12
    if correlation > 0:
        assert count <= 1 / correlation + 1e-9  # what many images of one lesion can add is bounded


def test_one_image_keeps_its_probabilities() -> None:
    assert (fused_probabilities(ROWS[:1], FREQUENCIES, 0.3) == ROWS[0]).all()


def test_equal_and_fully_correlated_images_count_as_one() -> None:
    several = np.repeat(ROWS[:1], 4, axis=0)
    np.testing.assert_allclose(fused_probabilities(several, FREQUENCIES, 1.0), ROWS[0])


def test_independent_images_follow_bayes_rule() -> None:
    expected = FREQUENCIES * (ROWS / FREQUENCIES).prod(axis=0)
    np.testing.assert_allclose(fused_probabilities(ROWS, FREQUENCIES, 0.0), expected / expected.sum())


def test_full_correlation_is_the_mean_of_the_log_probabilities() -> None:
    expected = np.exp(np.log(ROWS).mean(axis=0))
    np.testing.assert_allclose(fused_probabilities(ROWS, FREQUENCIES, 1.0), expected / expected.sum())


def test_the_order_of_the_images_does_not_matter() -> None:
    once, reversed_ = (fused_probabilities(rows, FREQUENCIES, 0.4) for rows in (ROWS, ROWS[::-1]))
    np.testing.assert_allclose(once, reversed_)


def test_a_weight_of_zero_leaves_a_type_out() -> None:
    dermoscopic, clinical = (lesion_evidence(rows[None], FREQUENCIES, 1.0)[None] for rows in ROWS[:2])
    logits = combined_logits(
        {"dermoscopic": dermoscopic, "clinical": clinical}, FREQUENCIES, {"dermoscopic": 1.0, "clinical": 0.0}
    )
    assert softmax(logits)[0] == pytest.approx(ROWS[0])

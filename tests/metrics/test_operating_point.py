"""Thresholds for a sensitivity, and predictive values by prevalence."""

import numpy as np
import numpy.typing as npt
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from lesionlab.errors import DataError, UsageError
from lesionlab.metrics import choose_operating_point, guaranteed_threshold, measure_operating_point, predictive_values

Case = tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64], npt.NDArray[np.int64]]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Generate positives (at least one with a weight), scores with ties, and weights."""
    size = draw(st.integers(1, 20))
    positive = np.array(draw(st.lists(st.booleans(), min_size=size, max_size=size)))
    scores = draw(st.lists(st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.7, 1.0]), min_size=size, max_size=size))
    weights = np.array(draw(st.lists(st.integers(0, 3), min_size=size, max_size=size)))
    first = draw(st.integers(0, size - 1))
    positive[first], weights[first] = True, max(1, weights[first])
    return positive, np.array(scores), weights


@given(cases(), st.sampled_from([0.05, 0.5, 2 / 3, 0.9, 0.95, 1.0]))
def test_threshold_is_the_largest_with_the_sensitivity(case: Case, target: float) -> None:
    positive, scores, weights = case
    point = choose_operating_point(target, positive, scores, weights)
    assert point.sensitivity >= target
    higher = float(np.nextafter(point.threshold, np.inf))
    assert measure_operating_point(higher, positive, scores, weights).sensitivity < target


@given(cases(), st.floats(-0.1, 1.1))
def test_metrics_are_ratios_of_counts(case: Case, threshold: float) -> None:
    positive, scores, weights = case
    point = measure_operating_point(threshold, positive, scores, weights)
    truth, called = positive.repeat(weights), scores.repeat(weights) >= threshold

    def share(of: npt.NDArray[np.bool_], among: npt.NDArray[np.bool_]) -> float:
        return float(of[among].mean()) if among.any() else float("nan")

    assert point.threshold == threshold
    assert point.prevalence == pytest.approx(truth.mean())
    expected = share(called, truth), share(~called, ~truth), share(truth, called), share(~truth, ~called)
    measured = point.sensitivity, point.specificity, point.ppv, point.npv
    np.testing.assert_allclose(measured, expected)


@given(cases(), st.floats(0.0, 1.0))
def test_predictive_values_at_the_measured_prevalence_equal_the_measured_ones(case: Case, threshold: float) -> None:
    positive, scores, weights = case
    point = measure_operating_point(threshold, positive, scores, weights)
    if np.isnan(point.specificity):
        return
    again = point.at_prevalence(point.prevalence)
    np.testing.assert_allclose([again.ppv, again.npv], [point.ppv, point.npv], atol=1e-12)


def test_predictive_values_depend_on_the_prevalence() -> None:
    # 1,000 patients, 20 diseased: 19 true positives, 1 false negative, 196 false positives of 980.
    assert predictive_values(0.95, 0.8, 0.02) == pytest.approx((19 / 215, 784 / 785))
    ppv, npv = predictive_values(1.0, 0.0, 0.3)
    assert ppv == pytest.approx(0.3)
    assert np.isnan(npv)


@pytest.mark.parametrize(("sensitivity", "confidence"), [(0.95, 0.95), (0.9, 0.95), (0.8, 0.9)])
def test_the_guarantee_is_the_limit_of_clopper_and_pearson(sensitivity: float, confidence: float) -> None:
    for count in (1, 22, 58, 59, 92, 93, 175, 5000):
        scores = np.arange(count, dtype=np.float64)
        threshold = guaranteed_threshold(sensitivity, confidence, scores[::-1])
        # The score is the number of missed lesions.
        misses = -1 if threshold is None else int(threshold)
        lower = [scipy.stats.beta.ppf(1 - confidence, count - k, k + 1) for k in (misses, misses + 1) if k >= 0]
        assert lower[-1] < sensitivity or misses + 1 == count
        if threshold is not None:
            assert lower[0] >= sensitivity
            assert (scores >= threshold).mean() == 1 - misses / count


def test_a_guarantee_of_95_percent_needs_59_lesions() -> None:
    assert guaranteed_threshold(0.95, 0.95, np.linspace(0, 1, 58)) is None
    assert guaranteed_threshold(0.95, 0.95, np.linspace(0.2, 1, 59)) == 0.2
    assert guaranteed_threshold(0.95, 0.95, np.array([])) is None


@pytest.mark.parametrize(("sensitivity", "confidence"), [(1.0, 0.95), (0.95, 1.0), (0.0, 0.5), (float("nan"), 0.9)])
def test_a_guarantee_out_of_range_is_rejected(sensitivity: float, confidence: float) -> None:
    with pytest.raises(UsageError, match="two numbers above 0 and below 1"):
        guaranteed_threshold(sensitivity, confidence, np.array([0.5]))


@pytest.mark.parametrize("sensitivity", [0.0, -0.5, 1.01, float("nan")])
def test_sensitivity_out_of_range_is_rejected(sensitivity: float) -> None:
    with pytest.raises(UsageError, match="above 0 and at most 1"):
        choose_operating_point(sensitivity, np.array([True]), np.array([0.5]))


@pytest.mark.parametrize("weights", [None, np.array([1, 0])])
def test_choosing_a_threshold_needs_a_positive_image(weights: npt.NDArray[np.int64] | None) -> None:
    positive = np.array([False, weights is not None])
    with pytest.raises(DataError, match="no positive image"):
        choose_operating_point(0.9, positive, np.array([0.2, 0.8]), weights)


@pytest.mark.parametrize("prevalence", [-0.1, 1.1, float("nan")])
def test_prevalence_out_of_range_is_rejected(prevalence: float) -> None:
    with pytest.raises(UsageError, match="from 0 to 1"):
        predictive_values(0.9, 0.9, prevalence)

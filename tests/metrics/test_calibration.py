"""Calibration of the top label, of a target and of each class, Brier score, likelihood and temperature scaling."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from lesionlab.metrics import calibration

Case = tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.int64]]
MEASURES = (
    calibration.expected_calibration_error,
    calibration.classwise_calibration_error,
    calibration.brier_score,
    calibration.negative_log_likelihood,
)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Generate labels, probabilities of three classes (0 and 1 included) and weights."""
    size = draw(st.integers(1, 12))
    labels = draw(st.lists(st.integers(0, 2), min_size=size, max_size=size))
    parts = st.lists(st.integers(0, 5), min_size=3, max_size=3).filter(any)
    rows = np.array(draw(st.lists(parts, min_size=size, max_size=size)), dtype=np.float64)
    weights = draw(st.lists(st.integers(0, 3), min_size=size, max_size=size).filter(any))
    return np.array(labels), rows / rows.sum(axis=1, keepdims=True), np.array(weights)


@given(cases())
def test_scores_equal_scikit_learn(case: Case) -> None:
    labels, probabilities, weights = case
    likelihood = sklearn.metrics.log_loss(labels, probabilities, sample_weight=weights, labels=range(3))
    assert calibration.negative_log_likelihood(labels, probabilities, weights) == pytest.approx(likelihood)
    brier = sklearn.metrics.brier_score_loss(
        labels, probabilities, sample_weight=weights, labels=range(3), scale_by_half=False
    )
    assert calibration.brier_score(labels, probabilities, weights) == pytest.approx(brier)


@pytest.mark.slow
@given(cases())
def test_weights_equal_repeated_rows_alone_and_in_a_batch(case: Case) -> None:
    labels, probabilities, weights = case
    batch = np.stack([weights, np.ones_like(weights)])
    for measure in MEASURES:
        repeated = measure(labels.repeat(weights), probabilities.repeat(weights, axis=0))
        np.testing.assert_allclose(measure(labels, probabilities, weights), repeated, atol=1e-12)
        expected = [repeated, measure(labels, probabilities)]
        np.testing.assert_allclose(measure(labels, probabilities, batch), expected, atol=1e-12)


@given(cases(), st.integers(1, 20))
def test_target_calibration_error_equals_the_sum_over_bins(case: Case, bins: int) -> None:
    labels, probabilities, weights = case
    positive, scores = labels.repeat(weights) == 0, probabilities.repeat(weights, axis=0)[:, 0]
    edges = [-1.0, *np.linspace(0, 1, bins + 1)[1:]]  # the first bin holds 0
    inside = [(scores > low) & (scores <= high) for low, high in pairwise(edges)]
    gaps = [abs(positive[members].sum() - scores[members].sum()) / len(scores) for members in inside]
    found = calibration.target_calibration_error(labels == 0, probabilities[:, 0], weights, bins)
    assert found == pytest.approx(sum(gaps), abs=1e-12)


@given(cases(), st.integers(1, 20))
def test_calibration_error_equals_the_sum_over_bins(case: Case, bins: int) -> None:
    labels, probabilities, weights = case
    drawn, table = labels.repeat(weights), probabilities.repeat(weights, axis=0)
    confidence, correct = table.max(axis=1), table.argmax(axis=1) == drawn
    reliability = calibration.reliability_bins(labels, probabilities, weights, bins)
    expected = 0.0
    for index, (low, high) in enumerate(zip(reliability.edges[:-1], reliability.edges[1:], strict=True)):
        inside = (confidence > low) & (confidence <= high)
        assert reliability.count[index] == inside.sum()
        if inside.any():
            assert reliability.confidence[index] == pytest.approx(confidence[inside].mean())
            assert reliability.accuracy[index] == pytest.approx(correct[inside].mean())
            expected += abs(confidence[inside].sum() - correct[inside].sum()) / len(drawn)
        else:
            assert np.isnan([reliability.confidence[index], reliability.accuracy[index]]).all()
    error = calibration.expected_calibration_error(labels, probabilities, weights, bins)
    assert error == pytest.approx(expected, abs=1e-12)


@given(cases(), st.integers(1, 20))
def test_classwise_error_is_the_mean_over_classes_of_the_sum_over_bins(case: Case, bins: int) -> None:
    labels, probabilities, weights = case
    drawn, table = labels.repeat(weights), probabilities.repeat(weights, axis=0)
    errors = []
    for index in range(3):
        scores, positive = table[:, index], drawn == index
        edges = np.linspace(0, 1, bins + 1)
        edges[0] = -1.0
        members = [(scores > low) & (scores <= high) for low, high in pairwise(edges)]
        errors.append(sum(abs(positive[m].sum() - scores[m].sum()) for m in members) / len(drawn))
        found = calibration.target_calibration_error(labels == index, probabilities[:, index], weights, bins)
        assert found == pytest.approx(errors[-1], abs=1e-12)
    classwise = calibration.classwise_calibration_error(labels, probabilities, weights, bins)
    assert classwise == pytest.approx(np.mean(errors), abs=1e-12)


@given(cases(), st.integers(1, 20))
def test_brier_parts_sum_to_the_score_of_scikit_learn(case: Case, bins: int) -> None:
    labels, probabilities, weights = case
    positive, scores = labels == 0, probabilities[:, 0]
    parts = calibration.brier_parts(positive, scores, weights, bins)
    expected = sklearn.metrics.brier_score_loss(positive, scores, sample_weight=weights, labels=[False, True])
    assert parts.score == pytest.approx(expected)
    assert parts.reliability - parts.resolution + parts.uncertainty == pytest.approx(expected)
    assert parts.reliability >= -1e-12


def test_brier_parts_of_a_few_distinct_probabilities_are_those_of_murphy() -> None:
    # One probability in each bin: 0.1 is calibrated, 0.7 is too high by 0.2.
    positive = np.array([True] + 9 * [False] + 5 * [True] + 5 * [False])
    parts = calibration.brier_parts(positive, np.repeat([0.1, 0.7], 10))
    assert parts.reliability == pytest.approx(0.5 * 0.2**2)
    assert parts.uncertainty == pytest.approx(0.3 * 0.7)
    assert parts.resolution == pytest.approx(0.5 * (0.1 - 0.3) ** 2 + 0.5 * (0.5 - 0.3) ** 2)


def test_calibration_in_the_large_is_positive_for_an_overestimated_share() -> None:
    positive, scores = np.array([True, False, False, False]), np.array([0.9, 0.3, 0.3, 0.5])
    assert calibration.calibration_in_the_large(positive, scores) == pytest.approx(0.25)
    assert calibration.calibration_in_the_large(positive, scores, np.array([4, 1, 0, 0])) == pytest.approx(-0.02)


def test_a_calibrated_top_label_does_not_imply_a_calibrated_target() -> None:
    # Three classes; the probabilities of the second and third are exchanged, which the top label does not show.
    probabilities = np.tile([0.6, 0.3, 0.1], (1000, 1))
    labels = np.repeat([0, 1, 2], [600, 100, 300])
    assert calibration.expected_calibration_error(labels, probabilities) == pytest.approx(0)
    assert calibration.target_calibration_error(labels == 2, probabilities[:, 2]) == pytest.approx(0.2)
    assert calibration.classwise_calibration_error(labels, probabilities) == pytest.approx(0.4 / 3)


def test_there_are_fifteen_bins_of_equal_width() -> None:
    bins = calibration.reliability_bins(np.array([0]), np.array([[0.9, 0.1]]))
    np.testing.assert_allclose(bins.edges, np.arange(16) / 15)


def test_loss_of_a_wrong_prediction_with_probability_one_is_finite() -> None:
    loss = calibration.negative_log_likelihood(np.array([1]), np.array([[1.0, 0.0]]))
    assert loss == pytest.approx(-np.log(np.finfo(np.float64).eps))
    assert calibration.brier_score(np.array([1]), np.array([[1.0, 0.0]])) == 2


def test_softmax_is_stable_for_large_logits() -> None:
    np.testing.assert_array_equal(calibration.softmax(np.array([1e4, 0.0, -1e4])), [1, 0, 0])
    warm = calibration.softmax(np.array([[2.0, 1.0, 0.0]]), temperature=3.0)
    np.testing.assert_allclose(warm.sum(axis=1), 1)
    np.testing.assert_allclose(warm[0, 0] / warm[0, 2], np.exp(2 / 3))


@pytest.mark.parametrize("truth", [0.4, 1.0, 2.5])
def test_fitted_temperature_recovers_the_true_one(truth: float) -> None:
    generator = np.random.default_rng(5)
    logits = generator.normal(scale=2.0, size=(6000, 7))
    # The argmax of logits with Gumbel noise follows their softmax.
    labels = (logits + generator.gumbel(size=logits.shape)).argmax(axis=1)
    fitted = calibration.fit_temperature(logits * truth, labels)
    assert fitted == pytest.approx(truth, rel=0.05)

    def loss(temperature: float) -> float:
        return float(calibration.negative_log_likelihood(labels, calibration.softmax(logits * truth, temperature)))

    assert loss(fitted) <= loss(1.0)
    assert loss(fitted) < min(loss(fitted * 1.05), loss(fitted / 1.05))


@given(cases(), st.floats(0.5, 5.0))
def test_fitted_temperature_is_optimal_within_the_limits(case: Case, other: float) -> None:
    labels, probabilities, _ = case
    logits = 4 * probabilities
    fitted = calibration.fit_temperature(logits, labels)
    low, high = calibration.TEMPERATURE_LIMITS
    assert low <= fitted <= high
    best = calibration.negative_log_likelihood(labels, calibration.softmax(logits, fitted))
    assert best <= calibration.negative_log_likelihood(labels, calibration.softmax(logits, other)) + 1e-9


def test_temperature_at_the_limits_and_for_equal_logits() -> None:
    low, high = calibration.TEMPERATURE_LIMITS
    labels = np.array([0, 1])
    assert calibration.fit_temperature(np.full((2, 7), 0.1), labels) == 1
    assert calibration.fit_temperature(np.array([[1.0, 0.0], [0.0, 1.0]]), labels) == low
    assert calibration.fit_temperature(np.array([[0.0, 1.0], [1.0, 0.0]]), labels) == high

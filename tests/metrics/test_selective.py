"""Selective prediction and net benefit against their definitions."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from lesionlab.metrics.selective import most_confident, net_benefit, selective_scores, treat_all


@pytest.fixture
def predictions() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 200)
    confidence = rng.random(200)
    predicted = np.where(rng.random(200) < 0.3 + 0.7 * confidence, labels, (labels + 1) % 3)
    return labels, predicted, confidence


def test_scores_are_computed_on_the_most_confident_images(
    predictions: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    labels, predicted, confidence = predictions
    for coverage in (1.0, 0.6, 0.25):
        kept = confidence >= np.sort(confidence)[-round(coverage * 200)]
        np.testing.assert_array_equal(most_confident(confidence, coverage), kept)
        accuracy, balanced = selective_scores(labels, predicted, confidence, coverage, 3)
        assert accuracy == pytest.approx((labels == predicted)[kept].mean())
        assert balanced == pytest.approx(balanced_accuracy_score(labels[kept], predicted[kept]))


def test_weights_are_image_counts(predictions: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    weights = np.stack([np.ones(200, int), np.arange(200) % 2])
    accuracy, _ = selective_scores(*predictions, 1.0, 3, weights)
    correct = predictions[0] == predictions[1]
    np.testing.assert_allclose(accuracy, [correct.mean(), correct[1::2].mean()])


def test_net_benefit_weights_false_positives_by_the_odds() -> None:
    positive = np.array([True, True, False, False, False])
    scores = np.array([0.9, 0.2, 0.6, 0.1, 0.3])
    thresholds = np.array([0.05, 0.25, 0.5])
    expected = [2 / 5 - 3 / 5 * 0.05 / 0.95, 1 / 5 - 2 / 5 * 0.25 / 0.75, 1 / 5 - 1 / 5]
    np.testing.assert_allclose(net_benefit(positive, scores, thresholds), expected)
    np.testing.assert_allclose(net_benefit(positive, np.ones(5), thresholds), treat_all(0.4, thresholds))
    np.testing.assert_allclose(net_benefit(positive, np.zeros(5), thresholds), 0)
    twice = net_benefit(positive, scores, thresholds, np.array([[1, 1, 1, 1, 1], [2, 2, 2, 2, 2]]))
    np.testing.assert_allclose(twice[0], twice[1])

"""Areas and curves against scikit-learn, with ties, weights and missing classes."""

import numpy as np
import numpy.typing as npt
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from lesionlab.metrics import ranking

Case = tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64], npt.NDArray[np.int64]]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Generate positives, scores and weights, many scores tied."""
    size = draw(st.integers(1, 15))
    positive = draw(st.lists(st.booleans(), min_size=size, max_size=size))
    score = draw(st.sampled_from([st.sampled_from([0.0, 0.1, 0.5, 1.0]), st.floats(0, 1)]))
    scores = draw(st.lists(score, min_size=size, max_size=size))
    weights = draw(st.lists(st.integers(0, 3), min_size=size, max_size=size).filter(any))
    return np.array(positive), np.array(scores), np.array(weights)


@given(cases())
def test_areas_equal_scikit_learn_and_are_nan_if_undefined(case: Case) -> None:
    positive, scores, weights = case
    truth, ranked = positive.repeat(weights), scores.repeat(weights)
    auc = ranking.roc_auc(positive, scores, weights)
    if 0 < truth.sum() < len(truth):
        assert auc == pytest.approx(sklearn.metrics.roc_auc_score(truth, ranked))
    else:
        assert np.isnan(auc)
    precision = ranking.average_precision(positive, scores, weights)
    if truth.any():
        assert precision == pytest.approx(sklearn.metrics.average_precision_score(truth, ranked))
    else:
        assert np.isnan(precision)


@given(cases())
def test_batched_weights_equal_single_ones(case: Case) -> None:
    positive, scores, weights = case
    batch = np.stack([weights, np.ones_like(weights), weights[::-1]])
    for measure in (ranking.roc_auc, ranking.average_precision):
        alone = [measure(positive, scores, row) for row in batch]
        np.testing.assert_allclose(measure(positive, scores, batch), alone)


@given(cases())
def test_area_is_the_probability_that_a_positive_outranks_a_negative(case: Case) -> None:
    positive, scores, _ = case
    wins = scores[positive][:, None] - scores[~positive][None, :]
    auc = ranking.roc_auc(positive, scores)
    if wins.size:
        assert auc == pytest.approx(((wins > 0) + 0.5 * (wins == 0)).mean())
    else:
        assert np.isnan(auc)


@given(cases(), st.integers(1, 4))
def test_area_within_groups_equals_a_count_of_pairs(case: Case, count: int) -> None:
    positive, scores, weights = case
    groups = np.arange(len(scores)) % count
    truth, ranked, member = positive.repeat(weights), scores.repeat(weights), groups.repeat(weights)
    pairs = [
        1.0 if a > b else 0.5 if a == b else 0.0
        for a, one in zip(ranked[truth], member[truth], strict=True)
        for b, other in zip(ranked[~truth], member[~truth], strict=True)
        if one == other
    ]
    area = ranking.within_group_auc(positive, scores, groups, weights)
    assert area == pytest.approx(np.mean(pairs) if pairs else np.nan, nan_ok=True)
    batch = np.stack([weights, np.ones_like(weights)])
    alone = [area, ranking.within_group_auc(positive, scores, groups)]
    np.testing.assert_allclose(ranking.within_group_auc(positive, scores, groups, batch), alone)


@given(cases().filter(lambda case: 0 < case[0].sum() < len(case[0])))
def test_area_within_one_group_equals_scikit_learn(case: Case) -> None:
    positive, scores, _ = case
    area = ranking.within_group_auc(positive, scores, np.full(len(scores), "only"))
    assert area == pytest.approx(sklearn.metrics.roc_auc_score(positive, scores))


@given(cases().filter(lambda case: 0 < case[0].sum() < len(case[0])))
def test_curves_equal_scikit_learn(case: Case) -> None:
    positive, scores, _ = case
    roc = ranking.roc_curve(positive, scores)
    expected_roc = sklearn.metrics.roc_curve(positive, scores, drop_intermediate=False)
    for ours, theirs in zip(
        (roc.false_positive_rate, roc.true_positive_rate, roc.thresholds), expected_roc, strict=True
    ):
        np.testing.assert_allclose(ours, theirs)
    curve = ranking.precision_recall_curve(positive, scores)
    precision, recall, thresholds = sklearn.metrics.precision_recall_curve(positive, scores)
    np.testing.assert_allclose(curve.precision, precision[::-1])
    np.testing.assert_allclose(curve.recall, recall[::-1])
    np.testing.assert_allclose(curve.thresholds[1:], thresholds[::-1])


def test_missing_class_is_undefined_and_left_out_of_the_mean() -> None:
    generator = np.random.default_rng(0)
    labels = generator.choice([0, 1, 3], size=60)
    probabilities = generator.dirichlet(np.ones(4), size=60)
    areas, precisions = ranking.one_vs_rest_areas(labels, probabilities)
    present = [0, 1, 3]
    assert np.isnan(areas[2])
    assert np.isnan(precisions[2])
    expected = [sklearn.metrics.roc_auc_score(labels == index, probabilities[:, index]) for index in present]
    np.testing.assert_allclose(areas[present], expected)
    assert ranking.macro_auc(labels, probabilities) == pytest.approx(np.mean(expected))


def test_curve_without_positives_has_no_recall() -> None:
    negatives, scores = np.zeros(3, dtype=bool), np.array([0.1, 0.2, 0.2])
    assert np.isnan(ranking.roc_curve(negatives, scores).true_positive_rate).all()
    curve = ranking.precision_recall_curve(negatives, scores)
    assert np.isnan(curve.recall).all()
    np.testing.assert_array_equal(curve.precision, [1, 0, 0])

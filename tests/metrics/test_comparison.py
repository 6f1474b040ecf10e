"""Paired tests against scikit-learn, scipy and the jackknife."""

import numpy as np
import numpy.typing as npt
import pytest
import scipy.stats
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from lesionlab.errors import DataError
from lesionlab.metrics.arrays import weighted_mean
from lesionlab.metrics.bootstrap import lesion_weights, percentile_interval
from lesionlab.metrics.comparison import (
    Measure,
    delong_test,
    mcnemar_test,
    paired_bootstrap,
    recall_at_precision,
)
from lesionlab.metrics.ranking import roc_auc

Scores = npt.NDArray[np.float64]
Case = tuple[npt.NDArray[np.bool_], Scores, Scores]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Generate at least two positives and two negatives with two scores, many of them tied."""
    size = draw(st.integers(4, 20))
    positive = draw(st.permutations([True, True, False, False, *draw(st.lists(st.booleans(), max_size=size))]))
    score = draw(st.sampled_from([st.sampled_from([0.0, 0.1, 0.5, 1.0]), st.floats(0, 1)]))
    a, b = (draw(st.lists(score, min_size=len(positive), max_size=len(positive))) for _ in range(2))
    return np.array(positive), np.array(a), np.array(b)


def two_models(images: int, gain: float) -> Case:
    """Return labels and two scores with correlated errors; B separates the classes better by `gain`."""
    generator = np.random.default_rng(images)
    positive = generator.random(images) < 0.3
    shared = generator.normal(0, 1, images) + positive
    a, b = (shared + generator.normal(0, 0.5, images) for _ in range(2))
    return positive, a, b + gain * positive


@given(cases())
def test_delong_areas_equal_scikit_learn(case: Case) -> None:
    positive, a, b = case
    found = delong_test(positive, a, b)
    assert found.auc_a == pytest.approx(sklearn.metrics.roc_auc_score(positive, a))
    assert found.auc_b == pytest.approx(sklearn.metrics.roc_auc_score(positive, b))
    assert found.difference == pytest.approx(found.auc_b - found.auc_a, abs=1e-12)
    assert np.isnan(found.p_value) or 0 <= found.p_value <= 1


@given(cases())
def test_delong_difference_changes_sign_if_the_models_are_swapped(case: Case) -> None:
    positive, a, b = case
    forth, back = delong_test(positive, a, b), delong_test(positive, b, a)
    assert forth.difference == -back.difference
    assert forth.standard_error == back.standard_error
    np.testing.assert_equal(forth.p_value, back.p_value)


@given(cases())
def test_delong_p_is_one_for_equal_rankings(case: Case) -> None:
    positive, a, _ = case
    ranks = np.unique(a, return_inverse=True)[1]
    for other in (a, ranks):
        found = delong_test(positive, a, other)
        assert (found.difference, found.standard_error, found.p_value) == (0.0, 0.0, 1.0)


def test_delong_standard_error_equals_the_definition() -> None:
    positive, a, b = two_models(60, 0.3)

    def placements(scores: Scores) -> npt.NDArray[np.float64]:
        above = scores[positive][:, None] - scores[~positive][None, :]
        shares: npt.NDArray[np.float64] = (above > 0) + 0.5 * (above == 0)
        return shares

    wins = placements(b) - placements(a)
    rows, columns = wins.mean(axis=1), wins.mean(axis=0)
    expected = np.sqrt(rows.var(ddof=1) / len(rows) + columns.var(ddof=1) / len(columns))
    assert delong_test(positive, a, b).standard_error == pytest.approx(expected)


def test_delong_agrees_with_the_jackknife_and_the_bootstrap_by_image() -> None:
    positive, a, b = two_models(500, 0.2)
    found = delong_test(positive, a, b)
    left_out = 1 - np.eye(len(positive), dtype=np.int64)
    pseudo = roc_auc(positive, b, left_out) - roc_auc(positive, a, left_out)
    jackknife = np.sqrt((len(pseudo) - 1) * pseudo.var())
    assert found.standard_error == pytest.approx(jackknife, rel=0.02)
    draws = lesion_weights([str(image) for image in range(len(positive))], 1000, seed=0)
    drawn = roc_auc(positive, b, draws) - roc_auc(positive, a, draws)
    assert found.standard_error == pytest.approx(drawn.std(), rel=0.1)
    assert found.p_value == pytest.approx(2 * scipy.stats.norm.sf(abs(found.difference) / found.standard_error))


def test_delong_has_its_nominal_type_i_error() -> None:
    generator = np.random.default_rng(3)
    rejected = []
    for _ in range(600):
        positive = np.arange(120) < 50
        shared = generator.normal(0, 1, 120) + positive
        a, b = (shared + generator.normal(0, 0.7, 120) for _ in range(2))
        rejected.append(delong_test(positive, a, b).p_value < 0.05)
    assert np.mean(rejected) == pytest.approx(0.05, abs=0.025)


def test_delong_p_is_nan_for_a_difference_without_variance() -> None:
    positive = np.array([True, True, False, False])
    found = delong_test(positive, [1, 1, 0, 0], [0, 0, 1, 1])
    assert (found.difference, found.standard_error) == (-1.0, 0.0)
    assert np.isnan(found.p_value)


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([1, 1, 1], [0.1, 0.2, 0.3], "3 positive and 0 negative images"),
        ([0, 0, 1], [0.1, 0.2, 0.3], "at least two of each"),
        ([0, 0, 1, 1], [0.1, 0.2, 0.3], "give one"),
        ([0, 0, 1, 1], [0.1, 0.2, 0.3, np.nan], "a score is nan"),
    ],
)
def test_delong_rejects_invalid_input(labels: list[int], scores: list[float], message: str) -> None:
    with pytest.raises(DataError, match=message):
        delong_test(labels, scores, scores)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_mcnemar_equals_the_binomial_test_of_the_discordant_images(pairs: list[tuple[bool, bool]]) -> None:
    a, b = (np.array(side) for side in zip(*pairs, strict=True))
    found = mcnemar_test(a, b)
    assert (found.only_a, found.only_b) == (int((a > b).sum()), int((b > a).sum()))
    apart = found.only_a + found.only_b
    expected = scipy.stats.binomtest(found.only_a, apart).pvalue if apart else 1.0
    assert found.p_value == pytest.approx(expected)
    assert mcnemar_test(b, a).p_value == found.p_value


def test_mcnemar_with_many_images() -> None:
    correct = np.arange(20_000) < 9_700
    assert mcnemar_test(correct, ~correct).p_value == pytest.approx(
        scipy.stats.binomtest(9_700, 20_000).pvalue, rel=1e-6
    )


def test_mcnemar_rejects_predictions_of_different_length() -> None:
    with pytest.raises(DataError, match="3 and 2 predictions cannot be paired"):
        mcnemar_test([1, 0, 1], [1, 0])


def auc_of(positive: npt.NDArray[np.bool_], scores: Scores) -> Measure:
    return lambda weights: roc_auc(positive, scores, weights)


def test_difference_without_spread_has_the_exact_interval_or_none() -> None:
    positive, a, _ = two_models(100, 0.0)
    lesions = [str(i // 2) for i in range(100)]
    for trials, width in ((0, None), (25, 1 - 0.025 ** (1 / 25))):
        found = paired_bootstrap(auc_of(positive, a), auc_of(positive, a), lesions, trials=trials, resamples=50)
        assert found.difference.value == 0.0
        assert found.difference.high == (None if width is None else pytest.approx(width))
        assert found.a == found.b


def test_paired_interval_is_narrower_than_the_unpaired_one() -> None:
    positive, a, b = two_models(300, 0.2)
    lesions = [str(image // 2) for image in range(300)]
    found = paired_bootstrap(auc_of(positive, a), auc_of(positive, b), lesions, resamples=400)
    apart = roc_auc(positive, b, lesion_weights(lesions, 400, 1)) - roc_auc(
        positive, a, lesion_weights(lesions, 400, 2)
    )
    low, high = percentile_interval(apart)
    assert found.difference.low is not None
    assert found.difference.high is not None
    assert found.difference.high - found.difference.low < 0.8 * (high - low)


def test_swapping_the_models_negates_the_interval() -> None:
    positive, a, b = two_models(200, 0.2)
    lesions = [str(image // 2) for image in range(200)]
    forth = paired_bootstrap(auc_of(positive, a), auc_of(positive, b), lesions, resamples=200)
    back = paired_bootstrap(auc_of(positive, b), auc_of(positive, a), lesions, resamples=200)
    assert (forth.a, forth.b) == (back.b, back.a)
    expected = [-value for value in (forth.difference.value, forth.difference.high, forth.difference.low) if value]
    assert [back.difference.value, back.difference.low, back.difference.high] == pytest.approx(expected)


def test_chunk_size_does_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    right_a, right_b = np.arange(40) % 3 == 0, np.arange(40) % 2 == 0
    lesions = [str(image // 3) for image in range(40)]

    def difference() -> object:
        return paired_bootstrap(
            lambda weights: weighted_mean(right_a, weights),
            lambda weights: weighted_mean(right_b, weights),
            lesions,
            resamples=50,
        )

    whole = difference()
    monkeypatch.setattr("lesionlab.metrics.bootstrap._WEIGHTS_PER_CHUNK", 300)
    assert difference() == whole


def test_undefined_metric_has_no_difference() -> None:
    positive = np.zeros(4, dtype=np.bool_)
    found = paired_bootstrap(auc_of(positive, np.arange(4.0)), auc_of(positive, np.ones(4)), list("abcd"), resamples=20)
    assert (found.difference.value, found.difference.low, found.difference.high) == (None, None, None)


@given(cases(), st.floats(0.01, 1))
def test_recall_at_precision_is_the_maximum_over_all_thresholds(case: Case, precision: float) -> None:
    positive, scores, _ = case
    best = 0.0
    for threshold in scores:
        predicted = scores >= threshold
        hits = int((predicted & positive).sum())
        if hits / int(predicted.sum()) >= precision:
            best = max(best, hits / int(positive.sum()))
    assert recall_at_precision(positive, scores, precision) == best
    weights = np.array([np.ones(len(scores), dtype=np.int64), ~positive])
    drawn = recall_at_precision(positive, scores, precision, weights)
    assert drawn[0] == best
    assert np.isnan(drawn[1])

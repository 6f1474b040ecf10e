"""Coverage of prediction sets, selective prediction and net benefit."""

from collections.abc import Callable

import numpy as np
import pytest

from lesionlab.bundle import BundleInfo, DecisionRule, PredictionSets
from lesionlab.evaluation.results import EvaluatedSubset
from lesionlab.evaluation.uncertainty import decision_points, selective_points, set_coverages
from lesionlab.taxonomy import CODES, TASKS

MakeSubset = Callable[..., EvaluatedSubset]


@pytest.fixture
def with_sets(tiny_info: BundleInfo) -> BundleInfo:
    by_class = dict.fromkeys(CODES, 0.7) | {"df": None}
    sets = PredictionSets(coverage=0.9, marginal=0.6, class_conditional=by_class, lesions=dict.fromkeys(CODES, 30))
    return tiny_info.model_copy(update={"prediction_sets": sets})


def test_coverage_overall_and_by_class(make_subset: MakeSubset, with_sets: BundleInfo) -> None:
    evaluated = make_subset(np.arange(140) % 7)
    rows = {(row.kind, row.diagnosis): row for row in set_coverages(evaluated, with_sets)}
    assert len(rows) == 16
    truth = evaluated.probabilities[np.arange(140), evaluated.labels]
    held = (truth >= 0.4 - 1e-12) | (evaluated.probabilities.argmax(axis=1) == evaluated.labels)
    assert rows["marginal", "all"].covered.value == pytest.approx(held.mean())
    assert rows["marginal", "mel"].covered.value == pytest.approx(held[evaluated.labels == 0].mean())
    assert rows["class-conditional", "df"].covered.value == 1
    assert [rows["marginal", code].guaranteed for code in ("all", "mel")] == [True, False]
    assert [rows["class-conditional", code].guaranteed for code in ("all", "mel", "df")] == [False, True, False]
    low, value, high = (getattr(rows["class-conditional", "mel"].covered, name) for name in ("low", "value", "high"))
    assert low <= value <= high


def test_no_coverage_without_sets_or_for_another_task(
    make_subset: MakeSubset, tiny_info: BundleInfo, with_sets: BundleInfo
) -> None:
    assert set_coverages(make_subset(np.arange(28) % 7), tiny_info) == ()
    assert set_coverages(make_subset(np.arange(28) % 7, task=TASKS["melanoma"]), with_sets) == ()


def test_confidence_is_the_score_of_the_decision_rule(make_subset: MakeSubset, tiny_info: BundleInfo) -> None:
    evaluated = make_subset(np.arange(280) % 7, skill=2.5)
    plain = selective_points(evaluated, tiny_info)
    assert [point.coverage for point in plain] == [1.0, 0.9, 0.8, 0.7, 0.6, 0.5]
    accuracies = [point.accuracy.value or 0 for point in plain]
    assert accuracies[0] == pytest.approx((evaluated.predicted == evaluated.labels).mean())
    assert accuracies[-1] > accuracies[0]
    lifted = DecisionRule(exponent=1, weights=(1, 1, 1, 1, 1, 1, 50))
    assert selective_points(evaluated, tiny_info.model_copy(update={"decision_rule": lifted})) != plain


def test_net_benefit_lies_between_zero_and_the_prevalence(make_subset: MakeSubset) -> None:
    points = decision_points(make_subset(np.arange(280) % 7, skill=2.5))
    for point in points:
        assert point.model.value is not None
        assert max(0.0, point.treat_all) - 0.05 <= point.model.value <= 3 / 7
    assert decision_points(make_subset([1, 1, 1])) == ()

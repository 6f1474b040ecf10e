"""Coverage of prediction sets, selective prediction and net benefit."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from lesionlab.bundle import BundleInfo, DecisionRule, PredictionSets
from lesionlab.evaluation.groups import measure_groups
from lesionlab.evaluation.report import ReportContext
from lesionlab.evaluation.results import EvaluatedSubset
from lesionlab.evaluation.subgroups import subgroups
from lesionlab.evaluation.tables import operating_point_rows
from lesionlab.evaluation.uncertainty import decision_points, measure_uncertainty, selective_points, set_coverages
from lesionlab.taxonomy import CODES, TASKS

MakeSubset = Callable[..., EvaluatedSubset]
MakeContext = Callable[..., ReportContext]


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


def test_deferred_images_are_counted_by_class(make_subset: MakeSubset, tiny_info: BundleInfo) -> None:
    evaluated = make_subset(np.arange(280) % 7, skill=1.5)
    full, *others = selective_points(evaluated, tiny_info)
    assert full.deferred == {}
    confidence = tiny_info.decision_rule.scores(evaluated.probabilities).max(axis=1)
    malignant = np.isin(evaluated.labels, [CODES.index(code) for code in ("mel", "bcc", "akiec")])
    for point in others:
        deferred = np.argsort(np.argsort(-confidence, kind="stable")) >= round(point.coverage * 280)
        assert list(point.deferred) == ["malignant", "benign", *CODES]
        assert point.deferred["malignant"].value == pytest.approx(deferred[malignant].mean())
        assert point.deferred["benign"].value == pytest.approx(deferred[~malignant].mean())
        assert point.deferred["mel"].value == pytest.approx(deferred[evaluated.labels == 0].mean())
        low, high = point.deferred["benign"].low, point.deferred["benign"].high
        assert low is not None
        assert high is not None
        assert low < deferred[~malignant].mean() < high
    melanoma = selective_points(make_subset(np.arange(28) % 7, task=TASKS["melanoma"]), tiny_info)
    assert list(melanoma[1].deferred) == ["other", "mel"]


@pytest.mark.slow
def test_coverage_by_source(make_subset: MakeSubset, with_sets: BundleInfo) -> None:
    evaluated = make_subset(np.arange(140) % 7)
    assert measure_uncertainty(evaluated, with_sets).prediction_sets_by_source == ()
    records = tuple(replace(r, source="vienna" if i < 40 else "rosendahl") for i, r in enumerate(evaluated.records))
    rows = measure_uncertainty(replace(evaluated, records=records), with_sets).prediction_sets_by_source
    assert [(row.kind, row.diagnosis, row.source, row.n_images, row.guaranteed) for row in rows] == [
        (kind, "all", source, count, False)
        for kind in ("marginal", "class-conditional")
        for source, count in (("rosendahl", 100), ("vienna", 40))
    ]
    overall = set_coverages(evaluated, with_sets)[0].covered.value
    assert np.average([row.covered.value or 0 for row in rows[:2]], weights=[50, 20]) == pytest.approx(overall)


@pytest.mark.slow
@pytest.mark.parametrize("labels", [[0, 0, 0], [1, 1, 1], [0, 1, 2], [0], list(range(7)) * 4])
@pytest.mark.parametrize("skill", [-60.0, 0.0, 60.0])
def test_no_interval_of_a_small_or_perfect_evaluation_lacks_width(
    make_subset: MakeSubset, make_context: MakeContext, with_sets: BundleInfo, labels: list[int], skill: float
) -> None:
    evaluated = make_subset(labels, skill=skill)
    rows = operating_point_rows(evaluated, make_context().bundle.operating_points)
    found = [getattr(row, name) for row in rows for name in ("sensitivity", "specificity", "ppv", "npv")]
    uncertainty = measure_uncertainty(evaluated, with_sets)
    found += [row.covered for row in uncertainty.prediction_sets]
    found += [point.model for point in uncertainty.decision_curve]
    for point in uncertainty.selective:
        found += [point.accuracy, point.balanced_accuracy, *point.deferred.values()]
    for group in subgroups(evaluated):
        found += [one for one in (group.balanced_accuracy, group.malignant_auc) if one is not None]
    records = tuple(replace(r, source=f"clinic {i % 2}") for i, r in enumerate(evaluated.records))
    groups = measure_groups(replace(evaluated, records=records), make_context().bundle.operating_points)
    for row in (*groups.by_source, *groups.by_confirmation):
        found += [row.auc, row.ece, *(rate for p in row.operating_points for rate in (p.sensitivity, p.specificity))]
    for estimate in found:
        if estimate.low is not None:
            assert estimate.high - estimate.low > 0.01
            # The interval of a calibration error is biased upward.
            assert estimate.value - 1e-9 <= estimate.high

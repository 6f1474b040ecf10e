"""Figures by source and by confirmation, and the AUC within source, against scikit-learn and a count of pairs."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from lesionlab.evaluation.groups import GroupResults, measure_groups
from lesionlab.evaluation.report import ReportContext, render_report
from lesionlab.evaluation.results import EvaluatedSubset
from lesionlab.evaluation.tables import positives_and_scores
from lesionlab.taxonomy import TASKS

pytestmark = pytest.mark.usefixtures("figures_drawn_once")

MakeSubset = Callable[..., EvaluatedSubset]
MakeContext = Callable[..., ReportContext]
MALIGNANT = (0, 2, 3)  # positions in `CODES`


def with_sources(evaluated: EvaluatedSubset, sources: list[str]) -> EvaluatedSubset:
    pairs = zip(evaluated.records, sources, strict=True)
    return replace(evaluated, records=tuple(replace(record, source=source) for record, source in pairs))


@pytest.fixture
def confounded(make_subset: MakeSubset) -> EvaluatedSubset:
    """Predictions that follow the source: `clinic` is mostly malignant, `screening` mostly benign."""
    labels = [0] * 90 + [1] * 30 + [0] * 10 + [1] * 110
    evaluated = make_subset(labels, skill=0.0)
    sources = ["clinic"] * 120 + ["screening"] * 120
    malignant = np.where(np.array(sources) == "clinic", 0.8, 0.2) + np.random.default_rng(0).uniform(-0.1, 0.1, 240)
    probabilities = np.zeros_like(evaluated.probabilities)
    probabilities[:, 0], probabilities[:, 1] = malignant, 1 - malignant
    return with_sources(replace(evaluated, probabilities=probabilities), sources)


def test_figures_of_a_source_equal_scikit_learn(make_subset: MakeSubset, make_context: MakeContext) -> None:
    labels = np.arange(210) % 7
    sources = ["unknown" if number % 10 == 0 else "ab"[number % 3 == 0] for number in range(210)]
    evaluated = with_sources(make_subset(labels), sources)
    points = make_context().bundle.operating_points
    rows = {row.value: row for row in measure_groups(evaluated, points).by_source}
    assert list(rows) == ["a", "b", "unknown"]
    positive, scores = positives_and_scores(evaluated)
    for name, row in rows.items():
        members = np.array(sources) == name
        assert (row.n_images, row.n_positive) == (members.sum(), positive[members].sum())
        assert row.n_lesions == len({number // 2 for number in np.flatnonzero(members)})
        assert row.auc.value == pytest.approx(roc_auc_score(positive[members], scores[members]))
        assert row.ece.value is not None
        for point, measured in zip(points, row.operating_points, strict=True):
            assert (point.name, point.target, point.threshold) == (measured.name, measured.target, measured.threshold)
            flagged = scores[members] >= point.threshold
            assert measured.sensitivity.value == pytest.approx(flagged[positive[members]].mean())
            assert measured.specificity.value == pytest.approx(1 - flagged[~positive[members]].mean())
            assert measured.sensitivity.low is not None


@pytest.mark.slow
def test_pooled_auc_of_confounded_sources_is_reported(confounded: EvaluatedSubset, make_context: MakeContext) -> None:
    groups = measure_groups(confounded, ())
    malignant, melanoma = groups.within_source_auc
    assert (malignant.target, melanoma.target) == ("malignant", "melanoma")
    assert malignant.pooled.value is not None
    assert malignant.pooled.value > 0.75
    assert malignant.within_source.value == pytest.approx(0.5, abs=0.12)
    assert malignant.differs
    clinic = [record.source == "clinic" for record in confounded.records]
    positive, _ = positives_and_scores(confounded)
    assert malignant.source_only.value == pytest.approx(roc_auc_score(positive, clinic))
    assert malignant.difference.value == pytest.approx(malignant.pooled.value - (malignant.within_source.value or 0))
    report = render_report(confounded, make_context(groups=groups))
    assert "The pooled figures do not hold within one source." in report.split("<main>")[0]
    assert malignant.sentence in report
    assert f"{malignant.within_source.value:.3f}" in malignant.sentence


def test_sources_without_influence_are_not_reported(make_subset: MakeSubset, make_context: MakeContext) -> None:
    evaluated = with_sources(make_subset(np.arange(280) % 7), [("a", "b")[number // 7 % 2] for number in range(280)])
    groups = measure_groups(evaluated, ())
    assert [row.differs for row in groups.within_source_auc] == [False, False]
    assert groups.within_source_auc[0].source_only.value == pytest.approx(0.5)
    report = render_report(evaluated, make_context(groups=groups))
    assert "do not hold" not in report
    assert 'id="sources"' in report


def test_one_source_has_no_pairs_of_others(make_subset: MakeSubset) -> None:
    evaluated = make_subset(np.arange(70) % 7)
    assert measure_groups(evaluated, ()).by_source == ()  # unknown
    groups = measure_groups(with_sources(evaluated, ["a"] * 60 + ["unknown"] * 10), ())
    assert groups.within_source_auc == ()
    assert [row.value for row in groups.by_source] == ["a", "unknown"]


def test_undefined_figures_have_no_value(make_subset: MakeSubset, make_context: MakeContext) -> None:
    evaluated = with_sources(make_subset([1, 1, 4, 5, 0, 1], resamples=20), ["benign"] * 4 + ["mixed"] * 2)
    rows = {row.value: row for row in measure_groups(evaluated, make_context().bundle.operating_points).by_source}
    assert rows["benign"].auc.value is None
    assert rows["benign"].operating_points[0].sensitivity.value is None
    assert rows["benign"].operating_points[0].specificity.value is not None
    none = replace(evaluated, summary=evaluated.summary.model_copy(update={"resamples": 0}))
    (row, _) = measure_groups(none, ()).within_source_auc
    assert row.difference.low is None
    assert not row.differs


def test_confirmation_groups_contain_all_images(make_subset: MakeSubset, make_context: MakeContext) -> None:
    evaluated = make_subset([0, 1, 1, 4, 1], dx_types=["histo", "histo", "follow_up", None, "follow_up"])
    groups = measure_groups(evaluated, ())
    assert {row.value: row.n_images for row in groups.by_confirmation} == {"histo": 2, "follow_up": 2, "unknown": 1}
    report = render_report(evaluated, make_context(groups=groups))
    for name in ("histopathology", "follow-up", "not stated"):
        assert f'<th scope="row">{name}</th>' in report
    assert measure_groups(make_subset([0, 1], dx_types=["", ""]), ()).by_confirmation == ()


@pytest.mark.parametrize("task", ["malignant", "melanoma"])
def test_groups_of_a_binary_task(make_subset: MakeSubset, make_context: MakeContext, task: str) -> None:
    evaluated = with_sources(make_subset(np.arange(140) % 7, task=TASKS[task]), ["a", "b"] * 70)
    groups = measure_groups(evaluated, make_context(task=task).bundle.operating_points)
    assert [row.target for row in groups.within_source_auc] == [task]
    assert all(row.auc.value is not None for row in groups.by_source)
    assert {point.target for row in groups.by_source for point in row.operating_points} == {task}
    assert groups.to_json()["by_source"][0]["value"] == "a"
    assert GroupResults().warnings == ()

"""What travels in the bundle of an evaluation is what was measured, in a few kilobytes."""

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from lesionlab.bundle import Bundle, BundleInfo, EvaluationSummary
from lesionlab.bundle.evaluation import ROC_POINTS
from lesionlab.data import Manifest
from lesionlab.errors import DataError
from lesionlab.evaluation import EvaluatedSubset, Evaluation, write_evaluation
from lesionlab.evaluation.load import read_evaluation
from lesionlab.evaluation.stored import keep_test_results, stored_evaluation
from lesionlab.evaluation.subgroups import subgroups
from lesionlab.evaluation.uncertainty import measure_uncertainty
from lesionlab.taxonomy import CODES, TASKS

MakeCase = Callable[..., EvaluatedSubset]
MANY = [0, 1, 1, 2, 3, 4, 5, 6] * 60


def evaluation_of(case: EvaluatedSubset, info: BundleInfo, history: list[dict[str, float | None]]) -> Evaluation:
    changes = {"task": case.task.name, "classes": case.task.classes}
    return Evaluation(
        case=case,
        info=info.model_copy(update=changes),
        prediction_sha256=info.model_copy(update=changes).prediction_sha256,
        dataset="made-up",
        subset="test",
        unseen=True,
        manifest_sha256="a" * 64,
        lesions_known=True,
        operating_points=info.operating_points,
        history=history,
        date="2025-01-31",
    )


@pytest.fixture
def evaluation(make_case: MakeCase, tiny_info: BundleInfo, history: list[dict[str, float | None]]) -> Evaluation:
    return evaluation_of(make_case(MANY), tiny_info, history)


def test_it_says_what_was_measured(evaluation: Evaluation) -> None:
    stored, summary = stored_evaluation(evaluation), evaluation.case.summary
    assert EvaluationSummary.model_validate_json(stored.model_dump_json()) == stored
    assert (stored.overall, stored.per_class, stored.support) == (summary.overall, summary.per_class, summary.support)
    assert (stored.n_images, stored.n_lesions, stored.date) == (480, 240, "2025-01-31")
    assert stored.confusion_matrix == summary.confusion_matrix
    assert [epoch.epoch for epoch in stored.history] == [1, 2, 3]
    assert sum(found.count for found in stored.reliability) == 480
    assert len(stored.model_dump_json()) < 200_000


def test_curves_keep_their_area_with_few_points(evaluation: Evaluation) -> None:
    case, roc = evaluation.case, stored_evaluation(evaluation).roc
    assert list(roc) == [*CODES, "malignant"]
    truth = {code: case.labels == index for index, code in enumerate(CODES)}
    scores = {code: case.probabilities[:, index] for index, code in enumerate(CODES)}
    truth["malignant"] = case.sought[case.labels]
    scores["malignant"] = case.probabilities[:, case.sought].sum(axis=1)
    for name, curve in roc.items():
        points = np.array([(point.fpr, point.tpr) for point in curve.points])
        assert 2 <= len(points) <= ROC_POINTS
        assert points[0].tolist() == [0, 0]
        assert points[-1].tolist() == [1, 1]
        assert (np.diff(points, axis=0) >= 0).all()
        area = roc_auc_score(truth[name], scores[name])
        assert curve.auc.value == pytest.approx(area)
        assert np.trapezoid(points[:, 1], points[:, 0]) == pytest.approx(area, abs=5e-3)


@pytest.mark.parametrize("task", ["malignant", "melanoma"])
def test_a_model_of_two_classes_has_the_curves_of_two(make_case: MakeCase, tiny_info: BundleInfo, task: str) -> None:
    stored = stored_evaluation(evaluation_of(make_case(MANY, task=TASKS[task]), tiny_info, []))
    assert tuple(stored.roc) == stored.classes == TASKS[task].classes
    assert stored.history == ()
    assert all(row.malignant_auc is not None for row in stored.subgroups)


def test_what_the_images_do_not_define_is_left_out(make_case: MakeCase, tiny_info: BundleInfo) -> None:
    evaluation = evaluation_of(make_case([1, 1, 1]), tiny_info, [])
    point = tiny_info.operating_points[0].model_copy(update={"sensitivity": math.nan})
    trust = measure_uncertainty(evaluation.case, tiny_info)
    stored = stored_evaluation(replace(evaluation, operating_points=(point,), trust=trust))
    assert (stored.operating_points, stored.decision_curve) == ((), ())
    assert stored.roc["mel"].points == stored.roc["malignant"].points == ()
    assert stored.roc["mel"].auc.value is None
    assert {row.malignant_auc for row in stored.subgroups} == {None}
    assert EvaluationSummary.model_validate_json(stored.model_dump_json()) == stored


def test_every_image_is_in_one_row_of_each_group(make_case: MakeCase) -> None:
    case = make_case(MANY)
    told = [
        replace(record, sex=("female", "male", None)[n % 3], age=(None, 0.0, 29.0, 30.0, 80.0)[n % 5], site="back")
        for n, record in enumerate(case.records)
    ]
    rows = subgroups(replace(case, records=tuple(told)))
    values = {group: [row.value for row in rows if row.group == group] for group in {row.group for row in rows}}
    assert values == {
        "sex": ["female", "male", "unknown"],
        "age": ["0 to 29", "30 to 44", "75 and over", "unknown"],
        "site": ["back"],
        "dx_type": ["follow_up", "histo", "unknown"],
        "skin_tone": ["very light"],
    }  # and no source: it is not known of any image
    for group in values:
        assert sum(row.n_images for row in rows if row.group == group) == 480
    (back,) = [row for row in rows if row.group == "site"]
    assert back.balanced_accuracy is not None
    assert back.malignant_auc is not None
    # All images: the figures and intervals of the whole.
    for found, name in ((back.balanced_accuracy, "balanced_accuracy"), (back.malignant_auc, "malignant_auc")):
        assert found.model_dump() == pytest.approx(case.summary.overall[name].model_dump())


def test_the_bundle_takes_it_up_where_it_stands(
    evaluation: Evaluation, tiny_whole_bundle: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_whole_bundle, tmp_path / "b")
    before = Bundle.load(tmp_path / "b")
    returned = keep_test_results(before, evaluation)
    after = Bundle.load(tmp_path / "b")
    assert after.info == returned.info
    assert after.evaluation == returned.evaluation == stored_evaluation(evaluation)
    assert after.info.metrics == evaluation.case.summary.overall
    assert (after.graph, after.info.reference_sha256) == (before.graph, before.info.reference_sha256)


def test_a_written_evaluation_is_read_again(evaluation: Evaluation, tmp_path: Path) -> None:
    point = evaluation.operating_points[0].model_copy(update={"ppv": math.nan})
    written = replace(evaluation, operating_points=(*evaluation.operating_points, point))
    manifest = Manifest(tmp_path, evaluation.case.records)
    assert read_evaluation(tmp_path / "test", evaluation.info, manifest) is None
    write_evaluation(tmp_path / "test", written)
    again = read_evaluation(tmp_path / "test", evaluation.info, manifest, evaluation.history)
    assert again is not None
    assert again.case.records == evaluation.case.records
    np.testing.assert_array_equal(again.case.labels, evaluation.case.labels)
    np.testing.assert_allclose(again.case.probabilities, evaluation.case.probabilities, atol=1e-6)
    assert again.case.summary == evaluation.case.summary
    assert math.isnan(again.operating_points[1].ppv)
    assert again.operating_points[0] == evaluation.operating_points[0]
    for name in ("info", "dataset", "subset", "unseen", "manifest_sha256", "lesions_known", "history", "date"):
        assert getattr(again, name) == getattr(evaluation, name)
    warmer = evaluation.info.calibration.model_copy(update={"temperature": 9.0})
    for other in ({"graph_sha256": "0" * 64}, {"calibration": warmer}, {"operating_points": ()}):
        assert read_evaluation(tmp_path / "test", evaluation.info.model_copy(update=other), manifest) is None


def test_what_does_not_fit_is_named(evaluation: Evaluation, tmp_path: Path) -> None:
    write_evaluation(tmp_path, evaluation)
    records = evaluation.case.records
    moved = Manifest(tmp_path, (replace(records[0], diagnosis="vasc"), *records[1:]))
    with pytest.raises(DataError, match="disagree about the images; evaluate again"):
        read_evaluation(tmp_path, evaluation.info, moved)
    with pytest.raises(DataError, match="no image ISIC_0000000"):
        read_evaluation(tmp_path, evaluation.info, Manifest(tmp_path, records[1:]))
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    for key, broken in (("overall", 3), ("operating_points", [{}]), ("n_images", None)):
        (tmp_path / "metrics.json").write_text(json.dumps(metrics | {key: broken}))
        with pytest.raises(DataError, match=r"metrics\.json is damaged"):
            read_evaluation(tmp_path, evaluation.info, Manifest(tmp_path, records))

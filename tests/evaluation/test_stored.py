"""The part of an evaluation that a bundle stores, and reading of written evaluations."""

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

pytestmark = pytest.mark.usefixtures("figures_drawn_once")

MakeSubset = Callable[..., EvaluatedSubset]
MANY = [0, 1, 1, 2, 3, 4, 5, 6] * 60


def evaluation_of(evaluated: EvaluatedSubset, info: BundleInfo, history: list[dict[str, float | None]]) -> Evaluation:
    changes = {"task": evaluated.task.name, "classes": evaluated.task.classes}
    return Evaluation(
        evaluated=evaluated,
        info=info.model_copy(update=changes),
        prediction_sha256=info.model_copy(update=changes).prediction_sha256,
        dataset="simulated",
        subset="test",
        unseen=True,
        manifest_sha256="a" * 64,
        lesions_known=True,
        operating_points=info.operating_points,
        history=history,
        date="2025-01-31",
    )


@pytest.fixture
def evaluation(make_subset: MakeSubset, tiny_info: BundleInfo, history: list[dict[str, float | None]]) -> Evaluation:
    return evaluation_of(make_subset(MANY), tiny_info, history)


def test_stored_evaluation_has_the_metrics(evaluation: Evaluation) -> None:
    stored, summary = stored_evaluation(evaluation), evaluation.evaluated.summary
    assert EvaluationSummary.model_validate_json(stored.model_dump_json()) == stored
    assert (stored.overall, stored.per_class, stored.support) == (summary.overall, summary.per_class, summary.support)
    assert (stored.n_images, stored.n_lesions, stored.date) == (480, 240, "2025-01-31")
    assert stored.confusion_matrix == summary.confusion_matrix
    assert [epoch.epoch for epoch in stored.history] == [1, 2, 3]
    assert sum(found.count for found in stored.reliability) == 480
    assert len(stored.model_dump_json()) < 200_000


def test_thinned_curves_keep_their_area(evaluation: Evaluation) -> None:
    evaluated, roc = evaluation.evaluated, stored_evaluation(evaluation).roc
    assert list(roc) == [*CODES, "malignant"]
    truth = {code: evaluated.labels == index for index, code in enumerate(CODES)}
    scores = {code: evaluated.probabilities[:, index] for index, code in enumerate(CODES)}
    truth["malignant"] = evaluated.is_target[evaluated.labels]
    scores["malignant"] = evaluated.probabilities[:, evaluated.is_target].sum(axis=1)
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
def test_curves_of_a_binary_task(make_subset: MakeSubset, tiny_info: BundleInfo, task: str) -> None:
    stored = stored_evaluation(evaluation_of(make_subset(MANY, task=TASKS[task]), tiny_info, []))
    assert tuple(stored.roc) == stored.classes == TASKS[task].classes
    assert stored.history == ()
    assert all(row.malignant_auc is not None for row in stored.subgroups)


def test_undefined_figures_are_left_out(make_subset: MakeSubset, tiny_info: BundleInfo) -> None:
    evaluation = evaluation_of(make_subset([1, 1, 1]), tiny_info, [])
    point = tiny_info.operating_points[0].model_copy(update={"sensitivity": math.nan})
    uncertainty = measure_uncertainty(evaluation.evaluated, tiny_info)
    stored = stored_evaluation(replace(evaluation, operating_points=(point,), uncertainty=uncertainty))
    assert (stored.operating_points, stored.decision_curve) == ((), ())
    assert stored.roc["mel"].points == stored.roc["malignant"].points == ()
    assert stored.roc["mel"].auc.value is None
    assert {row.malignant_auc for row in stored.subgroups} == {None}
    assert EvaluationSummary.model_validate_json(stored.model_dump_json()) == stored


@pytest.mark.slow
def test_each_property_has_every_image_in_one_row(make_subset: MakeSubset) -> None:
    evaluated = make_subset(MANY)
    records = [
        replace(record, sex=("female", "male", None)[n % 3], age=(None, 0.0, 29.0, 30.0, 80.0)[n % 5], site="back")
        for n, record in enumerate(evaluated.records)
    ]
    rows = subgroups(replace(evaluated, records=tuple(records)))
    values = {group: [row.value for row in rows if row.group == group] for group in {row.group for row in rows}}
    assert values == {
        "sex": ["female", "male", "unknown"],
        "age": ["0 to 29", "30 to 44", "75 and over", "unknown"],
        "site": ["back"],
        "dx_type": ["follow_up", "histo", "unknown"],
        "skin_tone": ["very light"],
    }  # no source: it is unknown for all images
    for group in values:
        assert sum(row.n_images for row in rows if row.group == group) == 480
    (back,) = [row for row in rows if row.group == "site"]
    assert back.balanced_accuracy is not None
    assert back.malignant_auc is not None
    # The group has all images: its metrics are those of the summary.
    for found, name in ((back.balanced_accuracy, "balanced_accuracy"), (back.malignant_auc, "malignant_auc")):
        assert found.model_dump() == pytest.approx(evaluated.summary.overall[name].model_dump())


def test_results_are_stored_in_the_bundle(evaluation: Evaluation, tiny_whole_bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_whole_bundle, tmp_path / "b")
    before = Bundle.load(tmp_path / "b")
    returned = keep_test_results(before, evaluation)
    after = Bundle.load(tmp_path / "b")
    assert after.info == returned.info
    assert after.evaluation == returned.evaluation == stored_evaluation(evaluation)
    assert after.info.metrics == evaluation.evaluated.summary.overall
    assert (after.graph, after.info.reference_sha256) == (before.graph, before.info.reference_sha256)


def test_written_evaluation_is_read(evaluation: Evaluation, tmp_path: Path) -> None:
    point = evaluation.operating_points[0].model_copy(update={"ppv": math.nan})
    written = replace(evaluation, operating_points=(*evaluation.operating_points, point))
    manifest = Manifest(tmp_path, evaluation.evaluated.records)
    assert read_evaluation(tmp_path / "test", evaluation.info, manifest) is None
    write_evaluation(tmp_path / "test", written)
    again = read_evaluation(tmp_path / "test", evaluation.info, manifest, evaluation.history)
    assert again is not None
    assert again.evaluated.records == evaluation.evaluated.records
    np.testing.assert_array_equal(again.evaluated.labels, evaluation.evaluated.labels)
    np.testing.assert_allclose(again.evaluated.probabilities, evaluation.evaluated.probabilities, atol=1e-6)
    assert again.evaluated.summary == evaluation.evaluated.summary
    assert math.isnan(again.operating_points[1].ppv)
    assert again.operating_points[0] == evaluation.operating_points[0]
    for name in ("info", "dataset", "subset", "unseen", "manifest_sha256", "lesions_known", "history", "date"):
        assert getattr(again, name) == getattr(evaluation, name)
    warmer = evaluation.info.calibration.model_copy(update={"temperature": 9.0})
    for other in ({"graph_sha256": "0" * 64}, {"calibration": warmer}, {"operating_points": ()}):
        assert read_evaluation(tmp_path / "test", evaluation.info.model_copy(update=other), manifest) is None


@pytest.mark.slow
def test_mismatched_files_are_errors(evaluation: Evaluation, tmp_path: Path) -> None:
    write_evaluation(tmp_path, evaluation)
    records = evaluation.evaluated.records
    moved = Manifest(tmp_path, (replace(records[0], diagnosis="vasc"), *records[1:]))
    with pytest.raises(DataError, match="have different images; evaluate again"):
        read_evaluation(tmp_path, evaluation.info, moved)
    with pytest.raises(DataError, match="no image ISIC_0000000"):
        read_evaluation(tmp_path, evaluation.info, Manifest(tmp_path, records[1:]))
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    for key, broken in (("overall", 3), ("operating_points", [{}]), ("n_images", None)):
        (tmp_path / "metrics.json").write_text(json.dumps(metrics | {key: broken}))
        with pytest.raises(DataError, match=r"metrics\.json is damaged"):
            read_evaluation(tmp_path, evaluation.info, Manifest(tmp_path, records))

"""The files of an evaluation: consistency, scikit-learn's metrics, description of the model."""

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from markupsafe import escape
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, f1_score, roc_auc_score

from lesionlab import RESEARCH_ONLY
from lesionlab.bundle import Bundle
from lesionlab.data import Manifest
from lesionlab.errors import DataError, ImageError, LesionlabError
from lesionlab.evaluation import Evaluation, evaluate_subset, with_test_results, write_evaluation
from lesionlab.prediction import Predictor
from lesionlab.runs import RunFolder
from lesionlab.taxonomy import CODES, DIAGNOSIS, TASKS

pytestmark = pytest.mark.usefixtures("figures_drawn_once")

FILES = ["metrics.json", "predictions.csv", "report.html"]


@pytest.fixture(scope="module")
def test_subset(tiny_run: RunFolder) -> Manifest:
    return tiny_run.manifest().select(tiny_run.split().subsets()["test"])


@pytest.fixture(scope="module")
def predictor(tiny_run: RunFolder) -> Predictor:
    return Predictor.load(tiny_run.path)


@pytest.fixture(scope="module")
def evaluation(predictor: Predictor, test_subset: Manifest, tiny_run: RunFolder) -> Evaluation:
    return evaluate_subset(
        predictor,
        test_subset,
        subset="test",
        unseen=True,
        manifest_sha256=tiny_run.manifest().sha256,
        history=tiny_run.read_history(),
        resamples=100,
    )


@pytest.fixture(scope="module")
def written(evaluation: Evaluation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluation") / "test"
    write_evaluation(folder, evaluation)
    return folder


def test_metrics_equal_scikit_learn_on_the_predictions(written: Path, test_subset: Manifest) -> None:
    assert sorted(path.name for path in written.iterdir()) == FILES
    metrics = json.loads((written / "metrics.json").read_text(encoding="utf-8"))
    with (written / "predictions.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["image_id"], row["lesion_id"], row["diagnosis"]) for row in rows] == [
        (record.image_id, record.lesion_id, record.diagnosis) for record in test_subset
    ]
    truth = [row["diagnosis"] for row in rows]
    predicted = [row["predicted"] for row in rows]
    probabilities = np.array([[float(row[f"p_{code}"]) for code in CODES] for row in rows])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=5e-6)
    assert predicted == [CODES[index] for index in probabilities.argmax(axis=1)]
    overall = {name: estimate["value"] for name, estimate in metrics["overall"].items()}
    assert overall["accuracy"] == pytest.approx(accuracy_score(truth, predicted))
    assert overall["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(truth, predicted))
    macro = f1_score(truth, predicted, labels=CODES, average="macro", zero_division=0)
    assert overall["macro_f1"] == pytest.approx(macro)
    malignant = np.isin(truth, DIAGNOSIS.malignant)
    scores = probabilities[:, [CODES.index(code) for code in DIAGNOSIS.malignant]].sum(axis=1)
    assert overall["malignant_auc"] == pytest.approx(roc_auc_score(malignant, scores), abs=0.02)
    assert metrics["confusion_matrix"] == confusion_matrix(truth, predicted, labels=CODES).tolist()
    assert (metrics["n_images"], metrics["n_lesions"]) == (len(test_subset), test_subset.lesion_count)
    for estimate in metrics["overall"].values():
        assert estimate["low"] <= estimate["high"]


def test_metrics_describe_model_and_data(written: Path, evaluation: Evaluation, tiny_run: RunFolder) -> None:
    metrics = json.loads((written / "metrics.json").read_text(encoding="utf-8"))
    info = Bundle.load(tiny_run.path).info
    assert metrics["notice"] == RESEARCH_ONLY
    assert (metrics["bundle"], metrics["graph_sha256"]) == (info.identity, info.graph_sha256)
    assert (metrics["subset"], metrics["unseen"], metrics["leaky"]) == ("test", True, False)
    assert metrics["manifest_sha256"] == tiny_run.manifest().sha256
    assert metrics["split_sha256"] == tiny_run.split().sha256
    stated = {(point.name, point.target): point for point in info.operating_points}
    for point in metrics["operating_points"]:
        assert point["threshold"] == stated[point["name"], point["target"]].threshold
        assert point["measured_on"] == "test"
        assert point["prevalence"] == pytest.approx(
            np.isin([r.diagnosis for r in evaluation.evaluated.records], DIAGNOSIS.targets[point["target"]]).mean()
        )


def test_report_states_notice_and_subset(written: Path) -> None:
    report = (written / "report.html").read_text(encoding="utf-8")
    assert report.startswith("<!DOCTYPE html>")
    assert RESEARCH_ONLY in report
    assert "test set, split by lesion" in report
    assert "split by image" not in report


@pytest.mark.slow
def test_evaluations_of_the_test_set_are_counted(evaluation: Evaluation, tmp_path: Path) -> None:
    def times() -> object:
        return json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))["times_test_was_read"]

    for count in (1, 2):
        write_evaluation(tmp_path, evaluation)
        assert times() == count
    write_evaluation(tmp_path, replace(evaluation, subset="validation"))
    assert times() is None


@pytest.mark.parametrize(
    "content", ["{", "[1]", "7", '{"times_test_was_read": "often"}', '{"times_test_was_read": [1]}']
)
def test_damaged_count_is_an_error_and_nothing_is_overwritten(
    evaluation: Evaluation, tmp_path: Path, content: str
) -> None:
    (tmp_path / "metrics.json").write_text(content)
    with pytest.raises(DataError, match=r"metrics\.json is damaged .*; move it away and evaluate again"):
        write_evaluation(tmp_path, evaluation)
    assert [path.read_text() for path in tmp_path.iterdir()] == [content]


@pytest.mark.slow
def test_leaky_model_is_marked_in_metrics_and_report(evaluation: Evaluation, tmp_path: Path) -> None:
    data = evaluation.info.training_data.model_copy(update={"leaky": True})
    leaky = replace(evaluation, info=evaluation.info.model_copy(update={"training_data": data}))
    write_evaluation(tmp_path, leaky)
    assert json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))["leaky"] is True
    report = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "test set, split by image" in report
    assert report.lower().count("leaky") > 5


@pytest.mark.slow
def test_evaluation_of_all_images(predictor: Predictor, test_subset: Manifest) -> None:
    seen: list[tuple[int, int]] = []
    found = evaluate_subset(
        predictor,
        test_subset,
        subset="all",
        unseen=True,
        resamples=20,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert found.manifest_sha256 == test_subset.sha256
    assert {point.measured_on for point in found.operating_points} == {"other"}
    assert seen[-1] == (len(test_subset), len(test_subset))


def test_test_results_are_added_to_the_description(evaluation: Evaluation) -> None:
    info = with_test_results(evaluation.info, evaluation)
    assert info.metrics == evaluation.evaluated.summary.overall
    count = len(evaluation.info.operating_points)
    assert count > 1
    assert [point.measured_on for point in info.operating_points] == ["test"] * count
    assert info.graph_sha256 == evaluation.info.graph_sha256


def test_missing_image_is_an_error(predictor: Predictor, test_subset: Manifest, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"\.jpg: no such file"):
        evaluate_subset(predictor, replace(test_subset, root=tmp_path), subset="test", unseen=True)


def test_output_folder_that_cannot_be_written_is_an_error(evaluation: Evaluation, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LesionlabError, match=r"file"):
        write_evaluation(tmp_path / "file", evaluation)


@pytest.mark.slow
def test_undefined_figures_are_null_and_not_stored_in_the_model(
    predictor: Predictor, test_subset: Manifest, tmp_path: Path
) -> None:
    benign = test_subset.select(
        record.image_id for record in test_subset if record.diagnosis not in DIAGNOSIS.malignant
    )
    found = evaluate_subset(predictor, benign, subset="test", unseen=True, resamples=20)
    write_evaluation(tmp_path, found)
    text = (tmp_path / "metrics.json").read_text(encoding="utf-8")
    assert "NaN" not in text
    assert {point["sensitivity"] for point in json.loads(text)["operating_points"]} == {None}
    assert with_test_results(predictor.info, found).operating_points == predictor.info.operating_points


@pytest.mark.slow
@pytest.mark.parametrize("task", ["malignant", "melanoma"])
def test_binary_model(tiny_binary_bundle: Callable[[str], Path], phantoms: Manifest, tmp_path: Path, task: str) -> None:
    model = Predictor.load(tiny_binary_bundle(task))
    write_evaluation(tmp_path, evaluate_subset(model, phantoms, subset="all", unseen=True, resamples=50))
    metrics = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    with (tmp_path / "predictions.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    first, second = TASKS[task].classes
    columns = [
        "image_id",
        "lesion_id",
        "diagnosis",
        "actual",
        "predicted",
        f"p_{first}",
        f"p_{second}",
        "confidence",
        "status",
    ]
    assert list(rows[0]) == columns
    assert [row["diagnosis"] for row in rows] == [record.diagnosis for record in phantoms]
    targets = DIAGNOSIS.malignant if task == "malignant" else ("mel",)
    truth = [row["actual"] == second for row in rows]
    assert truth == [record.diagnosis in targets for record in phantoms]
    predicted, scores = [row["predicted"] == second for row in rows], [float(row[f"p_{second}"]) for row in rows]
    assert 0 < sum(predicted) < len(rows)
    assert metrics["task"] == task
    assert metrics["confusion_matrix"] == confusion_matrix(truth, predicted).tolist()
    assert metrics["per_class"][second]["f1"]["value"] == pytest.approx(f1_score(truth, predicted))
    assert metrics["per_class"][second]["auc"]["value"] == pytest.approx(roc_auc_score(truth, scores), abs=0.01)
    values = [metrics["overall"][name]["value"] for name in ("malignant_auc", "malignant_recall", "melanoma_auc")]
    assert [value is None for value in values] == ([False, False, True] if task == "malignant" else [True, True, False])
    (point,) = metrics["operating_points"]
    assert point["prevalence"] == pytest.approx(np.mean(truth))
    assert point["sensitivity"] == pytest.approx(np.mean(np.array(scores)[truth] >= point["threshold"]), abs=0.02)


@pytest.mark.slow
def test_copies_of_an_image_are_counted(tiny_bundle: Path, phantoms: Manifest, tmp_path: Path) -> None:
    records = phantoms.records[:12]
    copies = tuple(replace(record, image_id=f"{record.image_id}~2") for record in records[:5])
    with_copies = replace(phantoms, records=records + copies)
    found = evaluate_subset(Predictor.load(tiny_bundle), with_copies, subset="all", unseen=True, resamples=20)
    assert found.evaluated.summary.n_images == 17
    assert found.evaluated.summary.n_lesions == len({record.lesion_id for record in records})
    write_evaluation(tmp_path, found)
    with (tmp_path / "predictions.csv").open(encoding="utf-8", newline="") as stream:
        rows = {row.pop("image_id"): row for row in csv.DictReader(stream)}
    assert len(rows) == 17
    for record in records[:5]:
        copied, first = rows[f"{record.image_id}~2"], rows[record.image_id]
        assert copied["lesion_id"] == first["lesion_id"]
        for code in CODES:  # the position in the batch may change the last bits
            assert float(copied[f"p_{code}"]) == pytest.approx(float(first[f"p_{code}"]), abs=3e-6)


def test_report_has_maps_of_the_example_images(written: Path, evaluation: Evaluation, predictor: Predictor) -> None:
    evaluated = evaluation.evaluated
    assert {bool(evaluated.predicted[index] == evaluated.labels[index]) for index in evaluated.maps} == {True, False}
    report = (written / "report.html").read_text(encoding="utf-8")
    for index, explanation in evaluated.maps.items():
        prediction = evaluated.predictions[index]
        assert (prediction.status, explanation.code) == ("ok", prediction.top[0].code)
        explained = predictor.explain(evaluated.locations[index]).explanation
        assert explained is not None
        np.testing.assert_array_equal(explained.values, explanation.values)
        assert str(escape(prediction.headline)) in report
    assert report.count('alt="Class activation map for ') >= len(evaluated.maps)
    assert "not its validity" in report


def test_abstentions_are_counted_and_have_no_map(written: Path, evaluation: Evaluation) -> None:
    evaluated = evaluation.evaluated
    abstained = {index for index, prediction in enumerate(evaluated.predictions) if prediction.abstained}
    assert not abstained & set(evaluated.maps)
    assert json.loads((written / "metrics.json").read_text(encoding="utf-8"))["n_abstained"] == len(abstained)
    with (written / "predictions.csv").open(encoding="utf-8", newline="") as stream:
        statuses = [row["status"] for row in csv.DictReader(stream)]
    assert {index for index, status in enumerate(statuses) if status == "abstained"} == abstained
    assert f"The model abstained on {len(abstained)} image" in (written / "report.html").read_text(encoding="utf-8")

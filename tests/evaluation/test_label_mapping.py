"""Evaluation on datasets with coarser labels than the model's classes."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from lesionlab.data import ImageRecord, Manifest, left_out_in_words, read_dataset
from lesionlab.errors import DataError
from lesionlab.evaluation import Evaluation, evaluate_subset, write_evaluation
from lesionlab.evaluation.comparison import compare_predictions
from lesionlab.evaluation.label_mapping import common_task, require_view, task_and_images
from lesionlab.evaluation.load import read_evaluation
from lesionlab.evaluation.predictions_file import find_predictions, read_predictions
from lesionlab.prediction import Predictor
from lesionlab.taxonomy import CODES, DIAGNOSIS, DIAGNOSIS_11, TASKS


def labelled(*labels: str) -> list[ImageRecord]:
    return [ImageRecord(str(i), f"{i}.jpg", str(i), label) for i, label in enumerate(labels)]


@pytest.mark.parametrize(
    ("model", "labels", "task"),
    [
        ("diagnosis", ("mel", "nv"), "diagnosis"),
        ("diagnosis", ("mel", "other"), "melanoma"),
        ("diagnosis", ("mel", "benign"), "malignant"),
        ("diagnosis", ("malignant", "benign"), "malignant"),
        ("malignant", ("malignant", "nv"), "malignant"),
        ("melanoma", ("mel", "nv"), "melanoma"),
        ("diagnosis", ("mel", "nv", "unk"), "diagnosis"),
        ("diagnosis", ("mel", "nv", "scc"), "malignant"),
        ("diagnosis", ("other", "benign"), "melanoma"),
        ("diagnosis-11", ("mel", "nv", "unk"), "diagnosis"),
        ("diagnosis-11", ("mel", "nv", "scc"), "diagnosis-11"),
        ("diagnosis-11", ("scc", "benign"), "malignant"),
        ("diagnosis-11", ("mel", "other"), "melanoma"),
    ],
)
def test_finest_common_task_is_chosen(model: str, labels: tuple[str, ...], task: str) -> None:
    assert common_task(TASKS[model], labelled(*labels)).name == task


@pytest.mark.parametrize(
    ("model", "labels"),
    [("diagnosis", ("other", "malignant")), ("melanoma", ("malignant", "benign")), ("malignant", ("mel", "other"))],
)
def test_labels_without_a_common_task_are_rejected(model: str, labels: tuple[str, ...]) -> None:
    with pytest.raises(DataError, match="cannot be evaluated on the labels"):
        common_task(TASKS[model], labelled(*labels))


def test_images_without_a_class_are_left_out_and_counted(tmp_path: Path) -> None:
    manifest = Manifest(tmp_path, tuple(labelled("mel", "nv", "scc", "inf", "scc", "unk")))
    task, images, left_out = task_and_images(DIAGNOSIS, manifest)
    assert (task.name, len(images), left_out) == ("malignant", 5, {"unk": 1})
    task, images, left_out = task_and_images(DIAGNOSIS, manifest, "diagnosis")
    assert (task.name, len(images), left_out) == ("diagnosis", 2, {"scc": 2, "inf": 1, "unk": 1})
    words = "4 images have labels that determine no class of task diagnosis (scc 2, inf 1, unk 1)"
    assert left_out_in_words(left_out, task) == words
    with pytest.raises(DataError, match="do not determine those of task malignant"):
        task_and_images(TASKS["melanoma"], manifest, "malignant")
    with pytest.raises(DataError, match="no image is left"):
        task_and_images(DIAGNOSIS, manifest.select(["2"]), "diagnosis")


def test_probabilities_of_classes_are_summed() -> None:
    rows = np.random.default_rng(0).dirichlet(np.ones(7), 6)
    mel = require_view(DIAGNOSIS, TASKS["melanoma"]).probabilities(rows)
    np.testing.assert_allclose(mel[:, 1], rows[:, CODES.index("mel")])
    np.testing.assert_allclose(mel.sum(axis=1), 1)
    targets = [CODES.index(code) for code in ("mel", "bcc", "akiec")]
    two = require_view(DIAGNOSIS, TASKS["malignant"]).probabilities(rows)
    np.testing.assert_allclose(two[:, 1], rows[:, targets].sum(axis=1))
    with pytest.raises(DataError, match="do not determine"):
        require_view(TASKS["melanoma"], TASKS["malignant"])


@pytest.fixture(scope="module")
def of_eleven(tiny_bundle_of_eleven: Path) -> Predictor:
    return Predictor.load(tiny_bundle_of_eleven, threads=1)


@pytest.fixture(scope="module")
def seven_of_eleven(of_eleven: Predictor, phantoms: Manifest) -> Evaluation:
    """An eleven-class model on labels of seven."""
    return evaluate_subset(of_eleven, phantoms, subset="all", unseen=True, resamples=20)


@pytest.mark.slow
def test_eleven_classes_are_evaluated_on_labels_of_seven(
    of_eleven: Predictor, seven_of_eleven: Evaluation, phantoms: Manifest
) -> None:
    evaluated, info = seven_of_eleven.evaluated, of_eleven.info
    assert (evaluated.task, seven_of_eleven.left_out) == (DIAGNOSIS, {})
    whole = np.array([list(prediction.probabilities.values()) for prediction in evaluated.predictions])
    np.testing.assert_allclose(evaluated.probabilities, whole[:, :7] / whole[:, :7].sum(axis=1, keepdims=True))
    scores = info.decision_rule.scores(whole)[:, :7]
    assert (evaluated.predicted == scores.argmax(axis=1)).all()
    # Malignancy and the thresholds are those of all eleven classes, as in use.
    malignant = np.array([prediction.p_malignant for prediction in evaluated.predictions])
    positive = np.isin([record.diagnosis for record in phantoms], DIAGNOSIS.malignant)
    found = evaluated.summary.overall
    assert found["malignant_auc"].value == pytest.approx(roc_auc_score(positive, malignant))
    mel = [record.diagnosis == "mel" for record in phantoms]
    assert found["melanoma_auc"].value == pytest.approx(roc_auc_score(mel, whole[:, 0]))
    (point,) = seven_of_eleven.operating_points
    assert point.sensitivity == pytest.approx((malignant[positive] >= point.threshold).mean())
    assert found["malignant_calibration_in_the_large"].value == pytest.approx(malignant.mean() - positive.mean())


@pytest.mark.slow
def test_written_evaluation_of_a_view_is_read_again(
    of_eleven: Predictor, seven_of_eleven: Evaluation, phantoms: Manifest, tmp_path: Path
) -> None:
    write_evaluation(tmp_path, seven_of_eleven)
    assert "those of its seven-class view" in (tmp_path / "report.html").read_text(encoding="utf-8")
    again = read_evaluation(tmp_path, of_eleven.bundle.info, phantoms)
    assert again is not None
    for target in ("malignant", "melanoma"):
        expected = seven_of_eleven.evaluated.target_scores[target]
        np.testing.assert_allclose(again.evaluated.target_scores[target], expected, atol=1e-6)
    assert again.uncertainty.selective == seven_of_eleven.uncertainty.selective


@pytest.mark.slow
@pytest.mark.parametrize("own_task", [False, True])
def test_models_of_eleven_and_seven_classes_are_compared(
    of_eleven: Predictor, tiny_bundle: Path, phantoms_of_eleven: Manifest, tmp_path: Path, own_task: bool
) -> None:
    seven = Predictor.load(tiny_bundle, threads=1)
    evaluations = {
        "seven": evaluate_subset(seven, phantoms_of_eleven, subset="all", unseen=True, task="diagnosis", resamples=5),
        "eleven": evaluate_subset(
            of_eleven,
            phantoms_of_eleven,
            subset="all",
            unseen=True,
            task=None if own_task else "diagnosis",
            resamples=5,
        ),
    }
    others = {code: 0 for code in DIAGNOSIS_11.classes if code not in CODES}
    others |= Counter(record.diagnosis for record in phantoms_of_eleven if record.diagnosis in others)
    assert evaluations["seven"].left_out == others
    assert evaluations["eleven"].evaluated.task == (DIAGNOSIS_11 if own_task else DIAGNOSIS)
    for name, evaluation in evaluations.items():
        write_evaluation(tmp_path / name, evaluation)
    files = (read_predictions(tmp_path / name / "predictions.csv") for name in evaluations)
    comparison = compare_predictions(*files, resamples=20)
    assert comparison.left_out == (others if own_task else {})
    assert any("determines no class of one of the tasks" in note for note in comparison.notes) == own_task
    assert comparison.n_images == evaluations["seven"].evaluated.summary.n_images
    found = {row.metric: row for row in comparison.metrics}
    expected = evaluate_subset(
        of_eleven, phantoms_of_eleven, subset="all", unseen=True, task="diagnosis", resamples=0
    ).evaluated.summary.overall
    for name in ("balanced_accuracy", "accuracy", "macro_auc", "malignant_auc", "melanoma_auc"):
        assert found[name].b.value == pytest.approx(expected[name].value, abs=2e-3), name  # six decimals
    assert comparison.b.task == "diagnosis"


def test_files_without_a_common_image_are_not_compared(tmp_path: Path) -> None:
    for name, task in (("a", DIAGNOSIS), ("b", DIAGNOSIS_11)):
        shares = ",".join(["1", *["0"] * (len(task.classes) - 1)])
        header = ",".join(["image_id", "lesion_id", "diagnosis", "predicted", *(f"p_{code}" for code in task.classes)])
        label = "nv" if name == "a" else "scc"
        (tmp_path / f"{name}.csv").write_text(f"{header}\ni{name},l{name},{label},mel,{shares}\n")
    sides = [read_predictions(tmp_path / f"{name}.csv") for name in ("a", "b")]
    with pytest.raises(DataError, match="the images differ"):
        compare_predictions(*sides)
    with pytest.raises(DataError, match="no image has a class of task diagnosis and of task diagnosis-11"):
        compare_predictions(sides[0].select([False]), sides[1])


@pytest.mark.slow
@pytest.mark.parametrize(("column", "task", "code"), [("melanoma", "melanoma", "mel"), ("target", "malignant", None)])
def test_binary_labels_from_a_table(
    tiny_bundle: Path, tmp_path: Path, column: str, task: str, code: str | None
) -> None:
    rng = np.random.default_rng(1)
    for index in range(12):
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(tmp_path / f"i{index}.png")
    rows = [f"i{index},{index % 2},{30 + index}" for index in range(12)]
    (tmp_path / "truth.csv").write_text("\n".join([f"image_id,{column},age_approximate", *rows]) + "\n")
    manifest = read_dataset(tmp_path, metadata=tmp_path / "truth.csv")
    predictor = Predictor.load(tiny_bundle)
    evaluation = evaluate_subset(predictor, manifest, subset="all", unseen=True, resamples=20)
    assert evaluation.evaluated.task.name == task
    truth = np.array([int(record.image_id[1:]) % 2 for record in manifest])
    predictions = [predictor.predict(manifest.location(record)) for record in manifest]
    scores = [p.probabilities[code] if code else p.p_malignant for p in predictions]
    found = evaluation.evaluated.summary.per_class[evaluation.evaluated.task.classes[1]]["auc"].value
    assert found == pytest.approx(roc_auc_score(truth, scores))
    # Thresholds on malignancy are measured only if the labels determine it.
    expected = predictor.info.operating_points if task == "malignant" else ()
    assert len(evaluation.operating_points) == len(expected)
    write_evaluation(tmp_path / "out", evaluation)
    written = json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))
    assert (written["task"], written["bundle"]) == (task, predictor.info.identity)
    # A comparison reads every evaluation, whatever its labels.
    read = read_predictions(find_predictions(tmp_path / "out", "all"))
    assert set(read.diagnoses) == {record.diagnosis for record in manifest}
    assert set(read.diagnoses) & {"benign", "malignant", "other"}
    found_again = {row.metric: row.a.value for row in compare_predictions(read, read, resamples=20).metrics}
    assert found_again[f"{task}_auc"] == pytest.approx(found, abs=1e-3)  # six decimals
    thresholds = [name for name in found_again if name.endswith("_at_95")]
    assert len(thresholds) == 2 * any(point.target_sensitivity == 0.95 for point in expected)


@pytest.mark.slow
def test_a_coarser_task_is_measured_on_request(tiny_bundle: Path, phantoms: Manifest, tmp_path: Path) -> None:
    lesions = sorted({record.lesion_id for record in phantoms})[:20]
    few = phantoms.select(record.image_id for record in phantoms if record.lesion_id in lesions)
    first = few.records[0].lesion_id
    records = tuple(replace(record, diagnosis="unk") if record.lesion_id == first else record for record in few)
    mixed = replace(few, records=records)
    count = sum(record.lesion_id == first for record in few)
    predictor = Predictor.load(tiny_bundle)
    evaluation = evaluate_subset(predictor, mixed, subset="all", unseen=True, task="melanoma", resamples=20)
    assert evaluation.evaluated.task.name == "melanoma"
    assert (evaluation.evaluated.summary.n_images, evaluation.left_out) == (len(few) - count, {"unk": count})
    write_evaluation(tmp_path / "out", evaluation)
    written = json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))
    assert (written["left_out"], written["manifest_sha256"]) == ({"unk": count}, mixed.sha256)
    assert "no class of task melanoma (unk" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")

"""Comparison of two evaluations: reading of files, metrics, verdicts and notes."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from lesionlab.errors import DataError
from lesionlab.evaluation.comparison import Comparison, compare_predictions
from lesionlab.evaluation.predictions import Predictions
from lesionlab.evaluation.predictions_file import find_predictions, read_predictions
from lesionlab.metrics import evaluate_predictions
from lesionlab.taxonomy import CODES, TASKS

WritePredictions = Callable[..., Path]
OF_TASK = ["balanced_accuracy", "accuracy", "macro_f1"]
OF_MELANOMA = ["melanoma_auc", "melanoma_f1", "melanoma_recall_at_precision"]


@pytest.fixture
def write_predictions(tmp_path: Path) -> WritePredictions:
    """Return a function that writes a predictions.csv of simulated images with a given skill of the model."""

    def write(
        name: str,
        *,
        task: str = "diagnosis",
        skill: float = 1.5,
        images: int = 140,
        codes: tuple[str, ...] = CODES,
        metrics: dict[str, object] | None = None,
    ) -> Path:
        of_task = TASKS[task]
        diagnoses = [codes[number // 2 % len(codes)] for number in range(images)]
        logits = np.random.default_rng(len(name) + images).normal(0, 1, (images, len(of_task.classes)))
        logits[np.arange(images), [of_task.index(diagnosis) for diagnosis in diagnoses]] += skill
        powers = np.exp(logits)
        path = tmp_path / name / "predictions.csv"
        path.parent.mkdir(parents=True)
        with path.open("w", encoding="utf-8", newline="") as stream:
            rows = csv.writer(stream, lineterminator="\n")
            rows.writerow(["image_id", "lesion_id", "diagnosis", "predicted", *(f"p_{c}" for c in of_task.classes)])
            for number, row in enumerate(powers / powers.sum(axis=1, keepdims=True)):
                ids = [f"ISIC_{number:07d}", f"HAM_{number // 2}", diagnoses[number]]
                rows.writerow([*ids, of_task.classes[row.argmax()], *(f"{value:.6f}" for value in row)])
        if metrics is not None:
            path.with_name("metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
        return path

    return write


def compare(a: Path, b: Path) -> Comparison:
    return compare_predictions(read_predictions(a), read_predictions(b), resamples=100)


def names(comparison: Comparison) -> list[str]:
    return [row.metric for row in comparison.metrics]


def edited(path: Path, old: str, new: str) -> Path:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


def test_metrics_equal_those_of_the_evaluation(write_predictions: WritePredictions) -> None:
    a, b = write_predictions("a"), write_predictions("b", skill=4.0)
    found = {row.metric: row for row in compare(a, b).metrics}
    assert list(found) == [*OF_TASK, "macro_auc", "malignant_auc", *OF_MELANOMA, "ece"]
    for side, path in (("a", a), ("b", b)):
        read = read_predictions(path)
        labels = [CODES.index(diagnosis) for diagnosis in read.diagnoses]
        summary = evaluate_predictions(labels, read.probabilities, read.lesion_ids, resamples=100)
        for name in set(summary.overall) & set(found):
            assert getattr(found[name], side).model_dump() == pytest.approx(summary.overall[name].model_dump()), name
        assert getattr(found["melanoma_f1"], side).value == summary.per_class["mel"]["f1"].value
    assert {name: row.test for name, row in found.items() if row.test} == {
        "accuracy": "McNemar",
        "malignant_auc": "DeLong",
        "melanoma_auc": "DeLong",
    }


def test_better_model_is_named_in_either_order(write_predictions: WritePredictions) -> None:
    weak, strong = write_predictions("weak", skill=0.5), write_predictions("strong", skill=4.0)
    for comparison, better in ((compare(weak, strong), "B"), (compare(strong, weak), "A")):
        row = comparison.metrics[1]
        assert row.difference.value is not None
        assert row.p_value is not None
        assert row.verdict.startswith(f"{better} is better: {abs(row.difference.value):.3f} (")
        assert row.p_value < 0.001
        assert row.sentence.endswith(f"{row.verdict}; McNemar's test p < 0.001.")


def test_model_against_itself(write_predictions: WritePredictions) -> None:
    path = write_predictions("a")
    comparison = compare(path, path)
    for row in comparison.metrics:
        assert (row.difference.value, row.difference.low, row.difference.high) == (0.0, 0.0, 0.0)
        assert row.verdict.startswith("no significant difference")
    assert [row.p_value for row in comparison.metrics if row.test] == [1.0, 1.0, 1.0]
    assert comparison.notes[-1] == "The predictions of A and B are identical."


def test_perfect_models_have_differences_with_an_interval(write_predictions: WritePredictions) -> None:
    # 10 lesions of each class, all correct for both models.
    comparison = compare(write_predictions("a", skill=60.0), write_predictions("bb", skill=50.0))
    found = {row.metric: row for row in comparison.metrics}
    accuracy, auc = found["accuracy"], found["melanoma_auc"]
    assert (accuracy.a.value, accuracy.a.low, accuracy.a.high) == pytest.approx((1, 0.025 ** (1 / 70), 1))
    others = 1 - 0.025 ** (1 / 10)
    for row in (auc, found["balanced_accuracy"], found["macro_auc"]):
        assert (row.difference.value, row.difference.low, row.difference.high) == pytest.approx((0, -others, others))
        assert row.b.low == pytest.approx(1 - others)
    assert found["melanoma_f1"].a.low == pytest.approx(0.025 ** (1 / 5))
    assert all(row.difference.low is None or row.difference.low < 0 for row in comparison.metrics)
    assert found["melanoma_recall_at_precision"].verdict == "difference without an interval: +0.000"


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("malignant", "malignant", [*OF_TASK, "malignant_auc", "ece"]),
        ("melanoma", "melanoma", [*OF_TASK, *OF_MELANOMA, "ece"]),
        ("diagnosis", "malignant", ["malignant_auc"]),
        ("melanoma", "diagnosis", OF_MELANOMA),
    ],
)
def test_different_tasks_are_compared_on_the_common_target(
    write_predictions: WritePredictions, first: str, second: str, expected: list[str]
) -> None:
    comparison = compare(write_predictions("a", task=first), write_predictions("b", task=second))
    assert names(comparison) == expected
    assert (comparison.a.task, comparison.b.task) == (first, second)


@pytest.mark.parametrize(
    ("task", "labels"),
    [
        ("melanoma", ("other", "mel")),
        ("melanoma", ("other", "nv", "mel", "bcc")),
        ("malignant", ("benign", "malignant")),
        ("malignant", ("benign", "nv", "mel", "malignant")),
    ],
)
def test_coarse_labels_are_compared(write_predictions: WritePredictions, task: str, labels: tuple[str, ...]) -> None:
    # Thresholds for a target that the labels do not determine are ignored.
    point = {"target_sensitivity": 0.95, "threshold": 0.5}
    points = [point | {"target": target} for target in ("malignant", "melanoma")]
    known = {"bundle": "one@1", "leaky": False, "unseen": True, "operating_points": points}
    a, b = (write_predictions(name, task=task, codes=labels, metrics=known) for name in ("a", "b"))
    found = {row.metric: row for row in compare(a, b).metrics}
    of_target = OF_MELANOMA if task == "melanoma" else ["malignant_auc"]
    assert list(found) == [*OF_TASK, *of_target, "ece", f"{task}_sensitivity_at_95", f"{task}_specificity_at_95"]
    read = read_predictions(a)
    positive = np.isin(read.diagnoses, ("mel",) if task == "melanoma" else ("malignant", "mel"))
    assert found[f"{task}_auc"].a.value == pytest.approx(roc_auc_score(positive, read.probabilities[:, 1]))


def test_label_that_does_not_determine_the_class_is_rejected(write_predictions: WritePredictions) -> None:
    path = edited(write_predictions("a", task="melanoma"), "HAM_0,mel", "HAM_0,malignant")
    with pytest.raises(DataError, match=r"line 2: diagnosis 'malignant' is none of mel, nv, .*, benign, other$"):
        read_predictions(path)


def test_summed_probabilities_equal_the_binary_model(write_predictions: WritePredictions) -> None:
    seven = read_predictions(write_predictions("seven"))
    task = TASKS["malignant"]
    malignant = seven.probability_of(seven.task.malignant)
    both = np.stack([1 - malignant, malignant], axis=1)
    model = seven.model.model_copy(update={"task": "malignant"})
    two = Predictions(model, task, seven.image_ids, seven.lesion_ids, seven.diagnoses, both.argmax(axis=1), both)
    (row,) = compare_predictions(seven, two, resamples=50).metrics
    assert row.difference.value == pytest.approx(0, abs=1e-3)  # 1 - x may break ties
    assert row.a.value is not None


def test_tasks_without_a_common_target_are_rejected(write_predictions: WritePredictions) -> None:
    with pytest.raises(DataError, match="task malignant of A and task melanoma of B have no common target"):
        compare(write_predictions("a", task="malignant"), write_predictions("b", task="melanoma"))


def test_recall_is_compared_at_the_precision_of_a(write_predictions: WritePredictions) -> None:
    a, b = write_predictions("a"), write_predictions("b", skill=3.0)
    read = read_predictions(a)
    predicted, actual = read.predicted == CODES.index("mel"), np.array(read.diagnoses) == "mel"
    row = {row.metric: row for row in compare(a, b).metrics}["melanoma_recall_at_precision"]
    assert (
        f"a precision of at least {(predicted & actual).sum() / predicted.sum():.3f}, that of A's predicted classes"
        in row.sentence
    )
    assert row.a.value is not None
    assert row.a.value > 0


def test_no_recall_at_precision_without_a_correct_prediction_of_a(write_predictions: WritePredictions) -> None:
    comparison = compare(write_predictions("a", task="melanoma", skill=-50.0), write_predictions("b", task="melanoma"))
    assert "melanoma_recall_at_precision" not in names(comparison)
    assert any("No melanoma prediction of A is correct" in note for note in comparison.notes)


def test_undefined_difference_in_words(write_predictions: WritePredictions) -> None:
    comparison = compare(write_predictions("a", codes=("nv",)), write_predictions("b", codes=("nv",)))
    row = next(row for row in comparison.metrics if row.metric == "melanoma_auc")
    assert (row.test, row.p_value, row.difference.value) == (None, None, None)
    assert row.verdict == "the difference is not defined on these images"


def test_notes_on_leaks_and_different_splits(write_predictions: WritePredictions) -> None:
    known = {"bundle": "one@1", "leaky": True, "unseen": False, "split_sha256": "a"}
    a = write_predictions("a", metrics=known)
    b = write_predictions("b", metrics=known | {"bundle": "two@2", "leaky": False, "unseen": True, "split_sha256": "b"})
    comparison = compare(a, b)
    assert (comparison.a.name, comparison.b.name) == ("one@1", "two@2")
    assert all(row.verdict.endswith(" [leaky]") for row in comparison.metrics)
    notes = " ".join(comparison.notes)
    for expected in ("A is leaky", "A was fitted on these lesions", "trained on different splits"):
        assert expected in notes
    assert "B is leaky" not in notes
    assert "B was fitted" not in notes


def test_note_on_missing_metrics(write_predictions: WritePredictions) -> None:
    path = write_predictions("a")
    comparison = compare(path, path)
    assert (comparison.a.leaky, comparison.a.name) == (None, str(path))
    assert any(note.startswith("A: no metrics.json") for note in comparison.notes)
    assert not any("[leaky]" in row.verdict for row in comparison.metrics)


def test_row_order_and_further_columns_are_ignored(write_predictions: WritePredictions) -> None:
    path, shuffled = write_predictions("a"), write_predictions("b")
    header, *rows = path.read_text(encoding="utf-8").splitlines()
    lines = [f"note,{header}", *(f"x,{row}" for row in reversed(rows))]
    shuffled.write_text("\n".join(lines), encoding="utf-8")
    assert compare(shuffled, shuffled).metrics == compare(path, path).metrics


def test_predictions_are_found_in_run_and_evaluation_folders(write_predictions: WritePredictions) -> None:
    path = write_predictions("run/evaluation/validation")
    run = path.parents[2]
    for path_given in (run, path.parent, path):
        assert find_predictions(path_given, "validation") == path
    with pytest.raises(DataError, match="has no predictions of the test set: run `lesionlab evaluate"):
        find_predictions(run, "test")
    with pytest.raises(DataError, match="does not exist"):
        find_predictions(run / "nowhere", "test")


def test_different_images_are_rejected(write_predictions: WritePredictions) -> None:
    a, b = write_predictions("a", images=100), write_predictions("b", images=98)
    with pytest.raises(DataError, match=r"the images differ: 2 only in .*, 0 only in .*; evaluate both"):
        compare(a, b)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ISIC_0000003,HAM_1,", "ISIC_0000003,HAM_7,", "the lesion of ISIC_0000003 is HAM_1 in"),
        ("ISIC_0000000,HAM_0,mel", "ISIC_0000000,HAM_0,nv", "the diagnosis of ISIC_0000000 is mel in"),
    ],
)
def test_different_labels_are_rejected(write_predictions: WritePredictions, old: str, new: str, message: str) -> None:
    a, b = write_predictions("a"), edited(write_predictions("b"), old, new)
    with pytest.raises(DataError, match=message):
        compare(a, b)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("p_mel,p_nv", "p_nv,p_mel", "does not have the columns"),
        ("lesion_id", "lesion", "does not have the columns image_id, lesion_id"),
        ("HAM_0,mel", "HAM_0,wart", r"line 2: diagnosis 'wart' is none of mel, nv"),
        ("ISIC_0000001,HAM_0,", "ISIC_0000000,HAM_0,", "has ISIC_0000000 more than once"),
        ("ISIC_0000001,HAM_0,", "ISIC_0000001,", "line 3: the number of values"),
        ("ISIC_0000001,HAM_0,", "ISIC_0000001,HAM_0,x,", "line 3: the number of values"),
        ("0.", "much", "line 2: could not convert"),
        ("0.", "nan,0.", "line 2: the number of values"),
        ("0.", "7.", "line 2: the probabilities are negative or do not sum to 1"),
    ],
)
def test_damaged_files_are_rejected(write_predictions: WritePredictions, old: str, new: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_predictions(edited(write_predictions("a"), old, new))


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "does not have the columns"), (b"\xff\xfe\x00", "cannot be read as CSV")],
)
def test_files_that_are_no_table_are_rejected(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "predictions.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_predictions(path)


def test_table_without_images_is_rejected(write_predictions: WritePredictions) -> None:
    path = write_predictions("a")
    path.write_text(path.read_text(encoding="utf-8").splitlines()[0] + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="has no images"):
        read_predictions(path)


def test_damaged_metrics_are_rejected(write_predictions: WritePredictions) -> None:
    path = write_predictions("a", metrics={"bundle": "one@1"})
    with pytest.raises(DataError, match=r"metrics.json is damaged; evaluate the model again"):
        read_predictions(path)


def test_comparison_round_trips_through_json(write_predictions: WritePredictions) -> None:
    comparison = compare(write_predictions("a"), write_predictions("b", skill=3.0))
    text = comparison.model_dump_json()
    assert Comparison.model_validate_json(text) == comparison
    assert json.loads(text)["notice"] == "For research and education only, not a diagnosis."

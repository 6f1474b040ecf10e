"""Tests of `lesionlab compare`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lesionlab import RESEARCH_ONLY

HEADER = "image_id,lesion_id,diagnosis,predicted,p_other,p_mel"


def write_evaluation(folder: Path, right: int, *, images: int = 60, leaky: bool = False) -> Path:
    """Write an evaluation of a melanoma model that is right on the first so many images."""
    rows = [HEADER]
    for number in range(images):
        melanoma = number % 3 == 0
        called = melanoma == (number < right)
        score = (0.6 if called else 0.1) + 0.3 * (number % 7) / 7
        answer = "mel" if called else "other"
        truth = "mel" if melanoma else "nv"
        rows.append(f"ISIC_{number},HAM_{number // 2},{truth},{answer},{1 - score:.6f},{score:.6f}")
    folder.mkdir(parents=True)
    (folder / "predictions.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    metrics = {"bundle": f"net@{right}", "leaky": leaky, "unseen": True, "split_sha256": "s", "subset": "test"}
    (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    """Two runs evaluated on their test part, the second the better one and leaky."""
    for name, right in (("weak", 40), ("strong", 58)):
        write_evaluation(tmp_path / name / "evaluation" / "test", right, leaky=name == "strong")
    return tmp_path / "weak", tmp_path / "strong"


def test_better_run_is_named(cli: Callable[..., Any], runs: tuple[Path, Path]) -> None:
    done = cli("compare", *runs)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0].startswith("A: net@40 (melanoma), ")
    assert lines[1].startswith("B: net@58 (melanoma, leaky), ")
    (row,) = [line.split() for line in lines if line.split()[:1] == ["accuracy"]]
    assert row[1:5] == ["0.667", "0.967", "leaky", "+0.300"]
    assert row[-3:] == ["<", "0.001", "McNemar"]
    (sentence,) = [line for line in lines if line.startswith("Accuracy (")]
    assert "A 0.667, B 0.967; B is better: 0.300 (" in sentence
    assert "[leaky]" in sentence
    assert "60 images of 30 lesions." in lines
    assert lines[-1] == RESEARCH_ONLY


def test_json_is_the_same_as_the_file(cli: Callable[..., Any], runs: tuple[Path, Path], tmp_path: Path) -> None:
    file = tmp_path / "new" / "comparison.json"
    printed = json.loads(cli("compare", *runs, "--json", "--out", file).out)
    assert printed == json.loads(file.read_text(encoding="utf-8"))
    assert printed["notice"] == RESEARCH_ONLY
    assert [path.name for path in file.parent.iterdir()] == ["comparison.json"]
    accuracy = next(row for row in printed["metrics"] if row["metric"] == "accuracy")
    assert accuracy["difference"]["value"] == pytest.approx(0.3)


def test_another_subset_and_evaluation_folders(
    cli: Callable[..., Any], runs: tuple[Path, Path], tmp_path: Path
) -> None:
    write_evaluation(runs[0] / "evaluation" / "validation", 30, images=45)
    other = write_evaluation(tmp_path / "elsewhere", 44, images=45)
    done = cli("compare", runs[0], other / "predictions.csv", "--subset", "validation", "--json")
    assert json.loads(done.out)["n_images"] == 45


def test_invalid_input_is_one_line(cli: Callable[..., Any], runs: tuple[Path, Path], tmp_path: Path) -> None:
    other = write_evaluation(tmp_path / "other", 50, images=62)
    file = tmp_path / "never.json"
    for second, message in (
        (tmp_path, "has no predictions of the test set"),
        (other, "the images differ: 0 only in"),
        (other / "metrics.json", "does not have the columns"),
    ):
        done = cli("compare", runs[0], second, "--out", file)
        assert (done.code, done.out) == (1, "")
        assert message in done.err
        assert done.err.startswith("error: ")
        assert done.err.count("\n") == 1
    assert not file.exists()


def test_input_is_never_replaced(cli: Callable[..., Any], runs: tuple[Path, Path]) -> None:
    done = cli("compare", *runs, "--out", runs[0])
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: {runs[0]} is or holds an input of this command")
    assert done.err.count("\n") == 1


def test_unknown_subset_or_missing_run_is_wrong_usage(cli: Callable[..., Any], runs: tuple[Path, Path]) -> None:
    assert cli("compare", *runs, "--subset", "tests").code == 2
    assert cli("compare", runs[0]).code == 2
    assert cli("compare", runs[0], "nowhere").code == 2

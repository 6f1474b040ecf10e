"""Tests of `lesionlab evaluate`."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lesionlab import RESEARCH_ONLY
from lesionlab.bundle import Bundle, save_bundle
from lesionlab.data import Manifest
from lesionlab.phantoms import write_phantoms
from lesionlab.runs import RunFolder

FILES = ["metrics.json", "predictions.csv", "report.html"]


@pytest.fixture
def run(tiny_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A copy of the run that an evaluation may change, in its own folder."""
    shutil.copytree(tiny_run.path, tmp_path / "run")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return RunFolder(tmp_path / "run")


def test_run_is_evaluated_on_its_test_subset(cli: Callable[..., Any], run: RunFolder) -> None:
    done = cli("evaluate", "--model", run.path)
    assert (done.code, done.err) == (0, "")
    assert RESEARCH_ONLY in done.out
    folder = run.evaluation / "test"
    assert sorted(path.name for path in folder.iterdir()) == FILES
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    assert (metrics["subset"], metrics["unseen"], metrics["times_test_was_read"]) == ("test", True, 1)
    assert metrics["n_images"] == len(run.split().subsets()["test"])
    balanced = metrics["overall"]["balanced_accuracy"]
    (line,) = [line for line in done.out.splitlines() if line.split()[:2] == ["balanced", "accuracy"]]
    assert f"{balanced['value']:.3f}" in line
    assert f"{balanced['low']:.3f} to {balanced['high']:.3f}" in line
    bundle = Bundle.load(run.path)
    assert bundle.info.metrics["balanced_accuracy"].model_dump() == balanced
    assert {point.measured_on for point in bundle.info.operating_points} == {"test"}
    assert (bundle.explainable, bundle.abstains) == (True, True)
    assert bundle.evaluation is not None
    assert bundle.evaluation.overall == bundle.info.metrics
    assert len(bundle.evaluation.history) == len(run.read_history())


def test_validation_subset_is_marked_as_seen(cli: Callable[..., Any], run: RunFolder) -> None:
    before = Bundle.load(run.path).info
    done = cli("evaluate", "--model", run.path, "--subset", "validation")
    assert "The model was fitted to these images: the figures are too optimistic." in done.out
    assert Bundle.load(run.path).info == before
    assert json.loads((run.evaluation / "validation" / "metrics.json").read_text())["unseen"] is False


def test_json_is_the_metrics_file(cli: Callable[..., Any], run: RunFolder, tmp_path: Path) -> None:
    done = cli("evaluate", "--model", run.path, "--json", "--out", tmp_path / "out")
    assert json.loads(done.out) == json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))
    assert not run.evaluation.exists()


def test_bundle_recovers_the_split_of_its_dataset(cli: Callable[..., Any], run: RunFolder, phantoms: Manifest) -> None:
    found = json.loads(cli("evaluate", "--model", run.bundle, "--data", phantoms.root, "--json").out)
    assert (found["subset"], found["unseen"]) == ("test", True)
    assert found["n_images"] == len(run.split().subsets()["test"])
    (folder,) = Path("evaluation").iterdir()
    assert folder.name == "phantom-demo-phantom-test"


def test_all_images_of_another_dataset_are_evaluated(cli: Callable[..., Any], run: RunFolder, tmp_path: Path) -> None:
    other = write_phantoms(tmp_path / "other", lesions=14, seed=9, size=(64, 48))
    done = cli("evaluate", "--model", run.bundle, "--data", tmp_path / "other", "--json")
    metrics = json.loads(done.out)
    assert (metrics["subset"], metrics["n_images"], metrics["dataset"]) == ("all", len(other), "phantom")
    assert metrics["unseen"] is True
    done = cli("evaluate", "--model", run.bundle, "--data", tmp_path / "other", "--subset", "test")
    assert done.code == 2
    assert "is not the training dataset and has no subsets" in done.err


@pytest.mark.parametrize("task", ["malignant", pytest.param("melanoma", marks=pytest.mark.slow)])
def test_binary_model_is_shown_by_its_target(
    cli: Callable[..., Any],
    tiny_binary_bundle: Callable[[str], Path],
    phantoms: Manifest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    task: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = cli("evaluate", "--model", tiny_binary_bundle(task), "--data", phantoms.root)
    assert (done.code, done.err) == (0, "")
    assert sorted(path.name for path in (tmp_path / "evaluation" / f"tiny-{task}-phantom-all").iterdir()) == FILES
    for metric in ("balanced accuracy", f"{task} auc", f"{task} recall", f"{task} specificity", f"{task} f1"):
        assert f"\n {metric} " in done.out
    assert "not defined" not in done.out
    assert ("malignan" in done.out) is (task == "malignant")


def test_leaky_figures_are_marked(cli: Callable[..., Any], run: RunFolder) -> None:
    bundle = Bundle.load(run.path)
    data = bundle.info.training_data.model_copy(update={"leaky": True})
    save_bundle(run.bundle, bundle.info.model_copy(update={"training_data": data}), bundle.graph)
    shown = cli("evaluate", "--model", run.path).out
    (line,) = [line for line in shown.splitlines() if line.split()[:2] == ["balanced", "accuracy"]]
    assert " leaky" in line
    stored = Bundle.load(run.path).evaluation
    assert stored is not None
    assert stored.leaky


def test_missing_input_is_named(cli: Callable[..., Any], run: RunFolder) -> None:
    done = cli("evaluate", "--model", run.bundle)
    assert (done.code, done.err) == (2, "error: --data is needed: the folder of the dataset to evaluate on\n")
    shutil.rmtree(run.bundle)
    done = cli("evaluate", "--model", run.path)
    assert done.code == 1
    assert len(done.err.splitlines()) == 1
    assert "`lesionlab train` and `lesionlab export` write bundles" in done.err


def test_several_datasets_are_evaluated_with_one_table(
    cli: Callable[..., Any], run: RunFolder, phantoms: Manifest, tmp_path: Path
) -> None:
    other = write_phantoms(tmp_path / "other", lesions=14, seed=9, size=(64, 48))
    records = tuple(replace(record, source="ab"[int(record.lesion_id[-1]) % 2]) for record in other)
    replace(other, records=records).save(tmp_path / "sources.csv")
    phantoms.save(tmp_path / "phantoms.csv")
    tables = ("--metadata", tmp_path / "phantoms.csv", "--metadata", tmp_path / "sources.csv")
    given = ("evaluate", "--model", run.bundle, "--data", phantoms.root, "--data", other.root)
    done = cli(*given, *tables, "--out", tmp_path / "out")
    assert done.code == 0
    assert "other, source" in done.out
    written = json.loads((tmp_path / "out" / "datasets.json").read_text(encoding="utf-8"))
    assert [(row["folder"], row["subset"]) for row in written] == [("data", "test"), ("other", "all")]
    for row in written:
        metrics = json.loads((tmp_path / "out" / row["folder"] / "metrics.json").read_text(encoding="utf-8"))
        assert row["whole"]["n_images"] == metrics["n_images"]
        assert row["whole"]["auc"] == metrics["overall"]["malignant_auc"]
        assert row["by_source"] == metrics["by_source"]
        assert row["within_source_auc"] == metrics["within_source_auc"]
    assert sorted(row["value"] for row in written[1]["by_source"]) == ["a", "b"]
    done = cli(*given, "--metadata", tmp_path / "sources.csv", "--out", tmp_path / "again")
    assert (done.code, "1 tables for 2 datasets; give one for each, or none" in done.err) == (2, True)
    done = cli(*given[:5], "--data", phantoms.root)
    assert (done.code, "two datasets are named data" in done.err) == (2, True)
    done = cli(*given[:5], *tables)
    assert (done.code, "several tables need several --data" in done.err) == (2, True)

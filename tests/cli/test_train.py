"""Tests of `lesionlab train`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lesionlab.bundle import Bundle
from lesionlab.data import Manifest, make_split
from lesionlab.recipes import Recipe
from lesionlab.runs import RunFolder

TINY = (
    "--set=model.backbone=test_efficientnet",
    "--set=model.pretrained=false",
    "--set=input.size=32",
    "--set=training.batch_size=16",
    "--set=training.epochs=1",
)


@pytest.mark.slow
def test_training_writes_a_run_and_a_bundle(
    cli: Callable[..., Any], phantoms: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    split = make_split(phantoms, folds=3, test=0.2)
    split.save(tmp_path / "split.json")
    arguments = ("train", "phantom-demo", "--data", phantoms.root, "--split", "split.json", "--fold", "2", *TINY)
    done = cli(*arguments)
    assert (done.code, done.out) == (0, "")
    (path,) = (tmp_path / "runs").iterdir()
    assert path.name.startswith("phantom-demo-20")
    run = RunFolder(path)
    assert run.record().finished
    assert run.record().fold == 2
    assert run.split() == split
    assert run.recipe().training.epochs == 1
    assert run.curves.read_text(encoding="utf-8").count("<svg") == 1
    data = Bundle.load(path).info.training_data
    assert data.images == {part: len(ids) for part, ids in split.subsets(2).items()}
    for words in ("epoch 1/1: train loss", "temperature", f"next: lesionlab evaluate --model runs/{path.name}"):
        assert words in done.err
    again = cli(*arguments, "--out", path)
    assert again.code == 2
    assert again.err.splitlines()[-1].startswith(f"error: {path} holds a finished run")


@pytest.mark.slow
def test_decisions_on_duplicates_are_applied_to_a_run(
    cli: Callable[..., Any], phantoms: Manifest, tmp_path: Path
) -> None:
    first, second = (record.image_id for record in phantoms.records[:2])
    (tmp_path / "d.csv").write_text(f"first,second,decision\n{first},{second},same picture\n")
    arguments = ("--data", phantoms.root, "--decisions", tmp_path / "d.csv", "--out", tmp_path / "run", *TINY)
    done = cli("train", "phantom-demo", *arguments)
    assert done.code == 0
    assert "copies left out 1" in done.err
    run = RunFolder(tmp_path / "run")
    assert {record.image_id for record in run.manifest()} == {r.image_id for r in phantoms} - {second}
    assert cli("evaluate", "--model", run.path).code == 0


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--fold", "1"], 2, "--fold needs --split with a file made by `lesionlab data split --folds K`"),
        (["--fold", "1", "--split", "plain.json"], 2, "--fold needs --split"),
        (["--split", "missing.json"], 2, "--split missing.json: there is no such file or folder"),
        (["--split", "folds.json"], 2, "the split has the folds 0 to 2: select one"),
        (["--split", "folds.json", "--fold", "3"], 2, "there is no fold 3"),
        (["--split", "other.json"], 1, "hash"),
        (["--set", "training.epoch=3"], 2, "unknown key training.epoch; did you mean epochs?"),
        (["--set", "model.backbone=resnetzz"], 2, "timm has no 'resnetzz'"),
        (["--columns", "colour=x"], 2, "colour"),
        (["--track", "comet"], 2, "--track comet: the trackers are mlflow, tensorboard, wandb"),
        (["--device", "mps"], 2, "device mps is not available; available here: "),
    ],
)
def test_error_is_one_line_and_leaves_no_run(
    cli: Callable[..., Any],
    phantoms: Manifest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    make_split(phantoms).save(tmp_path / "plain.json")
    make_split(phantoms, folds=3).save(tmp_path / "folds.json")
    make_split(Manifest(phantoms.root, phantoms.records[1:])).save(tmp_path / "other.json")
    done = cli("train", "phantom-demo", "--data", phantoms.root, "--out", "run", *TINY, *options)
    assert done.code == code
    (line,) = done.err.splitlines()
    assert line.startswith("error: ")
    assert message in line
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_run_interrupted_during_export_is_completed_by_the_same_command(
    cli: Callable[..., Any], phantoms: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    run = RunFolder(tmp_path / "run")
    arguments = ("train", "phantom-demo", "--data", phantoms.root, "--out", run.path, *TINY, "--epochs", 1)
    with monkeypatch.context() as patch:
        patch.setattr("lesionlab.experiments.completion.export_run", interrupt)
        stopped = cli(*arguments)
    assert stopped.code == 130
    command = f"error: interrupted; to resume, run the same command with --out {run.path}"
    assert stopped.err.splitlines()[-1] == command
    assert run.record().finished
    assert not run.bundle.exists()
    weights = run.best.read_bytes()
    done = cli(*arguments, "--json", "--quiet")
    assert done.code == 0
    assert "bundle" not in done.err  # warnings only
    result = json.loads(done.out)
    assert result["model"]["identity"] == Bundle.load(run.path).info.identity
    assert len(result["history"]) == 1
    assert run.best.read_bytes() == weights
    assert run.curves.exists()


@pytest.mark.slow
def test_recipe_file_and_metadata_with_other_columns(
    cli: Callable[..., Any], phantoms: Manifest, make_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    (tmp_path / "mine.toml").write_text(
        'name = "mine"\ndescription = ""\n[split]\nby_image = true\n[model]\nbackbone = "test_resnet"\n'
    )
    lines = ["picture;what", *(f"{record.image_id};{record.diagnosis}" for record in phantoms)]
    (tmp_path / "table.csv").write_text("\n".join(lines))
    options = ("--metadata", tmp_path / "table.csv", "--columns", "image_id=picture,diagnosis=what")
    tiny = [setting for setting in TINY if "backbone" not in setting]
    done = cli("train", tmp_path / "mine.toml", "--data", phantoms.root, "--out", tmp_path / "run", *tiny, *options)
    assert done.code == 0
    assert json.loads((tmp_path / "run" / "run.json").read_text())["lesions_known"] is False
    info = Bundle.load(tmp_path / "run").info
    assert (info.name, info.training_data.leaky, info.training_data.lesions_known) == ("mine", True, False)
    assert "LEAKY: split by image" in done.err

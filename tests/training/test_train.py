"""Training: the run folder, errors, and resuming after an interruption."""

import logging
import math
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from PIL import Image

from lesionlab.bundle import Bundle
from lesionlab.data import Manifest, make_split
from lesionlab.errors import DataError, DivergenceError, RecipeError, UsageError
from lesionlab.recipes import Recipe
from lesionlab.runs import RunFolder
from lesionlab.training import train_recipe
from lesionlab.training.callbacks import RunRecorder
from lesionlab.training.checkpoint import load_weights
from lesionlab.training.module import LesionModule
from lesionlab.training.network import LesionNetwork

MakeRecipe = Callable[..., Recipe]
KillAtCall = Callable[[object, str, int], AbstractContextManager[None]]


def scripted(patch: pytest.MonkeyPatch, scores: list[float]) -> None:
    """Replace the balanced accuracy of each epoch's validation."""
    left = iter(scores)
    patch.setattr("lesionlab.metrics.confusion.balanced_accuracy", lambda _matrix: np.float64(next(left)))


def without_seconds(run: RunFolder) -> list[dict[str, float]]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in run.read_history()]


@pytest.fixture
def copied(phantoms: Manifest, tmp_path: Path) -> Manifest:
    """A copy of the phantoms that tests may change."""
    shutil.copytree(phantoms.root, tmp_path / "data")
    return Manifest(tmp_path / "data", phantoms.records)


@pytest.mark.slow
def test_a_run_folder_has_all_files(phantoms: Manifest, make_recipe: MakeRecipe, tmp_path: Path) -> None:
    before = logging.getLogger("lesionlab").level
    run = train_recipe(make_recipe(), phantoms, tmp_path / "a" / "run")
    record = run.record()
    assert record.finished
    assert (record.leaky, record.fold, record.weights, record.lesions_known) == (False, None, "random", True)
    assert record.manifest_sha256 == phantoms.sha256
    assert record.split_sha256 == run.split().sha256 == make_split(phantoms, validation=0.2, test=0.25).sha256
    assert record.data_root == str(phantoms.root.resolve())
    assert record.environment["torch"] == torch.__version__.partition("+")[0]
    assert run.recipe() == make_recipe()
    assert [row["epoch"] for row in run.read_history()] == [1, 2]
    found = sorted(str(path.relative_to(run.path)) for path in run.path.rglob("*") if path.is_file())
    assert found == [
        "checkpoints/best.safetensors",
        "checkpoints/last.safetensors",
        "history.csv",
        "log.txt",
        "manifest.csv",
        "recipe.toml",
        "run.json",
        "split.json",
    ]
    log = run.log.read_text(encoding="utf-8")
    for words in ("starting weights: random", "epoch 2/2: train loss", "finished: best epoch", "split "):
        assert words in log
    assert "LEAKY" not in log
    assert logging.getLogger("lesionlab").level == before
    network = LesionNetwork(run.recipe())
    network.load_state_dict(load_weights(run.best))


@pytest.mark.slow
def test_weights_are_determined_by_the_seed(phantoms: Manifest, tiny_run: RunFolder, tmp_path: Path) -> None:
    torch.manual_seed(123)
    again = train_recipe(tiny_run.recipe(), phantoms, tmp_path / "again")
    assert again.best.read_bytes() == tiny_run.best.read_bytes()
    assert without_seconds(again) == without_seconds(tiny_run)
    other = train_recipe(tiny_run.recipe().model_copy(update={"seed": 1}), phantoms, tmp_path / "other")
    assert other.best.read_bytes() != tiny_run.best.read_bytes()


def test_training_reduces_the_loss(phantoms: Manifest, make_recipe: MakeRecipe, tmp_path: Path) -> None:
    changes = ("training.epochs=6", "optimizer.learning_rate=5e-3", "model.dropout=0.0", "loss.class_weights=none")
    run = train_recipe(make_recipe(*changes), phantoms, tmp_path / "run")
    losses = [row["train_loss"] for row in run.read_history()]
    assert losses[-1] < 0.85 * losses[0]


def test_a_leaky_split_is_reported(phantoms: Manifest, make_recipe: MakeRecipe, tmp_path: Path) -> None:
    run = train_recipe(make_recipe("split.by_image=true", "training.epochs=1"), phantoms, tmp_path / "run")
    assert run.record().leaky
    assert "LEAKY" in run.log.read_text(encoding="utf-8")


def test_a_fold_is_used_for_validation(phantoms: Manifest, make_recipe: MakeRecipe, tmp_path: Path) -> None:
    split = make_split(phantoms, folds=3, test=0.2)
    recipe = make_recipe("training.epochs=1")
    run = train_recipe(recipe, phantoms, tmp_path / "run", split=split, fold=1)
    assert run.record().fold == 1
    sizes = {subset: len(ids) for subset, ids in split.subsets(1).items()}
    assert f"images: {sizes['train']} train, {sizes['validation']} validation, {sizes['test']} test" in (
        run.log.read_text(encoding="utf-8")
    )
    with pytest.raises(UsageError, match="another recipe, dataset or split"):
        train_recipe(recipe, phantoms, tmp_path / "run", split=split, fold=2)
    for fold, given in ((3, split), (None, split), (1, None)):
        with pytest.raises(UsageError, match="fold"):
            train_recipe(recipe, phantoms, tmp_path / "none", split=given, fold=fold)
    assert not (tmp_path / "none").exists()


def test_a_folder_with_another_or_a_finished_run_is_an_error(
    phantoms: Manifest, make_recipe: MakeRecipe, tiny_run: RunFolder, tmp_path: Path
) -> None:
    path = tmp_path / "run"
    shutil.copytree(tiny_run.path, path)
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    with pytest.raises(UsageError, match="holds a finished run; choose another --out, or evaluate this one"):
        train_recipe(tiny_run.recipe(), phantoms, path)
    fewer = Manifest(phantoms.root, phantoms.records[:-1])
    for recipe, manifest, split in (
        (make_recipe("training.epochs=3"), phantoms, None),
        (tiny_run.recipe(), fewer, None),
        (tiny_run.recipe(), phantoms, make_split(phantoms, seed=1)),
    ):
        with pytest.raises(UsageError, match="holds a run of another recipe, dataset or split"):
            train_recipe(recipe, manifest, path, split=split)
    assert {file: file.read_bytes() for file in path.rglob("*") if file.is_file()} == before


def test_invalid_input_leaves_no_folder(phantoms: Manifest, make_recipe: MakeRecipe, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(RecipeError, match=r"model\.backbone: timm has no"):
        train_recipe(make_recipe("model.backbone=no_such_network"), phantoms, run)
    with pytest.raises(DataError, match="no ImageNet weights for test_efficientnet"), pytest.MonkeyPatch.context() as p:
        p.setattr("lesionlab.training.weights._download", _fail_to_download)
        train_recipe(make_recipe("model.pretrained=true"), phantoms, run)
    with pytest.raises(DataError, match="hash"):
        train_recipe(make_recipe(), phantoms, run, split=make_split(Manifest(phantoms.root, phantoms.records[:-1])))
    split = make_split(phantoms)
    no_validation = split.model_copy(update={"assignment": dict.fromkeys(split.assignment, "train")})
    with pytest.raises(DataError, match="the validation subset has no image; split the data again"):
        train_recipe(make_recipe(), phantoms, run, split=no_validation)
    absent = split.model_copy(
        update={
            "assignment": {
                record.image_id: "train" if record.diagnosis == "mel" else split.assignment[record.image_id]
                for record in phantoms
            }
        }
    )
    with pytest.raises(
        DataError, match=r"the (validation|test) subset has no image of mel, which task diagnosis requires"
    ):
        train_recipe(make_recipe(), phantoms, run, split=absent)
    only_test = absent.model_copy(
        update={
            "assignment": {
                image_id: subset if split.assignment[image_id] == "test" else split.assignment[image_id]
                for image_id, subset in absent.assignment.items()
            }
        }
    )
    with pytest.raises(DataError, match=r"the test subset has no image of mel"):
        train_recipe(make_recipe(), phantoms, run, split=only_test)
    with pytest.raises(RecipeError, match=r"unfreeze\.layers is 999; the backbone has"):
        train_recipe(make_recipe("model.freeze=true", "unfreeze.layers=999"), phantoms, run)
    assert not run.exists()


def _fail_to_download(backbone: str, folder: Path) -> dict[str, torch.Tensor]:
    raise DataError(f"no ImageNet weights for {backbone}: none in {folder}")


@pytest.mark.slow
def test_an_unreadable_image_stops_training_before_it_starts(
    copied: Manifest, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    file = Path(copied.location(copied.records[5]))
    file.write_bytes(file.read_bytes()[:300])
    with pytest.raises(DataError, match=f"1 of {len(copied)} images cannot be used: .*{file.name}"):
        train_recipe(make_recipe(), copied, tmp_path / "run")
    assert RunFolder(tmp_path / "run").read_history() == []
    Image.new("RGB", (64, 48), "tan").save(file)
    assert train_recipe(make_recipe(), copied, tmp_path / "run").record().finished


# Moving average, dropout and random erasing: state that an interruption could change.
STATEFUL = ("training.epochs=3", "training.ema_decay=0.9", "model.dropout=0.3", "augmentation.erase=0.5", "seed=5")


@pytest.fixture(scope="module")
def stateful(make_recipe: MakeRecipe) -> Recipe:
    return make_recipe(*STATEFUL, "model.pretrained=true")


@pytest.fixture(scope="module")
def uninterrupted(
    stateful: Recipe, phantoms: Manifest, imagenet: Path, tmp_path_factory: pytest.TempPathFactory
) -> RunFolder:
    return train_recipe(stateful, phantoms, tmp_path_factory.mktemp("whole") / "run")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("owner", "method", "call"),
    [
        pytest.param(LesionModule, "training_step", 1, id="before the first step", marks=pytest.mark.slow),
        pytest.param(LesionModule, "training_step", 3, id="in the first epoch", marks=pytest.mark.slow),
        pytest.param(pl.Trainer, "save_checkpoint", 1, id="before the first checkpoint", marks=pytest.mark.slow),
        pytest.param(LesionModule, "training_step", 6, id="in the second epoch"),
        pytest.param(LesionModule, "on_validation_epoch_end", 2, id="in validation", marks=pytest.mark.slow),
        pytest.param(RunRecorder, "on_train_epoch_end", 2, id="before the record of an epoch", marks=pytest.mark.slow),
        pytest.param(
            pl.Trainer, "save_checkpoint", 2, id="between best weights and checkpoint", marks=pytest.mark.slow
        ),
        pytest.param(LesionModule, "training_step", 9, id="in the last epoch", marks=pytest.mark.slow),
        pytest.param(RunFolder, "save_record", 2, id="after the last epoch", marks=pytest.mark.slow),
    ],
)
def test_a_resumed_run_equals_an_uninterrupted_one(
    stateful: Recipe,
    phantoms: Manifest,
    uninterrupted: RunFolder,
    kill_at_call: KillAtCall,
    tmp_path: Path,
    owner: type,
    method: str,
    call: int,
) -> None:
    path = tmp_path / "run"
    with kill_at_call(owner, method, call):
        train_recipe(stateful, phantoms, path)
    assert not RunFolder(path).record().finished
    torch.manual_seed(999)
    run = train_recipe(stateful, phantoms, path)
    assert run.record() == uninterrupted.record()
    assert run.record().weights == "file test_efficientnet.safetensors"
    assert run.best.read_bytes() == uninterrupted.best.read_bytes()
    assert without_seconds(run) == without_seconds(uninterrupted)
    assert "resuming " in run.log.read_text(encoding="utf-8")
    assert sorted(p.name for p in run.last.parent.iterdir()) == ["best.safetensors", "last.safetensors"]


@pytest.mark.slow
def test_another_environment_is_reported_when_resuming(
    phantoms: Manifest,
    make_recipe: MakeRecipe,
    kill_at_call: KillAtCall,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with kill_at_call(RunRecorder, "on_train_epoch_end", 2):
        train_recipe(make_recipe(), phantoms, tmp_path / "run")
    run = RunFolder(tmp_path / "run")
    record = run.record()
    run.save_record(record.model_copy(update={"environment": record.environment | {"torch": "1.0"}}))
    train_recipe(make_recipe(), phantoms, run.path)
    assert "resuming with another torch: the result may differ" in caplog.text


@pytest.mark.slow
def test_a_damaged_checkpoint_is_an_error(
    phantoms: Manifest, make_recipe: MakeRecipe, kill_at_call: KillAtCall, tmp_path: Path
) -> None:
    with kill_at_call(RunRecorder, "on_train_epoch_end", 2):
        train_recipe(make_recipe(), phantoms, tmp_path / "run")
    last = RunFolder(tmp_path / "run").last
    last.write_bytes(last.read_bytes()[:1000])
    with pytest.raises(DataError, match=r"last\.safetensors is damaged .*; remove the run folder and train again"):
        train_recipe(make_recipe(), phantoms, tmp_path / "run")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("owner", "method", "call", "rest"),
    [
        pytest.param(None, "", 0, [], id="uninterrupted", marks=pytest.mark.slow),
        pytest.param(LesionModule, "training_step", 14, [0.4, 0.9, 0.9], id="before the patience is at its end"),
        pytest.param(RunFolder, "save_record", 2, [0.9, 0.9], id="after it", marks=pytest.mark.slow),
    ],
)
def test_early_stopping_ends_a_run_and_survives_an_interruption(
    phantoms: Manifest,
    make_recipe: MakeRecipe,
    kill_at_call: KillAtCall,
    tmp_path: Path,
    owner: type | None,
    method: str,
    call: int,
    rest: list[float],
) -> None:
    recipe = make_recipe("training.epochs=6", "training.patience=2")
    with pytest.MonkeyPatch.context() as patch:
        scripted(patch, [0.3, 0.5, 0.4, 0.4, 0.9])
        if owner is None:
            run = train_recipe(recipe, phantoms, tmp_path / "run")
        else:
            with kill_at_call(owner, method, call):
                train_recipe(recipe, phantoms, tmp_path / "run")
            patch.undo()
            scripted(patch, rest)
            run = train_recipe(recipe, phantoms, tmp_path / "run")
    assert [row["validation_balanced_accuracy"] for row in run.read_history()] == pytest.approx([0.3, 0.5, 0.4, 0.4])
    assert run.record().finished
    assert "best epoch 2" in run.log.read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_lower_loss_is_better(phantoms: Manifest, make_recipe: MakeRecipe, tmp_path: Path) -> None:
    run = train_recipe(make_recipe("training.monitor=loss", "training.epochs=3"), phantoms, tmp_path / "run")
    losses = [row["validation_loss"] for row in run.read_history()]
    assert f"best epoch {1 + losses.index(min(losses))}" in run.log.read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_killed_process_resumes_with_the_same_result(tmp_path: Path, make_recipe: MakeRecipe) -> None:
    from lesionlab.phantoms import write_phantoms

    write_phantoms(tmp_path / "data", lesions=70, size=(300, 225))
    recipe = make_recipe("training.epochs=8")
    settings = [
        f"--set={table}.{key}={value}"
        for table, key, value in (
            ("model", "backbone", recipe.model.backbone),
            ("model", "pretrained", "false"),
            ("input", "size", recipe.input.size),
            ("training", "epochs", recipe.training.epochs),
            ("training", "batch_size", recipe.training.batch_size),
        )
    ]

    def start(name: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "lesionlab", "train", "phantom-demo", *settings]
        command += ["--data", str(tmp_path / "data"), "--out", str(tmp_path / name)]
        environment = os.environ | {"LESIONLAB_CACHE": str(tmp_path / f"cache of {name}")}
        return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)

    def kill(process: subprocess.Popen[bytes], when: Callable[[], bool], delay: float) -> None:
        while not when() and process.poll() is None:
            time.sleep(0.002)
        time.sleep(delay)
        process.kill()
        process.wait()

    def epochs(run: RunFolder) -> int:
        return len(run.read_history())

    assert start("whole").wait() == 0
    killed = RunFolder(tmp_path / "killed")
    draw = np.random.default_rng()
    decoding = tmp_path / "cache of killed" / "images"
    kill(start("killed"), lambda: decoding.is_dir() and any(decoding.iterdir()), 0)
    kill(start("killed"), lambda: killed.exists() and any(decoding.glob("[!.]*.npy")), float(draw.uniform(0, 0.5)))
    for _ in range(3):
        done = epochs(killed)
        kill(start("killed"), lambda least=done: epochs(killed) > least, float(draw.uniform(0, 0.2)))  # type: ignore[misc]
    before = epochs(killed)
    if not killed.record().finished:
        assert start("killed").wait() == 0
    assert before >= 1
    whole = RunFolder(tmp_path / "whole")
    assert killed.best.read_bytes() == whole.best.read_bytes()
    assert without_seconds(killed) == without_seconds(whole)
    if not killed.bundle.exists():  # the last kill was between training and export
        return
    assert Bundle.load(killed.bundle).info.graph_sha256 == Bundle.load(whole.bundle).info.graph_sha256


def test_a_run_starts_from_the_weights_of_another(
    tiny_run: RunFolder, phantoms: Manifest, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    recipe = make_recipe(f"model.start={tiny_run.path}", "training.epochs=1", "optimizer.learning_rate=1e-12")
    run = train_recipe(recipe, phantoms, tmp_path / "second")
    assert run.record().weights == f"run {tiny_run.record().recipe_name}, from random"
    before, after = load_weights(tiny_run.best), load_weights(run.best)
    for name in before:
        if name.endswith(("weight", "bias")):
            torch.testing.assert_close(after[name], before[name], atol=1e-6, rtol=0)


def test_a_start_with_another_split_or_network_is_an_error(
    tiny_run: RunFolder, phantoms: Manifest, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    start = f"model.start={tiny_run.path}"
    for change, message in (
        ("split.seed=9", "possibly on validation or test lesions"),
        ("model.backbone=test_resnet", "another network"),
    ):
        with pytest.raises(DataError, match=message):
            train_recipe(make_recipe(start, change), phantoms, tmp_path / "run")
    with pytest.raises(DataError, match="is not a run folder"):
        train_recipe(make_recipe("model.start=nowhere"), phantoms, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_no_number_stops_the_run(phantoms: Manifest, make_recipe: MakeRecipe, tmp_path: Path) -> None:
    diverging = ("optimizer.learning_rate=1e20", "optimizer.gradient_clip=0", "optimizer.warmup_epochs=0")
    recipe = make_recipe("training.epochs=6", *diverging)
    messages = []
    for _ in range(2):  # called again, the run fails in the same way
        with pytest.raises(
            DivergenceError, match=r"epoch \d: the .* loss .*is (nan|inf), not a finite number"
        ) as raised:
            train_recipe(recipe, phantoms, tmp_path / "run")
        messages.append(str(raised.value))
    assert "\n" not in messages[0]
    assert "a lower learning rate than 1e+20" in messages[0]
    assert messages[0] == messages[1]
    run = RunFolder(tmp_path / "run")
    assert not run.record().finished
    assert not run.bundle.exists()
    history = run.read_history()
    assert all(math.isfinite(row["train_loss"]) and math.isfinite(row["validation_loss"]) for row in history)
    assert run.best.exists() == bool(history) == ("has the best weights" in messages[0])

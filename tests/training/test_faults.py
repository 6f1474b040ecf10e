"""Full disks, exhausted memory, a second process, and a clock that goes back: one error, and the run goes on."""

import errno
import os
import re
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from lesionlab.bundle import Bundle
from lesionlab.data import Manifest
from lesionlab.errors import DataError, LesionlabError, MemoryExhaustedError
from lesionlab.experiments.completion import train_and_export
from lesionlab.recipes import Recipe, prepare_split
from lesionlab.runs import RunFolder
from lesionlab.training import train, train_recipe
from lesionlab.training.callbacks import RunRecorder
from lesionlab.training.checkpoint import load_weights
from lesionlab.training.module import LesionModule

MakeRecipe = Callable[..., Recipe]
KillAtCall = Callable[[object, str, int], AbstractContextManager[None]]
FROZEN = ("model.freeze=true", "training.feature_views=1", "unfreeze.layers=2", "unfreeze.epochs=1")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the names of open files from /proc")
def test_a_full_disk_at_any_file_is_one_error_and_the_run_goes_on(
    make_recipe: MakeRecipe, phantoms: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, synced = make_recipe(*FROZEN, "training.epochs=1"), os.fsync
    _, split = prepare_split(recipe, phantoms)
    whole, run = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "run")
    monkeypatch.setenv("LESIONLAB_CACHE", str(tmp_path / "cache of whole"))
    expected = train_and_export(whole, recipe, phantoms, split)
    monkeypatch.setenv("LESIONLAB_CACHE", str(tmp_path / "cache"))
    failed: set[str] = set()

    def fsync(descriptor: int) -> None:  # fails at the first writing of each file
        written = os.readlink(f"/proc/self/fd/{descriptor}").partition(".part")[0].rpartition(".")[0]
        if written not in failed:
            failed.add(written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        synced(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        for _ in range(40):
            before = set(failed)
            try:
                bundle = train_and_export(run, recipe, phantoms, split)
                break
            except LesionlabError as error:
                message = str(error)
            (new,) = failed - before
            name = Path(new).name.removeprefix(".")
            assert re.match(rf"cannot write \S*/{name}: No space left on device\. Free some space or ", message)
            assert not list(tmp_path.rglob(".*.part"))
    names = {Path(file).name.removeprefix(".") for file in failed}
    assert names >= {"manifest.csv", "run.json", "history.csv", "best.safetensors", "last.safetensors", "bundle"}
    assert sum("cache/" in file for file in failed) >= 3  # the images, and the features of two views
    assert run.best.read_bytes() == whole.best.read_bytes()
    assert bundle.info.prediction_sha256 == expected.info.prediction_sha256
    assert Bundle.load(run.bundle).info == bundle.info
    assert [row["epoch"] for row in run.read_history()] == [1, 2]


@pytest.mark.slow
def test_exhausted_memory_names_the_batch_size(
    make_recipe: MakeRecipe, phantoms: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def greedy(*_: Any) -> torch.Tensor:
        return torch.empty(2**50)

    monkeypatch.setattr(LesionModule, "training_step", greedy)
    message = r"run: not enough memory; free some and run the same command again, or lower training\.batch_size \(16\)"
    with pytest.raises(MemoryExhaustedError, match=message):
        train_recipe(make_recipe(), phantoms, tmp_path / "run")
    monkeypatch.undo()
    assert train_recipe(make_recipe(), phantoms, tmp_path / "run").record().finished


@pytest.mark.slow
def test_a_clock_that_goes_back_changes_nothing(
    make_recipe: MakeRecipe,
    phantoms: Manifest,
    tmp_path: Path,
    kill_at_call: KillAtCall,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe, now = make_recipe("training.epochs=3"), time.time()
    whole = train_recipe(recipe, phantoms, tmp_path / "whole")
    monkeypatch.setattr(time, "time", lambda: now + 86_400)
    with kill_at_call(RunRecorder, "on_train_epoch_end", 2):
        train_recipe(recipe, phantoms, tmp_path / "run")
    for path in (tmp_path / "run").rglob("*"):
        os.utime(path, (now + 86_400, now + 86_400))
    monkeypatch.setattr(time, "time", lambda: now - 86_400)
    run = train_recipe(recipe, phantoms, tmp_path / "run")
    assert run.best.read_bytes() == whole.best.read_bytes()
    assert [row["epoch"] for row in run.read_history()] == [1, 2, 3]
    assert all(row["seconds"] >= 0 for row in run.read_history())


def test_one_process_works_on_a_run(make_recipe: MakeRecipe, phantoms: Manifest, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    with run.locked(), pytest.raises(DataError, match="another process is working on this run; wait for its end"):
        train_recipe(make_recipe(), phantoms, run.path)
    left = [
        run.path / "checkpoints" / ".last.safetensors.abc.part",
        run.path / ".bundle.abc.part",
        run.path / ".bundle.abc.old",
    ]
    left[0].parent.mkdir()
    left[0].write_bytes(b"half")
    for folder in left[1:]:
        folder.mkdir()
        (folder / "model.onnx").write_bytes(b"half")
    with run.locked():
        assert not any(path.exists() for path in left)


@pytest.mark.slow
def test_a_kill_before_the_starting_weights_are_written(
    make_recipe: MakeRecipe, phantoms: Manifest, tiny_run: RunFolder, tmp_path: Path, kill_at_call: KillAtCall
) -> None:
    changes = (
        f"model.start={tiny_run.path}",
        "distillation.start=true",
        "inference.start_share=0.5",
        "training.epochs=1",
    )
    with kill_at_call(train, "save_tensors", 1):
        train_recipe(make_recipe(*changes), phantoms, tmp_path / "run")
    run = train_recipe(make_recipe(*changes), phantoms, tmp_path / "run")
    before, start = load_weights(tiny_run.best), load_weights(run.start)
    assert all(torch.equal(start[name], before[name]) for name in before)


@pytest.mark.slow
@pytest.mark.parametrize("checkpoint", [2, 3])
def test_a_kill_keeps_both_stages_of_a_run_from_a_bundle(
    make_recipe: MakeRecipe,
    phantoms: Manifest,
    tiny_run: RunFolder,
    tmp_path: Path,
    kill_at_call: KillAtCall,
    checkpoint: int,
) -> None:
    recipe = make_recipe(f"model.start={tiny_run.bundle}", *FROZEN, "training.epochs=2", "seed=3")
    whole = train_recipe(recipe, phantoms, tmp_path / "whole")
    with kill_at_call(pl.Trainer, "save_checkpoint", checkpoint):
        train_recipe(recipe, phantoms, tmp_path / "run")
    run = train_recipe(recipe, phantoms, tmp_path / "run")
    assert run.start.read_bytes() == whole.start.read_bytes()
    assert run.best.read_bytes() == whole.best.read_bytes()

"""Training in several processes: the results of one process, files, errors, resuming with another number."""

import os
import pickle
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch

from lesionlab.data import Manifest
from lesionlab.errors import UsageError
from lesionlab.recipes import Recipe
from lesionlab.runs import RunFolder
from lesionlab.training import train_recipe
from lesionlab.training.processes import ALONE, Processes, slurm_variables, started_processes

MakeRecipe = Callable[..., Recipe]
# Without random numbers and batch normalisation, whose shares would differ.
SAME = (
    "model.backbone=test_vit",
    "model.dropout=0",
    "split.validation=0.25",  # an odd number of images
    "loss.class_weights=none",
    "augmentation.flip=false",
    "augmentation.rotation=0",
    "augmentation.scale=[1, 1]",
    "augmentation.stretch=0",
    "augmentation.translation=0",
    "augmentation.brightness=0",
    "augmentation.contrast=0",
    "augmentation.saturation=0",
)
EVERYTHING = (
    "model.freeze=true",
    "unfreeze.layers=2",
    "unfreeze.epochs=1",
    "training.epochs=2",
    "training.ema_decay=0.9",
    "training.accumulate=2",
    "training.patience=1",
    "optimizer.schedule=['plateau']",
)
_JOBS = """
import pickle, sys
from pathlib import Path
import pytorch_lightning as pl
from lesionlab.training import train_recipe
from lesionlab.training.processes import started_processes

class Interrupt(pl.Callback):
    def on_train_epoch_start(self, trainer, module):
        if trainer.current_epoch == 1:
            raise ValueError("interrupted")

class Fail(pl.Callback):
    def on_train_batch_start(self, trainer, module, batch, index):
        if trainer.global_rank == 1 and index == 1:
            raise ValueError("one process fails")

callbacks = {"": [], "interrupt": [Interrupt()], "fail": [Fail()]}
with started_processes("cpu") as processes:
    for recipe, manifest, folder, callback in pickle.loads(Path(sys.argv[1]).read_bytes()):
        try:
            train_recipe(
                recipe, manifest, folder, device="cpu", callbacks=callbacks[callback], processes=processes
            )
        except ValueError as error:
            if str(error) != "interrupted":
                raise
"""


class Interrupt(pl.Callback):
    """Ends a training at the start of its second epoch."""

    def on_train_epoch_start(self, trainer: pl.Trainer, _module: pl.LightningModule) -> None:
        if trainer.current_epoch == 1:
            raise ValueError("interrupted")


Job = tuple[Recipe, Manifest, Path, str]


def train_in_two(jobs: list[Job], folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run jobs under torchrun."""
    script, listed = folder / "jobs.py", folder / "jobs.pickle"
    script.write_text(_JOBS, encoding="utf-8")
    listed.write_bytes(pickle.dumps(jobs))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", f"--master-port={port}"]
    return subprocess.run(
        [*command, str(script), str(listed)],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
        env=os.environ | {"LESIONLAB_CACHE": str(folder / "cache")},
    )


@pytest.fixture(scope="module")
def runs(
    make_recipe: MakeRecipe, phantoms: Manifest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[RunFolder, ...]:
    """Runs of two processes: comparable, interrupted, begun by one process, and with everything at once."""
    folder = tmp_path_factory.mktemp("two")
    names = ("same", "interrupted", "begun", "everything", "start")
    same, interrupted, begun, everything, start = (folder / name for name in names)
    with pytest.raises(ValueError, match="interrupted"):
        train_recipe(make_recipe(), phantoms, begun, callbacks=[Interrupt()])
    started = make_recipe(f"model.start={same}", "distillation.start=true", "training.epochs=1", *SAME[:3])
    jobs: list[Job] = [
        (make_recipe(*SAME), phantoms, same, ""),
        (make_recipe(), phantoms, interrupted, "interrupt"),
        (make_recipe(), phantoms, begun, ""),
        (make_recipe(*EVERYTHING), phantoms, everything, ""),
        (started, phantoms, start, ""),
    ]
    done = train_in_two(jobs, folder)
    assert done.returncode == 0, done.stderr
    return tuple(RunFolder(folder / name) for name in names)


@pytest.mark.slow
def test_two_processes_train_as_one_does(
    runs: tuple[RunFolder, ...], make_recipe: MakeRecipe, phantoms: Manifest, tmp_path: Path
) -> None:
    one = train_recipe(make_recipe(*SAME), phantoms, tmp_path / "run").read_history()
    two = runs[0].read_history()
    assert len(runs[0].split().subsets()["validation"]) % 2 == 1
    for before, after in zip(one, two, strict=True):
        assert {k: v for k, v in after.items() if k != "seconds"} == pytest.approx(
            {k: v for k, v in before.items() if k != "seconds"}, rel=1e-3
        )


@pytest.mark.slow
def test_one_process_writes(runs: tuple[RunFolder, ...]) -> None:
    assert runs[0].record().environment["processes"] == "2"
    log = runs[0].log.read_text(encoding="utf-8")
    assert log.count("epoch 1/2: ") == 1
    assert ", 2 processes" in log
    assert sorted(p.name for p in runs[0].last.parent.iterdir()) == ["best.safetensors", "last.safetensors"]


@pytest.mark.slow
def test_runs_are_resumed_with_another_number_of_processes(
    runs: tuple[RunFolder, ...], make_recipe: MakeRecipe, phantoms: Manifest, caplog: pytest.LogCaptureFixture
) -> None:
    _, interrupted, begun, *_ = runs
    assert [row["epoch"] for row in begun.read_history()] == [1, 2]
    assert begun.record().finished
    assert [row["epoch"] for row in interrupted.read_history()] == [1]
    train_recipe(make_recipe(), phantoms, interrupted.path)
    assert [row["epoch"] for row in interrupted.read_history()] == [1, 2]
    assert "resuming with another number of processes: the result may differ" in caplog.text


@pytest.mark.slow
def test_stages_averages_accumulation_and_teachers_work_in_two_processes(runs: tuple[RunFolder, ...]) -> None:
    *_, everything, start = runs
    assert everything.record().stage == 2
    assert everything.record().finished
    assert start.record().finished
    assert start.record().weights.startswith("run ")


@pytest.mark.slow
def test_a_process_that_fails_ends_the_others(make_recipe: MakeRecipe, phantoms: Manifest, tmp_path: Path) -> None:
    done = train_in_two([(make_recipe(), phantoms, tmp_path / "run", "fail")], tmp_path)
    assert done.returncode == 1
    assert "one process fails" in done.stderr


def test_batches_that_cannot_be_shared_are_an_error(
    make_recipe: MakeRecipe, phantoms: Manifest, tmp_path: Path
) -> None:
    for size in (3, 16, 32):
        with pytest.raises(UsageError, match=rf"training\.batch_size=16 .* cannot be shared by {size}"):
            train_recipe(make_recipe(), phantoms, tmp_path / "run", processes=Processes(size=size))
    Processes(size=8).check(make_recipe())
    ALONE.check(make_recipe("training.batch_size=3"))
    assert not (tmp_path / "run").exists()


def test_each_process_has_random_numbers_of_its_own() -> None:
    seeds = [Processes(rank, 4).seed(7) for rank in range(4)]
    assert seeds[0] == 7
    assert len({seed % 2**32 for seed in seeds}) == 4  # torch uses 32 bits on the CPU
    torch.manual_seed(max(seeds))


def test_a_process_that_slurm_started_has_its_rank() -> None:
    job = {"SLURM_JOB_ID": "77", "SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}
    assert slurm_variables(job) == {}  # the script of the job
    step = job | {
        "SLURM_STEP_ID": "1",
        "SLURM_STEP_NUM_TASKS": "4",
        "SLURM_STEP_NODELIST": "gpu[07-08]",
        "SLURM_PROCID": "3",
        "SLURM_LOCALID": "1",
    }
    expected = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "MASTER_ADDR": "gpu07", "MASTER_PORT": "17388"}
    assert slurm_variables(step) == expected
    assert slurm_variables(step | {"MASTER_PORT": "9"})["MASTER_PORT"] == "9"
    assert slurm_variables(step | {"RANK": "0"}) == {}  # torchrun within a step


def test_a_process_that_was_started_alone_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "SLURM_STEP_NUM_TASKS"):
        monkeypatch.delenv(name, raising=False)
    with started_processes() as processes:
        assert processes == ALONE
    assert processes.by_first(lambda: 5) == processes.in_turn(lambda: 5) == 5
    assert torch.equal(processes.interleaved(torch.arange(3), 2), torch.arange(3))

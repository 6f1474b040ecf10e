"""Stages: the second one starts from the best weights of the first, also after an interruption."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from lesionlab.data import Manifest
from lesionlab.recipes import Recipe
from lesionlab.runs import RunFolder
from lesionlab.training import stages, train_recipe
from lesionlab.training.callbacks import RunRecorder
from lesionlab.training.module import LesionModule

pytestmark = pytest.mark.usefixtures("imagenet")

MakeRecipe = Callable[..., Recipe]
KillAtCall = Callable[[object, str, int], AbstractContextManager[None]]
FROZEN = ("model.pretrained=true", "model.freeze=true", "optimizer.schedule=[]", "optimizer.warmup_epochs=0")
PLAIN = (
    "augmentation.flip=false",
    "augmentation.rotation=0",
    "augmentation.scale=[1, 1]",
    "augmentation.stretch=0",
    "augmentation.translation=0",
    "augmentation.brightness=0",
    "augmentation.contrast=0",
    "augmentation.saturation=0",
)
TWO = (
    *FROZEN,
    "unfreeze.layers=2",
    "unfreeze.epochs=2",
    "unfreeze.unfold_batch_norm=true",
    "optimizer.schedule=['plateau']",
)


def without_seconds(run: RunFolder) -> list[dict[str, float]]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in run.read_history()]


@pytest.fixture(scope="module")
def two_stages(
    make_recipe: MakeRecipe, phantoms: Manifest, imagenet: Path, tmp_path_factory: pytest.TempPathFactory
) -> RunFolder:
    return train_recipe(make_recipe(*TWO), phantoms, tmp_path_factory.mktemp("two") / "run")


@pytest.mark.slow
def test_the_history_has_both_stages(two_stages: RunFolder) -> None:
    history = two_stages.read_history()
    assert [row["epoch"] for row in history] == [1, 2, 3, 4]
    assert [row["learning_rate"] for row in history] == pytest.approx([2e-3, 2e-3, 1e-4, 1e-4])
    record = two_stages.record()
    assert (record.stage, record.epochs_before_stage, record.finished) == (2, 2, True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("owner", "method", "call"),
    [
        pytest.param(RunFolder, "save_record", 2, id="before the second stage is recorded", marks=pytest.mark.slow),
        pytest.param(stages, "_second_stage", 1, id="between the stages"),
        pytest.param(
            pl.Trainer, "save_checkpoint", 3, id="before the second stage's first checkpoint", marks=pytest.mark.slow
        ),
        pytest.param(RunRecorder, "on_train_epoch_end", 4, id="before the last record", marks=pytest.mark.slow),
    ],
)
def test_a_resumed_run_equals_an_uninterrupted_one_in_both_stages(
    make_recipe: MakeRecipe,
    phantoms: Manifest,
    two_stages: RunFolder,
    kill_at_call: KillAtCall,
    tmp_path: Path,
    owner: object,
    method: str,
    call: int,
) -> None:
    with kill_at_call(owner, method, call):
        train_recipe(make_recipe(*TWO), phantoms, tmp_path / "run")
    torch.manual_seed(999)
    run = train_recipe(make_recipe(*TWO), phantoms, tmp_path / "run")
    assert run.best.read_bytes() == two_stages.best.read_bytes()
    assert without_seconds(run) == without_seconds(two_stages)
    assert run.record() == two_stages.record()


@pytest.mark.slow
def test_cached_features_train_the_same_head(make_recipe: MakeRecipe, phantoms: Manifest, tmp_path: Path) -> None:
    losses = []
    for cached in ("auto", "off"):
        recipe = make_recipe(*FROZEN, *PLAIN, "model.dropout=0", f"training.cached_features={cached}")
        run = train_recipe(recipe, phantoms, tmp_path / cached)
        losses.append([row["validation_loss"] for row in run.read_history()])
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


def test_dropout_is_active_in_training_with_a_moving_average(
    make_recipe: MakeRecipe, phantoms: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[bool, bool]] = []
    step = LesionModule.training_step

    def watched(self: LesionModule, *arguments: Any) -> Any:
        seen.append((self.network.head.training, self.shipped.training))
        return step(self, *arguments)

    monkeypatch.setattr(LesionModule, "training_step", watched)
    train_recipe(make_recipe(*FROZEN, "training.ema_decay=0.9"), phantoms, tmp_path / "run")
    assert set(seen) == {(True, False)}


@pytest.mark.slow
def test_the_learning_rate_falls_by_step_and_at_a_plateau(
    make_recipe: MakeRecipe, phantoms: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = (*FROZEN, "training.epochs=4")
    by_step = make_recipe(*base, "optimizer.schedule=['step']", "optimizer.step_epochs=2")
    rates = [row["learning_rate"] for row in train_recipe(by_step, phantoms, tmp_path / "step").read_history()]
    assert rates == pytest.approx([2e-3, 2e-4, 2e-4, 2e-5])  # the rate at the start of the next epoch
    losses = iter([1.0, 2.0, 2.0, 0.5])
    monkeypatch.setattr("lesionlab.training.module.F.cross_entropy", _scripted(losses))
    plateau = make_recipe(*base, "optimizer.schedule=['plateau']", "optimizer.plateau_patience=1", "loss.kind=focal")
    rates = [row["learning_rate"] for row in train_recipe(plateau, phantoms, tmp_path / "plateau").read_history()]
    assert rates == pytest.approx([2e-3, 2e-3, 1e-3, 1e-3])


def test_patience_applies_to_the_configured_metric(
    make_recipe: MakeRecipe, phantoms: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lesionlab.training.module.F.cross_entropy", _scripted(iter([1.0, 2.0, 3.0, 0.1, 0.1])))
    changes = ("training.epochs=5", "training.patience=2", "training.stop_on=loss", "loss.kind=focal")
    run = train_recipe(make_recipe(*FROZEN, *changes), phantoms, tmp_path / "run")
    assert [row["validation_loss"] for row in run.read_history()] == [1.0, 2.0, 3.0]


def _scripted(losses: Iterator[float]) -> Callable[..., torch.Tensor]:
    return lambda *_, **__: torch.tensor(next(losses))


@pytest.mark.slow
def test_accumulated_batches_equal_a_larger_one(make_recipe: MakeRecipe, phantoms: Manifest, tmp_path: Path) -> None:
    # A network without batch normalisation, and 52 training images: 26 + 26, and four times 13.
    base = (*PLAIN, "model.backbone=test_vit", "model.pretrained=false", "model.dropout=0", "loss.class_weights=none")
    found = []
    for size, batches in ((26, 1), (13, 2)):
        changes = (f"training.batch_size={size}", f"training.accumulate={batches}", "training.ema_decay=0.9")
        run = train_recipe(make_recipe(*base, *changes), phantoms, tmp_path / str(batches))
        found.append([{k: v for k, v in row.items() if k != "seconds"} for row in run.read_history()])
    for whole, accumulated in zip(*found, strict=True):
        assert accumulated == pytest.approx(whole, rel=1e-3)


@pytest.mark.slow
def test_an_incomplete_group_of_batches_is_a_step(make_recipe: MakeRecipe, phantoms: Manifest, tmp_path: Path) -> None:
    steps: list[int] = []

    class Count(pl.Callback):
        def on_train_epoch_end(self, trainer: pl.Trainer, _module: pl.LightningModule) -> None:
            steps.append(trainer.global_step)

    # Four batches: three and one.
    train_recipe(make_recipe("training.accumulate=3"), phantoms, tmp_path / "run", callbacks=[Count()])
    assert steps == [2, 4]

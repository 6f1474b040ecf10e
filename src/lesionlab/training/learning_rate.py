"""Learning-rate range test: the training loss while the rate rises from step to step (Smith, WACV 2017)."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytorch_lightning as pl
from numpy.typing import NDArray

from lesionlab.base_models import StrictModel
from lesionlab.data import Manifest, Split, without_copies
from lesionlab.errors import DataError, UsageError
from lesionlab.recipes import Recipe, change_recipe, check_classes
from lesionlab.taxonomy import TASKS
from lesionlab.training.batches import make_loader
from lesionlab.training.cache import open_network_inputs
from lesionlab.training.depthwise import compute_in_float32
from lesionlab.training.device import choose_accelerator, choose_precision
from lesionlab.training.distillation import TeacherRuns
from lesionlab.training.labels import LabelSets
from lesionlab.training.memory import keep_freed_memory
from lesionlab.training.module import LesionModule, Stage
from lesionlab.training.stages import quiet_lightning
from lesionlab.training.train import cached_subsets, load_weights_to_start, make_network, make_teacher

_SMOOTHING = 0.9
_DIVERGED = 4.0  # times the lowest smoothed loss
# Of the rate of the lowest loss. The steepest slope, the other common choice, depends on the noise of single batches.
_SHARE = 0.1
_FEWEST_STEPS = 10


class RateCurve(StrictModel):
    """The curve of a range test.

    Attributes:
        rates: Learning rate of each step, rising.
        losses: Training loss before the step.
        smoothed: The same as an exponential moving average.
        suggestion: A tenth of `lowest`: the loss falls, and the training is stable.
        lowest: The rate of the lowest smoothed loss, above which the training diverges.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    suggestion: float
    lowest: float


def find_learning_rate(
    recipe: Recipe,
    manifest: Manifest,
    split: Split,
    *,
    fold: int | None = None,
    device: str | None = None,
    lowest: float = 1e-7,
    highest: float = 1.0,
    steps: int = 100,
    decoding_progress: Callable[[int, int], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> RateCurve:
    """Train a recipe's network for some steps with a rising learning rate, and suggest a rate.

    The network is new in each call and discarded at the end. It sees the training images alone, and nothing is written
    but the image cache, which `train_recipe` uses as well. A frozen backbone is run in each step, at full size.

    Args:
        recipe: The recipe; its learning rate, schedules and number of epochs do not matter.
        manifest: The images.
        split: Their subsets.
        fold: Validation fold of a split with folds.
        device: `cpu`, `cuda` or `mps`; None: the fastest one.
        lowest: Rate of the first step.
        highest: Rate of the last step; the test ends before it if the loss diverges.
        steps: Number of optimiser steps.
        decoding_progress: Called while images are decoded for the first time.
        progress: Called with the number of steps done and their total.

    Raises:
        UsageError: The rates or the number of steps cannot be used.
        DataError: Images are unreadable, or the loss does not fall at any rate.
    """
    if not 0 < lowest < highest or steps < _FEWEST_STEPS:
        raise UsageError(f"a range test needs rates 0 < lowest < highest and at least {_FEWEST_STEPS} steps")
    constant = ("training.cached_features=off", "training.sizes=[]", "optimizer.schedule=[]")
    recipe = change_recipe(recipe, constant)
    split.check_against(manifest)
    check_classes(recipe, manifest, split, fold)
    accelerator = choose_accelerator(device)
    teachers = TeacherRuns(recipe, split, fold)
    network = make_network(recipe)
    load_weights_to_start(network, recipe, manifest, split, fold, decoding_progress)
    start = {name: value.clone() for name, value in network.state_dict().items()}
    distinct = without_copies(manifest)
    images, _ = open_network_inputs(distinct, recipe, decoding_progress)
    label_sets = LabelSets.of(TASKS[recipe.task], sorted({record.diagnosis for record in manifest}))
    rows = {record.path: row for row, record in enumerate(distinct)}
    train = cached_subsets(images, rows, label_sets, manifest, split, fold)["train"]
    compute_in_float32(network)
    module = LesionModule(
        network,
        recipe,
        np.bincount(train.labels.numpy(), minlength=len(label_sets.members)),
        Stage(1, recipe.training.epochs, lowest),
        label_sets=label_sets,
        teacher=make_teacher(recipe, teachers, start if recipe.distillation.start else None, compiled=False),
    )
    test = _RangeTest(np.geomspace(lowest, highest, steps), progress)
    with quiet_lightning(), keep_freed_memory():
        pl.Trainer(
            accelerator=accelerator,
            devices=1,
            precision=choose_precision(recipe.training.precision, accelerator),  # type: ignore[arg-type] # checked by the schema
            max_epochs=-1,
            max_steps=steps,
            accumulate_grad_batches=recipe.training.accumulate,
            gradient_clip_val=recipe.optimizer.gradient_clip or None,
            callbacks=[test],
            deterministic="warn",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            limit_val_batches=0,
        ).fit(module, make_loader(train, recipe.training.batch_size, seed=recipe.seed, sampling=recipe.sampling))
    return _suggest(np.array(test.rates), np.array(test.losses))


class _RangeTest(pl.Callback):
    """Sets the rate of each step and records its loss, until the loss diverges."""

    def __init__(self, rates: NDArray[np.float64], progress: Callable[[int, int], None] | None) -> None:
        self._planned, self._progress = rates, progress
        self._of_step: list[float] = []
        self.rates: list[float] = []
        self.losses: list[float] = []

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        """Set the rate, after the schedule has set its own."""
        for group in trainer.optimizers[0].param_groups:
            group["lr"] = float(self._planned[trainer.global_step])

    def on_train_batch_end(self, trainer: pl.Trainer, _module: Any, outputs: Any, *_: Any) -> None:
        """Record the mean loss of the batches of a step."""
        # Lightning returns the loss divided by the number of batches of a step.
        self._of_step.append(float(outputs["loss"]) * trainer.accumulate_grad_batches)
        if trainer.global_step == len(self.losses):
            return
        loss = float(np.mean(self._of_step))
        self._of_step.clear()
        if not math.isfinite(loss):
            trainer.should_stop = True
            return
        self.rates.append(float(self._planned[len(self.losses)]))
        self.losses.append(loss)
        smoothed = smooth(np.array(self.losses))
        trainer.should_stop |= bool(len(smoothed) > _FEWEST_STEPS and smoothed[-1] > _DIVERGED * smoothed.min())
        if self._progress is not None:
            self._progress(len(self.losses), len(self._planned))


def smooth(losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the exponential moving average of losses [N], corrected for its start."""
    total, smoothed = 0.0, np.empty(len(losses))
    for step, loss in enumerate(losses):
        total = _SMOOTHING * total + (1 - _SMOOTHING) * loss
        smoothed[step] = total / (1 - _SMOOTHING ** (step + 1))
    return smoothed


def _suggest(rates: NDArray[np.float64], losses: NDArray[np.float64]) -> RateCurve:
    smoothed = smooth(losses)
    # The average of a few steps is not smooth yet.
    begin = min(_FEWEST_STEPS // 2, len(losses))
    end = begin + int(smoothed[begin:].argmin()) if begin < len(losses) else begin
    if end == begin:
        raise DataError(
            "the training loss falls at no rate of the test; lower the lowest rate, or check the labels and the recipe"
        )
    return RateCurve(
        rates=tuple(rates.tolist()),
        losses=tuple(losses.tolist()),
        smoothed=tuple(smoothed.tolist()),
        suggestion=float(f"{_SHARE * rates[end]:.2g}"),
        lowest=float(f"{rates[end]:.2g}"),
    )

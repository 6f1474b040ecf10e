"""The stages of a training: the head on a frozen backbone's features or the whole network, then the backbone's top."""

import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping
from rich.console import Console
from rich.progress import Progress

from lesionlab.recipes import Recipe
from lesionlab.runs import RunFolder, RunRecord
from lesionlab.taxonomy import TASKS
from lesionlab.training.batch_norm import unfold_batch_norm
from lesionlab.training.batches import CachedFeatures, CachedImages, make_loader, to_images
from lesionlab.training.callbacks import RunRecorder, StepProgress
from lesionlab.training.checkpoint import SafetensorsCheckpointIO, load_weights, save_tensors
from lesionlab.training.depthwise import compute_in_float32
from lesionlab.training.device import Compute, announce_compilation
from lesionlab.training.distillation import Teacher
from lesionlab.training.distributed import make_strategy, share_batch_norm
from lesionlab.training.features import FeatureStore, augments
from lesionlab.training.labels import LabelSets
from lesionlab.training.memory import keep_freed_memory
from lesionlab.training.module import LesionModule, Stage
from lesionlab.training.network import LesionNetwork
from lesionlab.training.processes import ALONE, Processes
from lesionlab.training.sampling import smote

logger = logging.getLogger(__name__)

# For the statistics of batch normalisation.
_UNFOLD_IMAGES, _UNFOLD_BATCH = 1024, 64

Subsets = Mapping[str, CachedImages] | Mapping[str, CachedFeatures]


def run_stages(
    run: RunFolder,
    recipe: Recipe,
    network: LesionNetwork,
    subsets: Mapping[str, CachedImages],
    label_sets: LabelSets,
    images_key: str,
    record: RunRecord,
    compute: Compute,
    console: Console | None,
    teacher: Teacher | None = None,
    callbacks: Sequence[pl.Callback] = (),
    processes: Processes = ALONE,
) -> RunRecord:
    """Train all stages, beginning with the record's one.

    Args:
        run: Folder for the weights and the history.
        recipe: The recipe.
        network: The network, with its starting weights.
        subsets: Training and validation images.
        label_sets: What their labels mean.
        images_key: Key of their image cache.
        record: The run's record; it is saved again when a stage begins.
        compute: Accelerator, precision and compilation.
        console: Console for progress bars, or None.
        teacher: Teacher for distillation, or None.
        callbacks: Further callbacks of Lightning, for all stages.
        processes: The processes that train together.

    Returns:
        The record with the last stage.
    """
    # Before any computation: other kernels differ in the last bit, and a run that is resumed at any stage must not.
    network.to(memory_format=torch.channels_last)
    compute_in_float32(network)
    share_batch_norm(network, processes, compute.accelerator)
    if record.stage == 1:
        stage = Stage(1, recipe.training.epochs, recipe.optimizer.learning_rate, recipe.caches_features)
        inputs: Subsets = subsets
        if stage.cached:
            logger.info(
                "the backbone is frozen: its features are computed once and the head is trained on them "
                "(training.cached_features='off' turns this off)"
            )
            with _feature_progress(console) as progress:
                images, device = subsets["train"].array, compute.accelerator
                store = FeatureStore(network, recipe, images, images_key, device=device, progress=progress)
                inputs = processes.in_turn(lambda: _feature_subsets(store, recipe, subsets))
        _fit(run, recipe, network, inputs, label_sets, compute, stage, console, callbacks, teacher, processes)
        if recipe.unfreeze.layers:
            record = processes.by_first(lambda: _begin_second_stage(run, record))
    if record.stage == 2:
        _second_stage(run, recipe, network, subsets, label_sets, record, compute, console, callbacks, processes)
    return record


def _begin_second_stage(run: RunFolder, record: RunRecord) -> RunRecord:
    record = record.model_copy(update={"stage": 2, "epochs_before_stage": len(run.read_history())})
    save_tensors(load_weights(run.best), run.start)
    run.save_record(record)
    return record


@contextmanager
def _feature_progress(console: Console | None) -> Iterator[Callable[[int, int], None]]:
    """Yield a progress callback for the images of a view; its bar is hidden outside a terminal."""
    hidden = console is None or not console.is_terminal
    with Progress(console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task("computing features", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _feature_subsets(
    store: FeatureStore, recipe: Recipe, subsets: Mapping[str, CachedImages]
) -> dict[str, CachedFeatures]:
    train, validation = subsets["train"], subsets["validation"]
    views = range(1, recipe.training.feature_views + 1) if augments(recipe.augmentation) else range(1)
    features = np.stack([store.view(view, train.rows.tolist()) for view in views])
    labels = train.labels.numpy()
    if recipe.sampling.balance == "smote":
        # Per view, since points between two views of an image are not new. Every view gets the same labels.
        classes = TASKS[recipe.task].classes
        balanced = [smote(view, labels, recipe.seed, classes) for view in features]
        features, labels = np.stack([view for view, _ in balanced]), balanced[0][1]
    plain = store.view(0, validation.rows.tolist())[np.newaxis]
    return {
        "train": CachedFeatures(features, labels.tolist(), train.records if len(labels) == len(train) else ()),
        "validation": CachedFeatures(plain, validation.labels.tolist(), validation.records),
    }


def _second_stage(
    run: RunFolder,
    recipe: Recipe,
    network: LesionNetwork,
    subsets: Mapping[str, CachedImages],
    label_sets: LabelSets,
    record: RunRecord,
    compute: Compute,
    console: Console | None,
    callbacks: Sequence[pl.Callback],
    processes: Processes,
) -> None:
    """Train the top of the backbone as well, from the best weights of the first stage."""
    settings = recipe.unfreeze
    logger.info("second stage: the top %d layers of the backbone are trained as well", settings.layers)
    if processes.by_first(lambda: len(run.read_history()) == record.epochs_before_stage):
        processes.by_first(lambda: run.last.unlink(missing_ok=True))  # the checkpoint of the first stage
    # Not run.best, which this stage may have replaced before it was interrupted.
    network.load_state_dict(load_weights(run.start))
    if settings.unfold_batch_norm:
        # Repeated when a run is resumed; its checkpoint then replaces the trained layers.
        unfold_statistics(network, subsets["train"])
    network.unfreeze_top(settings.layers)
    stage = Stage(2, settings.epochs, settings.learning_rate, first_epoch=record.epochs_before_stage)
    _fit(run, recipe, network, subsets, label_sets, compute, stage, console, callbacks, None, processes)


def unfold_statistics(network: LesionNetwork, images: CachedImages) -> None:
    """Set the statistics of a network's folded batch normalisation to those of the first training images."""
    device = next(network.parameters()).device
    chosen = range(min(len(images), _UNFOLD_IMAGES))
    parts = (list(chosen[start : start + _UNFOLD_BATCH]) for start in chosen[::_UNFOLD_BATCH])
    unfold_batch_norm(network, (to_images(images[part][0]).to(device) for part in parts))


def _fit(
    run: RunFolder,
    recipe: Recipe,
    network: LesionNetwork,
    subsets: Mapping[str, CachedImages | CachedFeatures],
    label_sets: LabelSets,
    compute: Compute,
    stage: Stage,
    console: Console | None,
    callbacks: Sequence[pl.Callback],
    teacher: Teacher | None,
    processes: Processes,
) -> None:
    settings = recipe.training
    compiled = compute.compiled and not stage.cached
    if compiled:
        announce_compilation()
    train, validation = subsets["train"], subsets["validation"]
    module = LesionModule(
        network,
        recipe,
        np.bincount(train.labels.numpy(), minlength=len(label_sets.members)),
        stage,
        label_sets=label_sets,
        validation=validation.records,
        teacher=teacher,
        compiled=compiled,
        processes=processes,
    )
    monitor = f"validation_{settings.monitor}"
    used: list[pl.Callback] = [StepProgress(console or Console(quiet=True)), *callbacks]
    if settings.patience:
        stop_on = settings.monitor if settings.stop_on == "monitor" else settings.stop_on
        mode = "min" if stop_on == "loss" else "max"
        used.append(EarlyStopping(f"validation_{stop_on}", patience=settings.patience, mode=mode))
    used.append(RunRecorder(run, monitor, run.read_history()[: stage.first_epoch]))
    with quiet_lightning(), keep_freed_memory():
        trainer = pl.Trainer(
            accelerator=compute.accelerator,
            strategy=make_strategy(processes),
            devices=1,
            precision=compute.precision,  # type: ignore[arg-type] # checked by the recipe's schema
            max_epochs=stage.epochs,
            gradient_clip_val=recipe.optimizer.gradient_clip or None,
            callbacks=used,
            plugins=[SafetensorsCheckpointIO()],
            deterministic="warn",
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            accumulate_grad_batches=settings.accumulate,
            use_distributed_sampler=False,
        )
        seed = recipe.seed + stage.number - 1
        trainer.fit(
            module,
            make_loader(train, settings.batch_size, seed=seed, sampling=recipe.sampling, processes=processes),
            make_loader(validation, 2 * settings.batch_size, processes=processes),
            ckpt_path=str(run.last) if run.last.exists() else None,
        )


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Silence Lightning's hints and torch's warning of a missing CUDA runtime, which the user cannot act on."""
    libraries = [logging.getLogger(name) for name in ("pytorch_lightning", "torch.utils.cpp_extension")]
    levels = [library.level for library in libraries]
    for library in libraries:
        library.setLevel(logging.ERROR)
    # Required by torch for deterministic matrix products on CUDA.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="pytorch_lightning.*")
            warnings.filterwarnings("ignore", message=".*does not have a deterministic implementation.*")
            yield
    finally:
        for library, level in zip(libraries, levels, strict=True):
            library.setLevel(level)

"""Training a recipe: from a dataset to a run folder with its best weights."""

import logging
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping
from rich.console import Console

from lesionlab.data import Manifest, Split, make_split
from lesionlab.errors import DataError, UsageError
from lesionlab.images import Preprocessing
from lesionlab.recipes import Recipe
from lesionlab.runs import RunFolder, RunRecord
from lesionlab.taxonomy import CODES
from lesionlab.training.batches import CachedImages, make_loader
from lesionlab.training.cache import open_image_cache
from lesionlab.training.callbacks import RunRecorder, StepProgress
from lesionlab.training.checkpoint import SafetensorsCheckpointIO
from lesionlab.training.device import can_compile, choose_accelerator, choose_precision, describe_environment
from lesionlab.training.module import LesionModule, class_weights
from lesionlab.training.network import LesionNetwork, parameter_count
from lesionlab.training.weights import load_pretrained

logger = logging.getLogger(__name__)

Progress = Callable[[int, int], None]


def train_recipe(
    recipe: Recipe,
    manifest: Manifest,
    folder: Path,
    *,
    split: Split | None = None,
    fold: int | None = None,
    console: Console | None = None,
    decoding_progress: Progress | None = None,
) -> RunFolder:
    """Train a recipe, or go on with a run that was interrupted.

    Called again with the same arguments after an interruption, it continues after the last whole epoch and
    ends with the same weights as a run that was never interrupted.

    Args:
        recipe: What to train.
        manifest: The dataset.
        folder: The run folder to make or to go on with.
        split: Which image is in which part; None divides the dataset as the recipe says.
        fold: Which fold of a split with folds is the validation part.
        console: Where to show progress; None shows none.
        decoding_progress: Called while images are decoded for the first time.

    Returns:
        The finished run.

    Raises:
        UsageError: The folder holds another run, or a finished one.
        DataError: The data does not allow it: unreadable images, a part without a class.
    """
    run = RunFolder(folder)
    split = split or make_split(
        manifest,
        validation=recipe.split.validation,
        test=recipe.split.test,
        seed=recipe.split.seed,
        by_image=recipe.split.by_image,
    )
    split.check_against(manifest)
    for name in ("train", "validation"):
        if not split.parts(fold)[name]:
            raise DataError(f"the {name} part has no image; split the data again")
    accelerator = choose_accelerator()
    precision = choose_precision(recipe.training.precision, accelerator)
    compiled = recipe.training.compile and can_compile(accelerator)
    if recipe.training.compile and not compiled:
        logger.warning("training.compile: no C++ compiler is installed; training without compilation, slower")
    record = RunRecord(
        recipe_name=recipe.name,
        data_root=str(manifest.root.resolve()),
        lesions_known=manifest.lesions_known,
        manifest_sha256=manifest.sha256,
        split_sha256=split.sha256,
        fold=fold,
        leaky=split.leaky,
        environment=describe_environment(accelerator, precision, compiled=compiled),
    )
    resuming = _check_folder(run, record, recipe)
    pl.seed_everything(recipe.seed, verbose=False)
    network = LesionNetwork(recipe.model, recipe.input)  # a wrong backbone ends here, before anything is written
    if resuming and run.last.exists():  # it holds the weights to go on with
        record = record.model_copy(update={"weights": run.record().weights})
    elif recipe.model.pretrained:
        record = record.model_copy(update={"weights": load_pretrained(network.backbone, recipe.model.backbone)})
    if not resuming:
        run.begin(record, recipe, manifest, split)
    with _log_to(run.log):
        _announce(run, record, recipe, split, fold, network, resuming=resuming)
        images = open_image_cache(manifest, Preprocessing(**recipe.input.model_dump()), decoding_progress)
        parts = _cached_parts(images, manifest, split, fold)
        _fit(run, recipe, network, parts, record.environment, console)
        run.save_record(record.model_copy(update={"finished": True}))
        logger.info("finished: best epoch %d, weights in %s", _best_epoch(run, recipe), run.best)
    return run


def _check_folder(run: RunFolder, record: RunRecord, recipe: Recipe) -> bool:
    """Return whether there is an interrupted run of the same kind to go on with."""
    if not run.exists():
        return False
    found = run.record()
    same = ("manifest_sha256", "split_sha256", "fold")
    if run.recipe() != recipe or any(getattr(found, key) != getattr(record, key) for key in same):
        raise UsageError(f"{run.path} holds a run of another recipe, dataset or split; choose another --out")
    if found.finished:
        raise UsageError(f"{run.path} holds a finished run; choose another --out, or evaluate this one")
    decisive = ("accelerator", "precision", "compiled", "torch")
    changed = {key for key in decisive if found.environment.get(key) != record.environment[key]}
    if changed:
        logger.warning("going on with another %s than before: the result may differ", ", ".join(sorted(changed)))
    return True


def _cached_parts(images: np.ndarray, manifest: Manifest, split: Split, fold: int | None) -> dict[str, CachedImages]:
    rows = {record.image_id: row for row, record in enumerate(manifest)}
    labels = {record.image_id: CODES.index(record.diagnosis) for record in manifest}
    parts = split.parts(fold)
    return {
        name: CachedImages(images, [rows[i] for i in parts[name]], [labels[i] for i in parts[name]])
        for name in ("train", "validation")
    }


def _fit(
    run: RunFolder,
    recipe: Recipe,
    network: LesionNetwork,
    parts: dict[str, CachedImages],
    environment: dict[str, str],
    console: Console | None,
) -> None:
    settings = recipe.training
    counts = np.bincount(parts["train"].labels.numpy(), minlength=len(CODES))
    network.to(memory_format=torch.channels_last)
    compiled = environment["compiled"] == "true"
    module = LesionModule(network, recipe, class_weights(counts, recipe.loss), compiled=compiled)
    monitor = f"validation_{settings.monitor}"
    callbacks: list[pl.Callback] = [StepProgress(console or Console(quiet=True))]
    if settings.patience:
        mode = "min" if settings.monitor == "loss" else "max"
        callbacks.append(EarlyStopping(monitor, patience=settings.patience, mode=mode))
    callbacks.append(RunRecorder(run, monitor))
    with _quiet_lightning():
        trainer = pl.Trainer(
            accelerator=environment["accelerator"],
            devices=1,
            precision=environment["precision"],  # type: ignore[arg-type] # checked by the recipe's schema
            max_epochs=settings.epochs,
            gradient_clip_val=recipe.optimizer.gradient_clip,
            callbacks=callbacks,
            plugins=[SafetensorsCheckpointIO()],
            deterministic="warn",
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        trainer.fit(
            module,
            make_loader(parts["train"], settings.batch_size, seed=recipe.seed),
            make_loader(parts["validation"], 2 * settings.batch_size),
            ckpt_path=str(run.last) if run.last.exists() else None,
        )


def _announce(
    run: RunFolder,
    record: RunRecord,
    recipe: Recipe,
    split: Split,
    fold: int | None,
    network: LesionNetwork,
    *,
    resuming: bool,
) -> None:
    if resuming:
        done = len(run.read_history())
        logger.info("going on with %s after epoch %d of %d", run.path, done, recipe.training.epochs)
    sizes = ", ".join(f"{len(ids)} {part}" for part, ids in split.parts(fold).items())
    millions = parameter_count(network) / 1e6
    logger.info("recipe %s: %s, %.1f million weights", recipe.name, recipe.model.backbone, millions)
    logger.info("starting weights: %s", record.weights)
    logger.info("images: %s; split %s by %s", sizes, split.sha256[:12], split.unit)
    environment = record.environment
    logger.info(
        "device: %s (%s), precision %s", environment["accelerator"], environment["device"], environment["precision"]
    )
    if record.leaky:
        logger.warning("LEAKY: split by image, images of one lesion stand on both sides; every figure is too good")


def _best_epoch(run: RunFolder, recipe: Recipe) -> int:
    sign = -1 if recipe.training.monitor == "loss" else 1
    history = run.read_history()
    best = max(history, key=lambda row: sign * row[f"validation_{recipe.training.monitor}"])
    return int(best["epoch"])


@contextmanager
def _log_to(path: Path) -> Iterator[None]:
    """Keep what the package logs in a file as well."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    package = logging.getLogger("lesionlab")
    level = package.level
    package.addHandler(handler)
    package.setLevel(logging.INFO)
    try:
        yield
    finally:
        package.setLevel(level)
        package.removeHandler(handler)
        handler.close()


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Keep Lightning's hints to itself: they speak of loaders and loggers that the user does not choose."""
    library = logging.getLogger("pytorch_lightning")
    level = library.level
    library.setLevel(logging.ERROR)
    # Asked for by torch where CUDA's matrix products shall be repeatable.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="pytorch_lightning.*")
            warnings.filterwarnings("ignore", message=".*does not have a deterministic implementation.*")
            yield
    finally:
        library.setLevel(level)

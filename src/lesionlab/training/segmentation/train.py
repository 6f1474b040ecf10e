"""Training a segmentation model: from images with masks to a folder with the best weights."""

import csv
import io
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint
from rich.console import Console
from torch.utils.data import DataLoader

from lesionlab.data import Manifest, Split
from lesionlab.data.masks import MaskFolder
from lesionlab.errors import DataError, UsageError
from lesionlab.files import sha256_of_json, write_json, write_text
from lesionlab.images import Preprocessing
from lesionlab.recipes import SegmentationSettings
from lesionlab.training.batches import EpochBatches
from lesionlab.training.cache import open_image_cache
from lesionlab.training.callbacks import StepProgress
from lesionlab.training.checkpoint import SafetensorsCheckpointIO, load_weights, save_tensors
from lesionlab.training.device import announce_compilation, choose_accelerator, choose_precision, should_compile
from lesionlab.training.segmentation.module import MaskedImages, SegmentationModule
from lesionlab.training.segmentation.network import SegmentationNetwork
from lesionlab.training.stages import quiet_lightning

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SegmentationRun:
    """A finished training.

    Attributes:
        network: The network with its best weights.
        settings: Settings of the training.
        subsets: Ids of the images with a mask, by subset.
        masks: Their masks.
        weights: Source of the starting weights.
    """

    network: SegmentationNetwork
    settings: SegmentationSettings
    subsets: dict[str, list[str]]
    masks: MaskFolder
    weights: str


def train_segmentation(
    settings: SegmentationSettings,
    manifest: Manifest,
    split: Split,
    masks: MaskFolder,
    folder: Path,
    *,
    console: Console | None = None,
) -> SegmentationRun:
    """Train a segmentation network, or resume an interrupted training after its last complete epoch.

    Args:
        settings: Settings of the training.
        manifest: The images; those without a mask are left out.
        split: The split of the images.
        masks: The masks.
        folder: Folder for checkpoints and the history.
        console: Console for progress bars, or None.

    Raises:
        DataError: A subset has no image with a mask, or a file cannot be read.
        UsageError: The folder holds another training.
    """
    split.check_against(manifest)
    subsets = {name: [i for i in ids if i in masks] for name, ids in split.subsets().items()}
    for name in ("train", "validation"):
        if not subsets[name]:
            raise DataError(f"{masks.path}: no mask of a {name} image; masks are named after their images")
    _claim(folder, settings, split)
    accelerator = choose_accelerator()
    pl.seed_everything(settings.seed, verbose=False)
    network = SegmentationNetwork(settings)
    last, best = folder / "last.safetensors", folder / "best.safetensors"
    weights = "checkpoint" if last.exists() else network.load_pretrained(settings.encoder)
    counted = ", ".join(f"{len(ids)} {name}" for name, ids in subsets.items())
    logger.info("images with a mask: %s; split %s; starting weights: %s", counted, split.sha256[:12], weights)
    preprocessing = Preprocessing(size=settings.size, through=settings.through)
    array = open_image_cache(manifest, preprocessing)
    rows = {record.image_id: row for row, record in enumerate(manifest)}

    def loader(name: str, batch_size: int, seed: int | None = None) -> DataLoader[Any]:
        coverage = np.stack([masks.coverage(image_id, settings.size) for image_id in subsets[name]])
        images = MaskedImages(array, np.array([rows[image_id] for image_id in subsets[name]]), coverage)
        sampler = EpochBatches(np.zeros(len(images), dtype=np.int64), batch_size, seed)
        return DataLoader(images, batch_size=None, sampler=sampler)

    steps = len(subsets["train"]) * settings.epochs // settings.batch_size
    compiled = settings.compile and should_compile(accelerator, steps)
    if compiled:
        announce_compilation()
    module = SegmentationModule(network, settings, compiled=compiled)
    with quiet_lightning():
        trainer = pl.Trainer(
            accelerator=accelerator,
            devices=1,
            precision=choose_precision("auto", accelerator),  # type: ignore[arg-type] # one of Lightning's names
            max_epochs=settings.epochs,
            gradient_clip_val=1.0,
            callbacks=[StepProgress(console or Console(quiet=True)), _Recorder(folder)],
            plugins=[SafetensorsCheckpointIO()],
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        trainer.fit(
            module,
            loader("train", settings.batch_size, settings.seed),
            loader("validation", 2 * settings.batch_size),
            ckpt_path=str(last) if last.exists() else None,
        )
    network.load_state_dict(load_weights(best))
    return SegmentationRun(network.eval().cpu(), settings, subsets, masks, weights)


class _Recorder(Checkpoint):
    """After each epoch: write the history, the best weights and the checkpoint to resume from, in this order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.history: list[float] = []

    def state_dict(self) -> dict[str, Any]:
        return {"history": self.history}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.history = list(state_dict["history"])

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.history.append(float(trainer.callback_metrics["validation_dice"]))
        stream = io.StringIO()
        csv.writer(stream, lineterminator="\n").writerows(
            [("epoch", "validation_dice"), *enumerate(self.history, start=1)]
        )
        write_text(self.folder / "history.csv", stream.getvalue())
        if self.history[-1] == max(self.history):
            assert isinstance(pl_module, SegmentationModule)  # noqa: S101 - for the type checker
            save_tensors(pl_module.shipped.state_dict(), self.folder / "best.safetensors")
        trainer.save_checkpoint(self.folder / "last.safetensors")
        logger.info("epoch %d/%s: Dice %.4f on validation", len(self.history), trainer.max_epochs, self.history[-1])


def _claim(folder: Path, settings: SegmentationSettings, split: Split) -> None:
    """Record the settings and the split in the folder; raise if it holds others."""
    path = folder / "training.json"
    own = {"settings": settings.model_dump(mode="json"), "split_sha256": split.sha256}
    if not path.exists():
        write_json(path, own)
    elif sha256_of_json(json.loads(path.read_bytes())) != sha256_of_json(own):
        raise UsageError(f"{folder} holds another training; choose another folder or remove it")

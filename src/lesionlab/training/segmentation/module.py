"""The Lightning module of the segmentation network: loss, optimiser, moving average and Dice."""

from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
import torch.nn.functional as F  # noqa: N812 - the name that every torch program uses
from numpy.typing import NDArray
from timm.utils.model_ema import ModelEmaV3
from torch import Tensor
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import Dataset

from lesionlab.recipes import SegmentationSettings
from lesionlab.training.augmentation import BatchAugmentation
from lesionlab.training.batches import to_images
from lesionlab.training.module import parameter_groups
from lesionlab.training.segmentation.network import SegmentationNetwork

_EMA_DECAY = 0.996


class MaskedImages(Dataset[tuple[Tensor, Tensor]]):
    """Images and masks, indexed by lists of positions: one item is a whole batch.

    Args:
        array: The image cache, uint8 [all images, H, W, 3].
        rows: Rows of the cache that belong to this subset.
        masks: uint8 [rows, H, W].
    """

    views = 1

    def __init__(self, array: NDArray[np.uint8], rows: NDArray[np.int64], masks: NDArray[np.uint8]) -> None:
        self.array, self.rows, self.masks = array, rows, masks

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, positions: list[int]) -> tuple[Tensor, Tensor]:
        """Return pixels uint8 [N, H, W, 3] and masks uint8 [N, H, W]."""
        return torch.from_numpy(self.array[self.rows[positions]]), torch.from_numpy(self.masks[positions])


class SegmentationModule(pl.LightningModule):
    """Training and validation steps of the segmentation network.

    Args:
        network: The network, with its starting weights.
        settings: Augmentation and optimiser.
        compiled: Whether to compile the network for the training steps.
    """

    def __init__(self, network: SegmentationNetwork, settings: SegmentationSettings, *, compiled: bool) -> None:
        super().__init__()
        self.network = network
        # The method and not the module: a compiled module would change the names in checkpoints.
        self._logits = torch.compile(network.forward, dynamic=False) if compiled else network.forward
        self.settings = settings
        self.augment = BatchAugmentation(settings.augmentation)
        self.average = ModelEmaV3(network, decay=_EMA_DECAY, use_warmup=True)

    @property
    def shipped(self) -> SegmentationNetwork:
        """The network that is validated and exported: the moving average."""
        averaged: SegmentationNetwork = self.average.module
        return averaged

    def on_train_batch_start(self, _batch: Any, batch_idx: int) -> None:
        """Seed per epoch, so that an epoch repeated after an interruption gives the same result."""
        if batch_idx == 0:
            torch.manual_seed(self.settings.seed * 1_000_003 + self.current_epoch)
            self.average.eval()

    def training_step(self, batch: tuple[Tensor, Tensor], _index: int) -> Tensor:
        """Return the loss of one batch: pixels uint8 [N, H, W, 3] and masks uint8 [N, H, W]."""
        pixels, masks = batch
        with torch.autocast(self.device.type, enabled=False):  # colours and coordinates require float32
            images, truth = self.augment.with_masks(to_images(pixels), masks.unsqueeze(1).float() / 255)
            images = images.contiguous(memory_format=torch.channels_last)
        logits = self._logits(images).float()
        return F.binary_cross_entropy_with_logits(logits, truth) + soft_dice_loss(logits.sigmoid(), truth)

    def on_train_batch_end(self, *_: Any) -> None:
        """Update the moving average of the weights."""
        self.average.update(self.network, step=self.trainer.global_step)

    def validation_step(self, batch: tuple[Tensor, Tensor], _index: int) -> None:
        """Log the Dice coefficient of one validation batch."""
        pixels, masks = batch
        found = self.shipped(to_images(pixels)) >= 0
        truth = masks.unsqueeze(1) >= 128
        overlap = (found & truth).sum(dim=(1, 2, 3))
        dice = 2 * overlap / (found.sum(dim=(1, 2, 3)) + truth.sum(dim=(1, 2, 3))).clamp(min=1)
        self.log("validation_dice", dice.float().mean(), batch_size=len(dice))

    def configure_optimizers(self) -> Any:
        """Return AdamW, without decay on biases and normalisation, with one cycle of the learning rate."""
        groups = parameter_groups(self.network, self.settings.weight_decay)
        optimizer = torch.optim.AdamW(groups, lr=self.settings.learning_rate)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = OneCycleLR(optimizer, self.settings.learning_rate, total_steps=steps, pct_start=0.1)
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]


def soft_dice_loss(probabilities: Tensor, truth: Tensor) -> Tensor:
    """Return 1 minus the Dice coefficient of probabilities and truth, both [N, 1, H, W], averaged over images.

    Source: Milletari et al., 3DV 2016.
    """
    overlap = (probabilities * truth).sum(dim=(1, 2, 3))
    total = (probabilities.square() + truth.square()).sum(dim=(1, 2, 3))
    return (1 - (2 * overlap + 1) / (total + 1)).mean()

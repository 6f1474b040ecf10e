"""The Lightning module: loss, optimiser, moving average and validation metrics around the plain network."""

import math
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
import torch.nn.functional as F  # noqa: N812 - the name that every torch program uses
from numpy.typing import NDArray
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from timm.optim._param_groups import param_groups_weight_decay
from timm.utils.model_ema import ModelEmaV3
from torch import Tensor

from lesionlab.metrics.confusion import balanced_accuracy, confusion_matrix
from lesionlab.metrics.ranking import macro_auc
from lesionlab.recipes import LossSettings, Recipe
from lesionlab.taxonomy import CODES
from lesionlab.training.augmentation import BatchAugmentation
from lesionlab.training.network import LesionNetwork


def class_weights(counts: NDArray[np.int64], settings: LossSettings) -> NDArray[np.float64]:
    """Return one weight per class, such that the mean weight over the training images is 1.

    Args:
        counts: Number of training images per class; a class without any gets weight 0.
        settings: Which kind of weight.
    """
    power = {"none": 0.0, "sqrt_balanced": 0.5, "balanced": 1.0}[settings.class_weights]
    weights = np.where(counts > 0, np.maximum(counts, 1).astype(np.float64) ** -power, 0.0)
    scaled: NDArray[np.float64] = weights * (counts.sum() / (weights * counts).sum())
    return scaled


class LesionModule(pl.LightningModule):
    """What a training step and a validation epoch do.

    Args:
        network: The network, with its starting weights.
        recipe: Loss, optimiser and schedule.
        weights: Class weights of the loss, [7].
        compiled: Whether to fuse the network's operations for the training steps.
    """

    class_weights: Tensor

    def __init__(
        self, network: LesionNetwork, recipe: Recipe, weights: NDArray[np.float64], *, compiled: bool = False
    ) -> None:
        super().__init__()
        self.network = network
        # The method and not the module: a compiled module would appear in checkpoints under a second name.
        self._logits = torch.compile(network.forward, dynamic=False) if compiled else network.forward
        self.recipe = recipe
        self.augment = BatchAugmentation(recipe.augmentation)
        # The average is what is validated and shipped. It is a module so that checkpoints carry it.
        decay = recipe.training.ema_decay
        self.average = ModelEmaV3(network, decay=decay, use_warmup=True) if decay else None
        self.register_buffer("class_weights", torch.as_tensor(weights, dtype=torch.float32), persistent=False)
        self._train_losses: list[Tensor] = []
        self._validation: list[tuple[Tensor, Tensor]] = []

    @property
    def shipped(self) -> LesionNetwork:
        """The network that is validated and exported: the average where the recipe keeps one."""
        if self.average is None:
            return self.network
        averaged: LesionNetwork = self.average.module
        return averaged

    def on_train_batch_start(self, _batch: Any, batch_idx: int) -> None:
        """Seed by epoch, so that an epoch that is run again after an interruption is the same epoch.

        With the first batch and not in `on_train_epoch_start`, which Lightning leaves out for the first epoch
        after a checkpoint that was written at the end of one.
        """
        if batch_idx == 0:
            torch.manual_seed(self.recipe.seed * 1_000_003 + self.current_epoch)
            self._train_losses.clear()
            self.shipped.train(self.shipped is self.network)

    def training_step(self, batch: tuple[Tensor, Tensor], _index: int) -> Tensor:
        """Return the loss of one batch: pixels uint8 [N, H, W, 3] and labels [N]."""
        pixels, labels = batch
        with torch.autocast(self.device.type, enabled=False):  # colours and coordinates need float32
            images = self.augment(_to_images(pixels)).contiguous(memory_format=torch.channels_last)
        logits = self._logits(images)
        loss = F.cross_entropy(
            logits.float(), labels, self.class_weights, label_smoothing=self.recipe.loss.label_smoothing
        )
        self._train_losses.append(loss.detach())
        return loss

    def on_train_batch_end(self, *_: Any) -> None:
        """Move the average towards the weights that the step just made."""
        if self.average is not None:
            self.average.update(self.network, step=self.trainer.global_step)

    def validation_step(self, batch: tuple[Tensor, Tensor], _index: int) -> None:
        """Collect the logits of one batch of the validation part."""
        pixels, labels = batch
        self._validation.append((self.shipped(_to_images(pixels)).float().cpu(), labels.cpu()))

    def on_validation_epoch_end(self) -> None:
        """Log the epoch's losses and metrics."""
        logits, labels = (torch.cat(part) for part in zip(*self._validation, strict=True))
        self._validation.clear()
        probabilities = logits.double().softmax(dim=1).numpy()
        truth = labels.numpy()
        losses = self._train_losses
        row = {
            "train_loss": torch.stack(losses).mean().item() if losses else math.nan,
            "validation_loss": F.cross_entropy(logits, labels).item(),
            "validation_balanced_accuracy": float(
                balanced_accuracy(confusion_matrix(truth, probabilities.argmax(axis=1), classes=len(CODES)))
            ),
            "validation_macro_auc": float(macro_auc(truth, probabilities)),
        }
        self.log_dict(row)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW without decay on biases and normalisation; warm-up, then cosine to zero, by the step."""
        settings = self.recipe.optimizer
        groups = param_groups_weight_decay(self.network, settings.weight_decay)
        optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate)
        total = int(self.trainer.estimated_stepping_batches)
        warmup = max(1, round(total * min(1.0, settings.warmup_epochs / self.recipe.training.epochs)))

        def factor(step: int) -> float:
            if step < warmup:
                return (step + 1) / warmup
            return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, total - warmup))))

        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def _to_images(pixels: Tensor) -> Tensor:
    # The permuted view of [N, H, W, 3] already is channels-last, the layout that convolutions are fastest in.
    return pixels.permute(0, 3, 1, 2).float() / 255.0

"""The Lightning module: loss, optimiser, moving average and validation metrics."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
import torch.nn.functional as F  # noqa: N812 - the name that every torch program uses
from numpy.typing import NDArray
from timm.utils.model_ema import ModelEmaV3
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR, MultiplicativeLR, ReduceLROnPlateau

from lesionlab.data import ImageRecord
from lesionlab.errors import DivergenceError
from lesionlab.metrics import confusion
from lesionlab.metrics.ranking import macro_auc
from lesionlab.recipes import Recipe
from lesionlab.taxonomy import TASKS
from lesionlab.training.augmentation import BatchAugmentation
from lesionlab.training.batches import to_images
from lesionlab.training.distillation import Teacher
from lesionlab.training.labels import LabelSets
from lesionlab.training.losses import Loss, class_weights, set_weights
from lesionlab.training.mixing import BatchMixing
from lesionlab.training.network import LesionNetwork
from lesionlab.training.processes import ALONE, Processes
from lesionlab.training.within_source import WithinSource


@dataclass(frozen=True)
class Stage:
    """A stage of the training.

    Attributes:
        number: 1, or 2 for training the top of a frozen backbone as well.
        epochs: Passes over the training images.
        learning_rate: Highest learning rate.
        cached: Whether batches hold features of a frozen backbone instead of pixels.
        first_epoch: Number of epochs before this stage.
    """

    number: int
    epochs: int
    learning_rate: float
    cached: bool = False
    first_epoch: int = 0


class LesionModule(pl.LightningModule):
    """Training and validation steps of a classifier.

    Args:
        network: The network, with its starting weights.
        recipe: Loss, optimiser and schedule.
        counts: Number of training images of each class, [C], or of each label set, [L].
        stage: Epochs, learning rate and kind of the batches.
        label_sets: What labels mean, if some allow several classes; None if each is a class.
        validation: The validation images in their order, for metrics by source.
        teacher: Teacher for distillation, or None.
        compiled: Whether to compile the network for the training steps.
        processes: The processes that train together.
    """

    def __init__(
        self,
        network: LesionNetwork,
        recipe: Recipe,
        counts: NDArray[np.int64],
        stage: Stage,
        *,
        label_sets: LabelSets | None = None,
        validation: Sequence[ImageRecord] = (),
        teacher: Teacher | None = None,
        compiled: bool = False,
        processes: Processes = ALONE,
    ) -> None:
        super().__init__()
        self._processes = processes
        self.network = network
        # The method and not the module: a compiled module would change the names in checkpoints.
        self._logits = torch.compile(network.forward, dynamic=False) if compiled else network.forward
        self._teacher = teacher
        self.recipe = recipe
        self.stage = stage
        self.classes = TASKS[recipe.task].classes
        self.augment = BatchAugmentation(recipe.augmentation)
        self.mix = BatchMixing(recipe.augmentation, len(counts))
        sampled = _sampled_counts(counts[: len(self.classes)], recipe)
        weights, members = class_weights(sampled, recipe.loss, self.classes), None
        if label_sets is not None and len(label_sets.members) > len(self.classes):
            members = label_sets.members
            weights = set_weights(weights, sampled, members)
        self.loss = Loss(recipe.loss, weights, sampled / sampled.sum(), members)
        self._by_source = WithinSource(validation, TASKS[recipe.task]) if validation else None
        # The average is validated and exported. It is a module, so that checkpoints include it.
        decay = recipe.training.ema_decay
        self.average = ModelEmaV3(network, decay=decay, use_warmup=True) if decay else None
        if self.average is not None:
            self.average.requires_grad_(requires_grad=False)  # DDP would wait for its gradients
        self._train_losses: list[Tensor] = []
        self._validation: list[tuple[Tensor, Tensor]] = []
        self._plateaus: list[ReduceLROnPlateau] = []
        # Labels, [N], and probabilities, [N, C], of the last validation, in the order of the images.
        self.validated: tuple[NDArray[np.int64], NDArray[np.float64]] | None = None

    @property
    def shipped(self) -> LesionNetwork:
        """The network that is validated and exported: the moving average if the recipe has one."""
        if self.average is None:
            return self.network
        averaged: LesionNetwork = self.average.module
        return averaged

    def on_train_batch_start(self, _batch: Any, batch_idx: int) -> None:
        """Seed per epoch, so that an epoch repeated after an interruption gives the same result.

        In the first batch and not in `on_train_epoch_start`, which Lightning skips for the first epoch after resuming
        from a checkpoint at the end of an epoch.
        """
        if batch_idx == 0:
            seed = self.recipe.seed * 1_000_003 + self.stage.first_epoch + self.current_epoch
            torch.manual_seed(self._processes.seed(seed))
            self._train_losses.clear()
            self.network.train()
            if self.average is not None:
                self.average.eval()

    def training_step(self, batch: tuple[Tensor, Tensor], _index: int) -> Tensor:
        """Return the loss of one batch: pixels uint8 [N, H, W, 3], or features [N, D], and labels [N]."""
        if self._train_losses:  # that of the step before: it is known without waiting for the device
            self._require_finite(self._train_losses[-1].item(), f"the training loss of step {len(self._train_losses)}")
        inputs, labels = batch
        if self.stage.cached:
            loss: Tensor = self.loss(self.network.head(inputs).float(), labels)
        else:
            with torch.autocast(self.device.type, enabled=False):  # colours and coordinates require float32
                images, targets = self.mix(self.augment(to_images(inputs), self._image_size), labels)
                images = images.contiguous(memory_format=torch.channels_last)
            logits = self._logits(images).float()
            loss = self.loss(logits, targets)
            if self._teacher is not None:
                share = self._teacher.weight
                loss = (1 - share) * loss + share * self._teacher.loss(logits, images, self.loss.allowed(targets))
        # The mean, so that all processes notice at the same step that it is not finite.
        self._train_losses.append(self._processes.mean(loss.detach()))
        return loss

    @property
    def _image_size(self) -> int | None:
        """Side of the training images in this epoch; None for the input size."""
        sizes = self.recipe.training.sizes
        return sizes[self.current_epoch * len(sizes) // self.stage.epochs] if sizes else None

    def on_train_batch_end(self, _outputs: Any, _batch: Any, batch_idx: int) -> None:
        """Update the moving average of the weights after a step of the optimiser."""
        stepped = (batch_idx + 1) % self.recipe.training.accumulate == 0 or self.trainer.is_last_batch
        if self.average is not None and stepped:
            self.average.update(self.network, step=self.trainer.global_step)

    def on_validation_epoch_start(self) -> None:
        """Average the statistics of batch normalisation over the processes."""
        if self._processes.size == 1:
            return
        for name, buffer in self.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                buffer.copy_(self._processes.mean(buffer))

    def validation_step(self, batch: tuple[Tensor, Tensor], _index: int) -> None:
        """Collect the logits of one validation batch."""
        inputs, labels = batch
        logits = self.shipped.head(inputs) if self.stage.cached else self.shipped(to_images(inputs))
        self._validation.append((logits.float().cpu(), labels.cpu()))

    def on_validation_epoch_end(self) -> None:
        """Log the epoch's losses and metrics."""
        shares = [torch.cat(batches) for batches in zip(*self._validation, strict=True)]
        self._validation.clear()
        logits, labels = shares
        if self._processes.size > 1:
            images = len(self.trainer.val_dataloaders.dataset)  # type: ignore[union-attr]
            logits, labels = (self._processes.interleaved(share, images) for share in shares)
        self.validated = labels.numpy(), logits.double().softmax(dim=1).numpy()
        auc = self._by_source.measure(self.validated[1]) if self._by_source else {}
        determined = labels < len(self.classes)
        logits, labels = logits[determined], labels[determined]
        probabilities = logits.double().softmax(dim=1).numpy()
        truth = labels.numpy()
        matrix = confusion.confusion_matrix(truth, probabilities.argmax(axis=1), classes=len(self.classes))
        losses = self._train_losses
        row = {
            "train_loss": torch.stack(losses).mean().item() if losses else math.nan,
            "validation_loss": F.cross_entropy(logits, labels).item(),
            "validation_accuracy": float(confusion.accuracy(matrix)),
            "validation_balanced_accuracy": float(confusion.balanced_accuracy(matrix)),
            "validation_macro_f1": float(confusion.macro_f1(matrix)),
            "validation_macro_auc": float(macro_auc(truth, probabilities)),
            "validation_within_source_auc": auc.get("within_source_auc", math.nan),
            "validation_histology_auc": auc.get("histology_auc", math.nan),
        }
        self.log_dict(row)
        if losses:
            self._require_finite(losses[-1].item(), f"the training loss of step {len(losses)}")
        self._require_finite(row["validation_loss"], "the validation loss")
        for schedule in self._plateaus:
            schedule.step(row["validation_loss"])

    def _require_finite(self, loss: float, name: str) -> None:
        if math.isfinite(loss):
            return
        raise DivergenceError(
            f"epoch {self.stage.first_epoch + self.current_epoch + 1}: {name} is {loss}, not a finite number; train "
            f"again with a lower learning rate than {self.stage.learning_rate:g} or with optimizer.gradient_clip=1"
        )

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        """Step the schedules by step; Lightning would step a plateau only after the epoch's checkpoint is written."""
        if scheduler not in self._plateaus:
            super().lr_scheduler_step(scheduler, metric)

    def configure_optimizers(self) -> Any:
        """Return the recipe's optimiser, without decay on biases and normalisation, and its schedules."""
        settings = self.recipe.optimizer
        groups = parameter_groups(self.network, settings.weight_decay)
        kind = torch.optim.AdamW if settings.name == "adamw" else torch.optim.Adam
        optimizer = kind(groups, lr=self.stage.learning_rate)
        factor = self._schedule_factor()
        schedules: list[dict[str, Any]] = []
        if "plateau" not in settings.schedule:
            schedules.append({"scheduler": LambdaLR(optimizer, factor), "interval": "step"})
            return [optimizer], schedules

        # The plateau sets the rate itself, so the other schedules multiply the current rate.
        def ratio(step: int) -> float:
            return factor(step) / before if (before := factor(step - 1)) > 0 else 0.0

        for group in optimizer.param_groups:
            group["lr"] *= factor(0)
        schedules.append({"scheduler": MultiplicativeLR(optimizer, ratio), "interval": "step"})
        plateau = ReduceLROnPlateau(optimizer, factor=settings.plateau_factor, patience=settings.plateau_patience)
        self._plateaus = [plateau]
        schedules.append({"scheduler": plateau, "interval": "epoch", "monitor": "validation_loss"})
        return [optimizer], schedules

    def _schedule_factor(self) -> Callable[[int], float]:
        """Return the learning rate's factor by step: warm-up, then the schedules by step."""
        settings, epochs = self.recipe.optimizer, self.stage.epochs
        total = int(self.trainer.estimated_stepping_batches)
        warmup = round(total * min(1.0, settings.warmup_epochs / epochs))

        def factor(step: int) -> float:
            if step < warmup:
                return (step + 1) / warmup
            value = 1.0
            if "cosine" in settings.schedule:
                value *= 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, total - warmup))))
            if "step" in settings.schedule:
                value *= settings.step_factor ** (step * epochs // total // settings.step_epochs)
            return value

        return factor


def parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return the optimiser's groups: trainable biases and normalisation weights without decay, all others with it."""
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in trainable if p.ndim <= 1], "weight_decay": 0.0},
        {"params": [p for p in trainable if p.ndim > 1], "weight_decay": weight_decay},
    ]


def _sampled_counts(counts: NDArray[np.int64], recipe: Recipe) -> NDArray[np.int64]:
    """Return the number of images of each class in an epoch, after balanced sampling."""
    if recipe.sampling.balance == "none":
        return counts
    return np.where(counts > 0, counts.min() if recipe.sampling.balance == "undersample" else counts.max(), 0)

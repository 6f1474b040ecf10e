"""The training loss: cross-entropy or focal loss, weighted by class, with adjusted logits."""

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name that every torch program uses
from numpy.typing import NDArray
from torch import Tensor, nn

from lesionlab.recipes import LossSettings


def class_weights(counts: NDArray[np.int64], settings: LossSettings, classes: tuple[str, ...]) -> NDArray[np.float64]:
    """Return one weight per class: `alpha` unchanged, or weights with mean 1 over the training images.

    Args:
        counts: Number of training images per class; without `alpha`, a class without images gets weight 0.
        settings: Kind of weights.
        classes: Codes of the classes, in the order of `counts`.
    """
    if settings.alpha:
        return np.array([settings.alpha[code] for code in classes], dtype=np.float64)
    power = {"none": 0.0, "sqrt_balanced": 0.5, "balanced": 1.0}[settings.class_weights]
    weights = np.where(counts > 0, np.maximum(counts, 1).astype(np.float64) ** -power, 0.0)
    scaled: NDArray[np.float64] = weights * (counts.sum() / (weights * counts).sum())
    return scaled


class Loss(nn.Module):
    """The training loss of a recipe; validation uses plain cross-entropy.

    Cross-entropy is torch's: a mean weighted by class. The focal loss, -alpha_t (1 - p_t)^gamma log p_t (Lin et al.,
    ICCV 2017), is divided by the number of images instead, as in Keras' CategoricalFocalCrossentropy. For soft targets
    (mixing, label smoothing) the classes' losses are weighted by their shares.

    Args:
        settings: Kind of loss, gamma, label smoothing and logit adjustment.
        weights: Weight of each class, [C].
        frequencies: Frequency of each class in the training images, [C]. `logit_adjustment` times its logarithm is
            added to the logits (Menon et al., ICLR 2021); classes without images are not adjusted.
    """

    weights: Tensor
    adjustment: Tensor

    def __init__(self, settings: LossSettings, weights: NDArray[np.float64], frequencies: NDArray[np.float64]) -> None:
        super().__init__()
        self.settings = settings
        adjustment = settings.logit_adjustment * np.log(np.where(frequencies > 0, frequencies, 1.0))
        # Not persistent: both are derived from the recipe and the data.
        self.register_buffer("weights", torch.as_tensor(weights, dtype=torch.float32), persistent=False)
        self.register_buffer("adjustment", torch.as_tensor(adjustment, dtype=torch.float32), persistent=False)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss of one batch.

        Args:
            logits: [N, C].
            target: Class indices [N], or shares of the classes [N, C].
        """
        logits = logits.float() + self.adjustment
        return self._focal(logits, target) if self.settings.kind == "focal" else self._cross_entropy(logits, target)

    def _cross_entropy(self, logits: Tensor, target: Tensor) -> Tensor:
        smoothing = self.settings.label_smoothing
        if target.ndim == 1:
            return F.cross_entropy(logits, target, self.weights, label_smoothing=smoothing)
        # For soft targets torch's mean divides by N, so that mixed batches would be weighted differently.
        total = F.cross_entropy(logits, target, self.weights, label_smoothing=smoothing, reduction="sum")
        return total / (target * self.weights).sum()

    def _focal(self, logits: Tensor, target: Tensor) -> Tensor:
        classes, smoothing = logits.shape[1], self.settings.label_smoothing
        if target.ndim == 1:
            target = F.one_hot(target, classes).float()
        shares = target * (1 - smoothing) + smoothing / classes
        logs = logits.log_softmax(dim=1)
        # For p = 1 the derivative is infinite if gamma is below 1.
        focus = (-torch.expm1(logs)).clamp(min=torch.finfo(logs.dtype).eps) ** self.settings.gamma
        return -(self.weights * shares * focus * logs).sum(dim=1).mean()

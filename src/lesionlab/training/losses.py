"""The training loss: cross-entropy or focal loss, weighted by class, with adjusted logits."""

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name that every torch program uses
from numpy.typing import NDArray
from torch import Tensor, nn

from lesionlab.recipes import LossSettings


def set_weights(
    weights: NDArray[np.float64], counts: NDArray[np.int64], members: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return one weight per label set, [L]: the mean weight of its classes over their training images.

    Args:
        weights: Weight of each class, [C].
        counts: Number of training images of each class, [C].
        members: Whether a set has a class, [L, C].
    """
    images = members * np.maximum(counts, 1)
    mean: NDArray[np.float64] = (images * weights).sum(axis=1) / images.sum(axis=1)
    return mean


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

    A label that allows several classes is trained by the sum of their probabilities: its loss is the negative logarithm
    of this sum. Label smoothing distributes its share over the single classes.

    Args:
        settings: Kind of loss, gamma, label smoothing and logit adjustment.
        weights: Weight of each class, [C], or of each label set, [L].
        frequencies: Frequency of each class in the training images, [C]. `logit_adjustment` times its logarithm is
            added to the logits (Menon et al., ICLR 2021); classes without images are not adjusted.
        members: Whether a label set has a class, [L, C]; None if each label is a class.
    """

    weights: Tensor
    adjustment: Tensor
    outside: Tensor | None

    def __init__(
        self,
        settings: LossSettings,
        weights: NDArray[np.float64],
        frequencies: NDArray[np.float64],
        members: NDArray[np.bool_] | None = None,
    ) -> None:
        super().__init__()
        self.settings = settings
        adjustment = settings.logit_adjustment * np.log(np.where(frequencies > 0, frequencies, 1.0))
        # Not persistent: both are derived from the recipe and the data.
        self.register_buffer("weights", torch.as_tensor(weights, dtype=torch.float32), persistent=False)
        self.register_buffer("adjustment", torch.as_tensor(adjustment, dtype=torch.float32), persistent=False)
        # Added to the logarithms, it removes the classes outside a set.
        outside = None if members is None else torch.from_numpy(np.where(members, 0.0, -np.inf)).float()
        self.register_buffer("outside", outside, persistent=False)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss of one batch.

        Args:
            logits: [N, C].
            target: Class indices [N], or shares of the classes [N, C]; of label sets if there are any.
        """
        logits = logits.float() + self.adjustment
        if self.outside is None and self.settings.kind == "cross_entropy":
            return self._cross_entropy(logits, target)
        logs = logits.log_softmax(dim=1)
        if self.outside is not None:
            logs = (logs.unsqueeze(1) + self.outside).logsumexp(dim=2)
        shares = F.one_hot(target, logs.shape[1]).float() if target.ndim == 1 else target
        if self.settings.kind == "focal":
            return self._focal(logs, shares)
        return -(self.weights * self._smoothed(shares) * logs).sum() / (shares * self.weights).sum()

    def allowed(self, target: Tensor) -> Tensor:
        """Return the classes that each label allows, as shares from 0 to 1, [N, C]; `target` as in `forward`."""
        classes = len(self.adjustment)
        sets = torch.eye(classes, device=target.device) if self.outside is None else self.outside.exp()
        return sets[target] if target.ndim == 1 else target @ sets

    def _cross_entropy(self, logits: Tensor, target: Tensor) -> Tensor:
        smoothing = self.settings.label_smoothing
        if target.ndim == 1:
            return F.cross_entropy(logits, target, self.weights, label_smoothing=smoothing)
        # For soft targets torch's mean divides by N, so that mixed batches would be weighted differently.
        total = F.cross_entropy(logits, target, self.weights, label_smoothing=smoothing, reduction="sum")
        return total / (target * self.weights).sum()

    def _focal(self, logs: Tensor, shares: Tensor) -> Tensor:
        # For p = 1 the derivative is infinite if gamma is below 1.
        focus = (-torch.expm1(logs)).clamp(min=torch.finfo(logs.dtype).eps) ** self.settings.gamma
        return -(self.weights * self._smoothed(shares) * focus * logs).sum(dim=1).mean()

    def _smoothed(self, shares: Tensor) -> Tensor:
        smoothing, classes = self.settings.label_smoothing, len(self.adjustment)
        uniform = F.pad(shares.new_full((classes,), smoothing / classes), (0, shares.shape[1] - classes))
        return shares * (1 - smoothing) + uniform

"""Mixing: each image of a batch is blended with another one, and so are their diagnoses."""

from torch import Tensor, nn
from torchvision.transforms import v2

from lesionlab.recipes import AugmentationSettings


class BatchMixing(nn.Module):
    """Apply a recipe's MixUp or CutMix; with both, each batch gets one of them by chance.

    An image's partner is the one before it, so batches must come shuffled. Random numbers come from torch's global
    generator, which the training module seeds per epoch.

    Args:
        settings: Parameters of the two Beta distributions.
        classes: Number of classes, C.
    """

    def __init__(self, settings: AugmentationSettings, classes: int) -> None:
        super().__init__()
        ways = ((v2.MixUp, settings.mixup), (v2.CutMix, settings.cutmix))
        chosen = [way(alpha=alpha, num_classes=classes) for way, alpha in ways if alpha > 0]
        self.mix = v2.RandomChoice(chosen) if len(chosen) > 1 else next(iter(chosen), None)

    def forward(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return mixed images [N, 3, H, W] and the classes' shares [N, C], or both inputs where nothing is mixed.

        Args:
            images: [N, 3, H, W], floating point.
            labels: Class indices, [N].
        """
        if self.mix is None:
            return images, labels
        mixed, shares = self.mix(images, labels)
        return mixed, shares

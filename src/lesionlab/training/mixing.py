"""MixUp and CutMix: images of a batch are blended in pairs, and so are their labels."""

from torch import Tensor, nn
from torchvision.transforms import v2

from lesionlab.recipes import AugmentationSettings


class BatchMixing(nn.Module):
    """Apply a recipe's MixUp or CutMix; with both, one of them is drawn for each batch.

    Each image is mixed with the one before it, so batches must be shuffled. Random numbers come from torch's global
    generator, which the training module seeds per epoch.

    Args:
        settings: Parameters of the two Beta distributions.
        classes: Number of classes, C, or of label sets.
    """

    def __init__(self, settings: AugmentationSettings, classes: int) -> None:
        super().__init__()
        transforms = ((v2.MixUp, settings.mixup), (v2.CutMix, settings.cutmix))
        chosen = [transform(alpha=alpha, num_classes=classes) for transform, alpha in transforms if alpha > 0]
        self.mix = v2.RandomChoice(chosen) if len(chosen) > 1 else next(iter(chosen), None)

    def forward(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return mixed images [N, 3, H, W] and soft labels [N, C], or the inputs if mixing is off.

        Args:
            images: [N, 3, H, W], floating point.
            labels: Class indices, [N].
        """
        if self.mix is None:
            return images, labels
        mixed, shares = self.mix(images, labels)
        return mixed, shares

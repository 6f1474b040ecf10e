"""The segmentation network: a U-Net on the first layers of a backbone."""

import segmentation_models_pytorch as smp
import timm
import torch
from torch import Tensor, nn

from lesionlab.errors import RecipeError
from lesionlab.images import Preprocessing
from lesionlab.recipes import SegmentationSettings
from lesionlab.training.weights import load_pretrained


class SegmentationNetwork(nn.Module):
    """A U-Net on pixels; normalisation is part of the network, so that no caller can do it differently.

    Source: Ronneberger et al., MICCAI 2015, as segmentation_models_pytorch builds it.

    Args:
        settings: Encoder, depth and widths.

    Raises:
        RecipeError: timm has no such encoder, or the widths do not fit the depth.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, settings: SegmentationSettings) -> None:
        super().__init__()
        if len(settings.decoder) != settings.depth:
            raise RecipeError(f"decoder has {len(settings.decoder)} widths for a depth of {settings.depth}")
        if settings.size % 2**settings.depth:
            raise RecipeError(f"size must be a multiple of {2**settings.depth}, and is {settings.size}")
        if not timm.is_model(settings.encoder):
            raise RecipeError(f"encoder: timm has no {settings.encoder!r}")
        self.unet = smp.Unet(
            f"tu-{settings.encoder}",
            encoder_depth=settings.depth,
            encoder_weights=None,
            decoder_channels=settings.decoder,
            classes=1,
        )
        preprocessing = Preprocessing(size=settings.size)
        self.register_buffer("mean", torch.tensor(preprocessing.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(preprocessing.std).view(1, 3, 1, 1), persistent=False)

    def load_pretrained(self, backbone: str) -> str:
        """Load ImageNet weights into the encoder; return their source."""
        whole = timm.create_model(backbone, num_classes=0)
        source = load_pretrained(whole, backbone)
        encoder = self.unet.encoder.model
        encoder.load_state_dict({name: whole.state_dict()[name] for name in encoder.state_dict()})
        return source

    def forward(self, images: Tensor) -> Tensor:
        """Return logits [N, 1, H, W] for images [N, 3, H, W] with pixels in [0, 1]."""
        logits: Tensor = self.unet((images - self.mean) / self.std)
        return logits


class ExportedSegmentation(nn.Module):
    """The network as an exported graph: from uint8 pixels to probabilities."""

    def __init__(self, network: SegmentationNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        """Return the probability that a pixel belongs to the lesion, [N, H, W], for uint8 pixels [N, H, W, 3]."""
        logits: Tensor = self.network(image.permute(0, 3, 1, 2).float() / 255.0)
        return logits.sigmoid().squeeze(1)

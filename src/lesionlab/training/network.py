"""The network: a timm backbone with the preprocessing's last step in front of it."""

import difflib
from typing import Any

import timm
import torch
from torch import Tensor, nn

from lesionlab.errors import RecipeError
from lesionlab.recipes import InferenceSettings, InputSettings, ModelSettings
from lesionlab.taxonomy import CODES


class LesionNetwork(nn.Module):
    """A classifier that takes pixels, so that no caller can normalise them differently.

    Args:
        model: Which backbone, and its regularisation.
        inputs: Mean and standard deviation to normalise with.

    Raises:
        RecipeError: timm does not know the backbone, or it does not take the settings.
    """

    backbone: Any  # timm's networks share methods that no base class declares
    mean: Tensor
    std: Tensor

    def __init__(self, model: ModelSettings, inputs: InputSettings) -> None:
        super().__init__()
        if not timm.is_model(model.backbone):
            near = difflib.get_close_matches(model.backbone.lower().replace("-", "_"), timm.list_models(), n=5)
            raise RecipeError(f"model.backbone: timm knows no {model.backbone!r}; similar: {', '.join(near) or 'none'}")
        options: dict[str, Any] = {"drop_rate": model.dropout, "num_classes": len(CODES)}
        if model.drop_path > 0:
            options["drop_path_rate"] = model.drop_path
        try:
            self.backbone = timm.create_model(model.backbone, **options)
        except TypeError as error:
            if "drop_path_rate" not in str(error):
                raise
            raise RecipeError(f"model.drop_path: {model.backbone} has no residual branches to drop") from error
        # Some architectures draw a head for a thousand classes; on seven it starts certain and wrong.
        head: nn.Linear = self.backbone.get_classifier()
        nn.init.normal_(head.weight, std=0.01)
        nn.init.zeros_(head.bias)
        self.register_buffer("mean", torch.tensor(inputs.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(inputs.std).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits [N, 7] for images [N, 3, H, W] with pixels in [0, 1]."""
        logits: Tensor = self.backbone((images - self.mean) / self.std)
        return logits


# The image and its mirror images, as the axes of [N, C, H, W] to flip.
_VIEWS: dict[str, tuple[tuple[int, ...], ...]] = {"one": ((),), "flips": ((), (3,), (2,), (2, 3))}


class ExportedNetwork(nn.Module):
    """The network in the form of a bundle's graph: from bytes of pixels to logits and the last feature map.

    With several views their feature maps are flipped back and averaged. As the head is a linear layer on the
    pooled map, this is the average of their logits, and the map still explains them exactly.

    Args:
        network: The trained network.
        inference: Which views it looks at.
    """

    def __init__(self, network: LesionNetwork, inference: InferenceSettings) -> None:
        super().__init__()
        self.network = network
        self.views = _VIEWS[inference.views]

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits [N, 7] and feature map [N, C, h, w] for uint8 pixels [N, H, W, 3]."""
        pixels = (image.permute(0, 3, 1, 2).float() / 255.0 - self.network.mean) / self.network.std
        maps = [self.network.backbone.forward_features(pixels.flip(axes)).flip(axes) for axes in self.views]
        feature_map: Tensor = torch.stack(maps).mean(dim=0) if len(maps) > 1 else maps[0]
        logits: Tensor = self.network.backbone.forward_head(feature_map)
        return logits, feature_map


def parameter_count(network: nn.Module) -> int:
    """Return the number of trainable weights."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)

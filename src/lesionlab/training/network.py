"""The network: normalisation, backbone and head, and its form for export."""

import difflib
import math
from collections.abc import Sequence
from typing import Any, Self

import timm
import torch
import torch.nn.functional as F  # noqa: N812 - the name that every torch program uses
from timm.models import is_model_in_modules
from torch import Tensor, nn

from lesionlab.errors import DataError, RecipeError
from lesionlab.recipes import HeadSettings, InferenceSettings, ModelSettings, Recipe
from lesionlab.taxonomy import TASKS
from lesionlab.training import plain_cnn

_ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "swish": nn.SiLU, "gelu": nn.GELU}


class Head(nn.Module):
    """The classification head: optional hidden layers and a linear layer.

    Args:
        features: Number of input features.
        classes: Number of classes.
        settings: The recipe's head.
        dropout: Probability of dropping an input feature.
    """

    def __init__(self, features: int, classes: int, settings: HeadSettings, dropout: float) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Dropout(dropout)]
        shares = settings.hidden_dropout or (0.0,) * len(settings.hidden)
        for width, share in zip(settings.hidden, shares, strict=True):
            layers += [nn.Linear(features, width), _ACTIVATIONS[settings.activation]()]
            layers += [nn.BatchNorm1d(width)] if settings.batch_norm else []
            layers += [nn.Dropout(share)] if share else []
            features = width
        self.hidden = nn.Sequential(*layers)
        self.sigmoid = settings.sigmoid
        self.classifier = nn.Linear(features, 1 if settings.sigmoid else classes)
        # With the default initialisation, large features give confident wrong predictions at the start.
        nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Return logits [N, C] for features [N, D]."""
        logits: Tensor = self.classifier(self.hidden(features))
        # The softmax of (0, z) is the sigmoid of z: the rest of the code has two classes.
        return torch.cat([torch.zeros_like(logits), logits], dim=1) if self.sigmoid else logits


class LesionNetwork(nn.Module):
    """A classifier on pixels; normalisation is part of the network, so that no caller can do it differently.

    Args:
        recipe: Task, backbone, head, and the mean and standard deviation for normalisation.

    Raises:
        RecipeError: timm has no such backbone, or the backbone does not support the settings.
    """

    backbone: Any  # timm's networks share methods that no base class declares
    mean: Tensor
    std: Tensor

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.backbone = _create_backbone(recipe.model)
        self.patches = _is_vision_transformer(recipe.model.backbone)
        self.flatten = recipe.head.pool == "flatten"
        self.register_buffer("mean", _by_channel(recipe.input.mean), persistent=False)
        self.register_buffer("std", _by_channel(recipe.input.std), persistent=False)
        classes = len(TASKS[recipe.task].classes)
        self.feature_count = self._count_features(recipe.input.size)
        self.head = Head(self.feature_count, classes, recipe.head, recipe.model.dropout)
        self.frozen = recipe.model.freeze
        if self.frozen:
            self.backbone.requires_grad_(False)

    def feature_map(self, images: Tensor) -> Tensor:
        """Return the backbone's last map [N, C, h, w] of images [N, 3, H, W] with pixels in [0, 1]."""
        features: Tensor = self.backbone.forward_features((images - self.mean) / self.std)
        return _map_of_patches(features, self.backbone.num_prefix_tokens) if self.patches else features

    def pool(self, feature_map: Tensor) -> Tensor:
        """Return features [N, D] of a feature map."""
        if self.flatten:
            return feature_map.flatten(1)
        if self.patches:
            return feature_map.mean(dim=(2, 3))
        pooled: Tensor = self.backbone.forward_head(feature_map)
        return pooled

    def features(self, images: Tensor) -> Tensor:
        """Return the head's input features [N, D] for images [N, 3, H, W] with pixels in [0, 1]."""
        return self.pool(self.feature_map(images))

    def forward(self, images: Tensor) -> Tensor:
        """Return logits [N, C] for images [N, 3, H, W] with pixels in [0, 1]."""
        logits: Tensor = self.head(self.features(images))
        return logits

    def unfreeze_top(self, layers: int) -> None:
        """Make the topmost layers of the backbone trainable; a layer is a module with weights of its own.

        Raises:
            RecipeError: The backbone has fewer layers.
        """
        with_weights = [m for m in self.backbone.modules() if any(True for _ in m.parameters(recurse=False))]
        if layers > len(with_weights):
            raise RecipeError(f"unfreeze.layers is {layers}; the backbone has {len(with_weights)}")
        for module in with_weights[len(with_weights) - layers :]:
            for parameter in module.parameters(recurse=False):
                parameter.requires_grad_(True)

    def train(self, mode: bool = True) -> Self:
        """Enter training mode; frozen layers stay in evaluation mode, including their batch statistics."""
        super().train(mode)
        if mode and self.frozen:
            for module in self.backbone.modules():
                if not any(p.requires_grad for p in module.parameters(recurse=False)):
                    module.training = False
        return self

    def _count_features(self, size: int) -> int:
        if not self.flatten:
            return int(self.backbone.head_hidden_size)
        with torch.no_grad():
            was_training = self.backbone.training
            count = self.backbone.eval().forward_features(torch.zeros(1, 3, size, size)).flatten(1).shape[1]
            self.backbone.train(was_training)
        return int(count)


def _by_channel(values: Sequence[float]) -> Tensor:
    """Return a value per channel, [1, 3, 1, 1], or a single one for equal values, which is faster in runtimes."""
    return torch.tensor(values if len(set(values)) > 1 else values[:1]).view(1, -1, 1, 1)


def _create_backbone(model: ModelSettings) -> nn.Module:
    if model.backbone == plain_cnn.NAME:
        if model.pretrained or model.drop_path > 0:
            raise RecipeError(f"model.backbone: {plain_cnn.NAME} has no pretrained weights and no residual branches")
        return plain_cnn.PlainCNN()
    if not timm.is_model(model.backbone):
        near = difflib.get_close_matches(model.backbone.lower().replace("-", "_"), timm.list_models(), n=5)
        raise RecipeError(f"model.backbone: timm has no {model.backbone!r}; similar: {', '.join(near) or 'none'}")
    options: dict[str, Any] = {"drop_path_rate": model.drop_path} if model.drop_path > 0 else {}
    if _is_vision_transformer(model.backbone):
        # Average pooling of the patches, after the last normalisation, instead of the class token: as in convolutional
        # networks the head is a linear layer on the mean of a map, and class activation maps are exact.
        options |= {"global_pool": "avg", "fc_norm": False, "dynamic_img_size": True}
    try:
        backbone: nn.Module = timm.create_model(model.backbone, num_classes=0, **options)
    except TypeError as error:
        if "drop_path_rate" not in str(error):
            raise
        raise RecipeError(f"model.drop_path: {model.backbone} has no residual branches to drop") from error
    return backbone


def _is_vision_transformer(backbone: str) -> bool:
    return is_model_in_modules(backbone, ["vision_transformer"])


def _map_of_patches(tokens: Tensor, prefix: int) -> Tensor:
    """Return the map [N, D, h, h] of a transformer's tokens [N, prefix + h * h, D]: inputs are square."""
    patches = tokens[:, prefix:]
    side = math.isqrt(patches.shape[1])
    # Not `len`: it would fix the number of images in an exported graph.
    return patches.transpose(1, 2).reshape(patches.shape[0], -1, side, side)


# Views of test-time augmentation, as the axes of [N, C, H, W] to flip.
VIEWS: dict[str, tuple[tuple[int, ...], ...]] = {"none": ((),), "flips": ((), (3,), (2,), (2, 3))}


class ChannelsFirst(nn.Module):
    """Converts uint8 pixels, channels last, to floating point, channels first."""

    def forward(self, image: Tensor) -> Tensor:
        """Return floating-point values from 0 to 255, [N, 3, H, W], for uint8 pixels [N, H, W, 3]."""
        return image.permute(0, 3, 1, 2).float()


class ExportedNetwork(nn.Module):
    """The network as a bundle's graph: from pixel values to logits and the last feature map.

    The feature maps of several views are flipped back and averaged. As the head is a linear layer on the pooled map,
    this equals the average of the views' logits, and class activation maps remain exact.

    Args:
        network: The trained network.
        inference: Test-time augmentation.
    """

    def __init__(self, network: LesionNetwork, inference: InferenceSettings) -> None:
        super().__init__()
        self.network = network
        self.views = VIEWS[inference.tta]

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits [N, C] and feature map [N, D, h, w] for values from 0 to 255, [N, 3, H, W]."""
        pixels = image / 255.0
        maps = [self.network.feature_map(pixels.flip(axes)).flip(axes) for axes in self.views]
        feature_map: Tensor = torch.stack(maps).mean(dim=0) if len(maps) > 1 else maps[0]
        logits: Tensor = self.network.head(self.network.pool(feature_map))
        return logits, feature_map


class ExportedEnsemble(nn.Module):
    """An ensemble as one graph: the mean of the logits, and the concatenated feature maps.

    With linear heads on pooled maps, the mean of the logits is a linear layer on the concatenated maps, so that class
    activation maps are exact for the ensemble as well. Finer maps are averaged onto the coarsest grid, which preserves
    their means.

    Args:
        members: The networks.
        size: Side of their input in pixels.

    Raises:
        DataError: The coarsest grid does not divide the others.
    """

    def __init__(self, members: Sequence[ExportedNetwork], size: int) -> None:
        super().__init__()
        self.members = nn.ModuleList(members).eval()
        with torch.no_grad():
            grids = [tuple(member(torch.zeros(1, 3, size, size))[1].shape[2:]) for member in members]
        self.grid = min(grids)
        for grid in grids:
            if any(own % least for own, least in zip(grid, self.grid, strict=True)):
                raise DataError(
                    f"feature maps of {grid[0]}x{grid[1]} and {self.grid[0]}x{self.grid[1]} do not fit into one graph; "
                    "the coarsest grid must divide the others"
                )

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits [N, C] and feature maps [N, D1 + D2 + ..., h, w] for values from 0 to 255, [N, 3, H, W]."""
        logits, maps = zip(*(member(image) for member in self.members), strict=True)
        return torch.stack(logits).mean(dim=0), torch.cat([self._to_grid(one) for one in maps], dim=1)

    def _to_grid(self, feature_map: Tensor) -> Tensor:
        grid = tuple(feature_map.shape[2:])
        if grid == self.grid:
            return feature_map
        return F.avg_pool2d(feature_map, [own // least for own, least in zip(grid, self.grid, strict=True)])


def parameter_count(network: nn.Module, *, trainable: bool = False) -> int:
    """Return the number of weights, or of trainable ones."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad or not trainable)

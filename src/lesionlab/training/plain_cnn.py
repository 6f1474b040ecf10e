"""A plain convolutional network, trained from scratch."""

from torch import Tensor, nn

NAME = "plain_cnn"
_FILTERS = (32, 64, 128, 256)
_DROPOUT = 0.25


class PlainCNN(nn.Module):
    """Four blocks of two 3x3 convolutions, each with ReLU and batch normalisation, then 2x2 pooling and dropout.

    It has the methods of a timm network that `LesionNetwork` uses.
    """

    head_hidden_size = _FILTERS[-1]

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for filters in _FILTERS:
            for inputs in (channels, filters):
                layers += [nn.Conv2d(inputs, filters, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(filters)]
            layers += [nn.MaxPool2d(2), nn.Dropout(_DROPOUT)]
            channels = filters
        self.blocks = nn.Sequential(*layers)

    def forward_features(self, images: Tensor) -> Tensor:
        """Return the feature map [N, 256, H / 16, W / 16] of normalised images [N, 3, H, W]."""
        feature_map: Tensor = self.blocks(images)
        return feature_map

    def forward_head(self, feature_map: Tensor) -> Tensor:
        """Return the mean of a feature map over its positions, [N, 256]."""
        return feature_map.mean(dim=(2, 3))

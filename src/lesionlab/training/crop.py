"""Looking at the lesion and not at the frame: the part of a picture that holds the lesion, as a classifier's input.

Cameras and photographers differ in how much of the frame a lesion fills and in what else lies in it: rulers, corners,
skin. A segmentation network finds the lesion, and the classifier sees a square around it. All of it is arithmetic
that any runtime has, so that it becomes part of the exported graph.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lesionlab.segmentation.measures import SMALLEST_SHARE


def lesion_boxes(probability: Tensor, threshold: float, margin: float) -> Tensor:
    """Return the square around each lesion as (left, top, side), [N, 3], in shares of the picture's sides.

    Its centre is that of the mask; its side is four standard deviations of the mask along its longer extent (the
    diameter, for a disc) times the margin. So a speck somewhere moves it little. It lies within the picture, and is the
    whole of it where no lesion was found.

    Args:
        probability: That a pixel belongs to the lesion, [N, h, w].
        threshold: Pixels below it count for nothing.
        margin: Side of the square over the diameter of the lesion.
    """
    height, width = probability.shape[1:]
    mass = probability * (probability >= threshold).to(probability.dtype)
    total = mass.sum(dim=(1, 2))
    found = total > SMALLEST_SHARE * height * width
    whole = total.clamp(min=1e-6).unsqueeze(1)
    sides, centres = [], []
    for along, count in ((mass.sum(dim=1), width), (mass.sum(dim=2), height)):
        places = (torch.arange(count, dtype=probability.dtype, device=probability.device) + 0.5) / count
        share = along / whole
        centre = (share * places).sum(dim=1)
        spread = (share * (places - centre.unsqueeze(1)).square()).sum(dim=1).clamp(min=1e-8).sqrt()
        centres.append(centre)
        sides.append(4 * spread)
    side = torch.where(found, (margin * torch.maximum(*sides)).clamp(max=1.0), torch.ones_like(total))
    corners = [torch.minimum((centre - side / 2).clamp(min=0.0), 1 - side) for centre in centres]
    return torch.stack([*corners, side], dim=1)


def crop_pictures(pictures: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Return the boxes of pictures brought to one size, [N, 3, size, size], as Pillow's bilinear filter does.

    It interpolates where it enlarges, and averages where it shrinks, against aliasing. Two matrix products, one for
    each axis, in place of a sampling operator that some runtimes lack.

    Args:
        pictures: Floating point, [N, 3, H, W].
        boxes: Left, top and side of each, [N, 3].
        size: Side of the result in pixels.
    """
    height, width = pictures.shape[2:]
    left, top, side = boxes.unbind(dim=1)
    across, down = _weights(left, side, width, size), _weights(top, side, height, size)
    columns = torch.matmul(pictures.flatten(1, 2), across.transpose(1, 2)).view(-1, 3, height, size)
    return torch.matmul(down.unsqueeze(1), columns)


def _weights(begin: Tensor, side: Tensor, source: int, size: int) -> Tensor:
    """Return how much each source pixel counts for each pixel of the result along an axis, [N, size, source]."""
    steps = (torch.arange(size, dtype=begin.dtype, device=begin.device) + 0.5) / size
    places = (begin.unsqueeze(1) + side.unsqueeze(1) * steps) * source - 0.5
    places = places.clamp(0, source - 1).unsqueeze(2)
    pixels = torch.arange(source, dtype=begin.dtype, device=begin.device)
    if source <= size:  # a square within the picture is never made smaller
        return (1 - (places - pixels).abs()).clamp(min=0)
    # A triangle filter that widens where the square is made smaller (antialiasing).
    support = (side * source / size).clamp(min=1).view(-1, 1, 1)
    weights = (1 - (places - pixels).abs() / support).clamp(min=0)
    return weights / weights.sum(dim=2, keepdim=True)


class Shrink(nn.Module):
    """Reduce squares of one size to another as Pillow's bilinear filter does, but without rounding to grey levels.

    Sums of pixels often lie exactly between two grey levels: each runtime's last bit would decide which it is, and one
    grey level can move the square that is found.

    Args:
        source: Side of the squares that come in.
        size: Side of those that go out.
    """

    weights: Tensor

    def __init__(self, source: int, size: int) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("weights", torch.from_numpy(_triangle_filter(source, size)), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """Return pixels from 0 to 255, floating point [N, size, size, 3], for uint8 pixels [N, source, source, 3]."""
        source = image.shape[1]
        rows = torch.matmul(self.weights, image.float().flatten(2)).view(-1, self.size, source, 3)
        columns = torch.matmul(self.weights, rows.transpose(1, 2).reshape(-1, source, self.size * 3))
        return columns.view(-1, self.size, self.size, 3).transpose(1, 2)


def _triangle_filter(source: int, size: int) -> NDArray[np.float32]:
    """Return the weights [size, source] of a triangle filter that widens when it shrinks (antialiasing)."""
    scale = source / size
    support = max(scale, 1.0)
    centres = (np.arange(size) + 0.5) * scale
    distance = np.abs(centres[:, np.newaxis] - (np.arange(source) + 0.5)) / support
    weights = np.maximum(1 - distance, 0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)


class CropToLesion(nn.Module):
    """From pictures and masks to what the classifier sees.

    Args:
        size: Side of the classifier's input.
        threshold: See `lesion_boxes`.
        margin: See `lesion_boxes`.
    """

    def __init__(self, size: int, threshold: float, margin: float) -> None:
        super().__init__()
        self.size, self.threshold, self.margin = size, threshold, margin

    def forward(self, image: Tensor, probability: Tensor) -> tuple[Tensor, Tensor]:
        """Return the view, floating point [N, 3, size, size] with values from 0 to 255, and the boxes [N, 3].

        Args:
            image: uint8 [N, H, W, 3].
            probability: [N, h, w].
        """
        boxes = lesion_boxes(probability, self.threshold, self.margin)
        return crop_pictures(image.permute(0, 3, 1, 2).float(), boxes, self.size), boxes

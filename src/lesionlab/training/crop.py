"""Cropping to the lesion: a square around the segmented lesion as the classifier's input.

The share of the frame that a lesion fills, and the rest of the frame (rulers, corners, skin), differ between cameras.
The crop uses only arithmetic that every runtime supports, so that it is part of the exported graph.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lesionlab.segmentation.measures import SMALLEST_SHARE


def lesion_boxes(probability: Tensor, threshold: float, margin: float) -> Tensor:
    """Return the square around each lesion as (left, top, side), [N, 3], as fractions of the image's sides.

    The centre is the mask's centroid; the side is the margin times four standard deviations of the mask along its
    longer extent (the diameter, for a disc), which is robust to small false detections. The square lies within the
    image, and is the whole image where no lesion was found.

    Args:
        probability: Probability that a pixel belongs to the lesion, [N, h, w].
        threshold: Pixels below it are ignored.
        margin: Side of the square divided by the diameter of the lesion.
    """
    height, width = probability.shape[1:]
    mass = probability * (probability >= threshold).to(probability.dtype)
    total = mass.sum(dim=(1, 2))
    found = total > SMALLEST_SHARE * height * width
    whole = total.clamp(min=1e-6).unsqueeze(1)
    sides, centres = [], []
    for along, count in ((mass.sum(dim=1), width), (mass.sum(dim=2), height)):
        positions = (torch.arange(count, dtype=probability.dtype, device=probability.device) + 0.5) / count
        share = along / whole
        centre = (share * positions).sum(dim=1)
        spread = (share * (positions - centre.unsqueeze(1)).square()).sum(dim=1).clamp(min=1e-8).sqrt()
        centres.append(centre)
        sides.append(4 * spread)
    side = torch.where(found, (margin * torch.maximum(*sides)).clamp(max=1.0), torch.ones_like(total))
    corners = [torch.minimum((centre - side / 2).clamp(min=0.0), 1 - side) for centre in centres]
    return torch.stack([*corners, side], dim=1)


def crop_images(images: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Return the boxes resized to one size, [N, 3, size, size], with Pillow's bilinear filter (antialiased).

    Two matrix products, one per axis, in place of a sampling operator that some runtimes lack.

    Args:
        images: Floating point, [N, 3, H, W].
        boxes: Left, top and side of each, [N, 3].
        size: Side of the result in pixels.
    """
    height, width = images.shape[2:]
    left, top, side = boxes.unbind(dim=1)
    across, down = _weights(left, side, width, size), _weights(top, side, height, size)
    columns = torch.matmul(images.flatten(1, 2), across.transpose(1, 2)).view(-1, 3, height, size)
    return torch.matmul(down.unsqueeze(1), columns)


def _weights(begin: Tensor, side: Tensor, source: int, size: int) -> Tensor:
    """Return the weight of each source pixel for each output pixel along an axis, [N, size, source]."""
    steps = (torch.arange(size, dtype=begin.dtype, device=begin.device) + 0.5) / size
    positions = (begin.unsqueeze(1) + side.unsqueeze(1) * steps) * source - 0.5
    positions = positions.clamp(0, source - 1).unsqueeze(2)
    pixels = torch.arange(source, dtype=begin.dtype, device=begin.device)
    if source <= size:  # a square within the image is only ever enlarged
        return (1 - (positions - pixels).abs()).clamp(min=0)
    # A triangle filter, wider where the square is reduced (antialiasing).
    support = (side * source / size).clamp(min=1).view(-1, 1, 1)
    weights = (1 - (positions - pixels).abs() / support).clamp(min=0)
    return weights / weights.sum(dim=2, keepdim=True)


class Shrink(nn.Module):
    """Reduce squares to another size with Pillow's bilinear filter, without rounding to integer values.

    Filtered values often lie exactly between two integers, so that runtimes would round them differently, and one
    level can move the crop.

    Args:
        source: Side of the input squares.
        size: Side of the output squares.
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
    """Return the weights [size, source] of a triangle filter that is wider for a reduction (antialiasing)."""
    scale = source / size
    support = max(scale, 1.0)
    centres = (np.arange(size) + 0.5) * scale
    distance = np.abs(centres[:, np.newaxis] - (np.arange(source) + 0.5)) / support
    weights = np.maximum(1 - distance, 0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)


class CropToLesion(nn.Module):
    """Crops images to the lesion of their masks.

    Args:
        size: Side of the classifier's input.
        threshold: See `lesion_boxes`.
        margin: See `lesion_boxes`.
    """

    def __init__(self, size: int, threshold: float, margin: float) -> None:
        super().__init__()
        self.size, self.threshold, self.margin = size, threshold, margin

    def forward(self, image: Tensor, probability: Tensor) -> tuple[Tensor, Tensor]:
        """Return the crops, floating point [N, 3, size, size] with values from 0 to 255, and the boxes [N, 3].

        Args:
            image: uint8 [N, H, W, 3].
            probability: [N, h, w].
        """
        boxes = lesion_boxes(probability, self.threshold, self.margin)
        return crop_images(image.permute(0, 3, 1, 2).float(), boxes, self.size), boxes

"""Augmentation against shortcuts: what lies on skin and lenses tells where a picture was taken, and no diagnosis.

Rulers, ink and dark corners are more frequent with some diagnoses in every collection, and a network that learns
them fails in the next hospital (Bissoto et al., CVPR workshops 2020). Laid over images at random they tell nothing.
"""

import torch
from torch import Tensor, nn

from lesionlab.images.overlays import draw_overlays

_SHEETS = 256
_SEED = 20180161  # fixed: recipes differ in how often a sheet is laid over an image, not in the sheets


class ArtefactSheets(nn.Module):
    """Lay a sheet with hair, a ruler, ink or bubbles over some of the images.

    Args:
        share: Probability for each image.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self._drawn: dict[int, tuple[Tensor, Tensor]] = {}

    def forward(self, images: Tensor) -> Tensor:
        """Return images [N, 3, S, S], pixels in [0, 1], from square images of the same kind."""
        cover, tint = self._sheets(images)
        n = len(images)
        chosen = torch.randint(len(cover), (n,), device=images.device)
        present, across, down, strength = torch.rand(4, n, 1, 1, 1, device=images.device)
        sheet = cover[chosen].unsqueeze(1).float() / 255
        sheet = torch.where(across < 0.5, sheet, sheet.flip(3))
        sheet = torch.where(down < 0.5, sheet, sheet.flip(2))
        colour = tint[chosen].view(n, 3, 1, 1) + torch.empty(n, 3, 1, 1, device=images.device).uniform_(-0.06, 0.06)
        return torch.lerp(images, colour.clamp_(0, 1), sheet * (present < self.share) * (0.6 + 0.4 * strength))

    def _sheets(self, images: Tensor) -> tuple[Tensor, Tensor]:
        size = images.shape[2]
        if size not in self._drawn:
            overlays = draw_overlays(_SHEETS, size, _SEED)
            drawn = torch.from_numpy(overlays.cover), torch.from_numpy(overlays.tint)
            # One size at a time is in use: images grow in the course of a training.
            self._drawn = {size: (drawn[0].to(images.device), drawn[1].to(images.device))}
        return self._drawn[size]


def vignette(images: Tensor, share: float) -> Tensor:
    """Return images of which some are dark outside a round field of view.

    Args:
        images: [N, 3, H, W], pixels in [0, 1].
        share: Probability for each image.
    """
    n, _, height, width = images.shape
    present, radius, squash, right, down, edge, dark = torch.rand(7, n, 1, 1, device=images.device)
    columns = torch.linspace(-1, 1, width, device=images.device).view(1, 1, -1)
    rows = torch.linspace(-1, 1, height, device=images.device).view(1, -1, 1)
    # In halves of the sides: from a field that just misses the corners to one that touches all four sides. Images
    # with sides of 4 to 3 are squashed to squares, and so is their field.
    x = (columns - 0.2 * (right - 0.5)) * (0.75 + 0.25 * squash)
    y = rows - 0.2 * (down - 0.5)
    outside = ((x.square() + y.square()).sqrt() - (0.85 + 0.45 * radius)) * (8 + 60 * edge)
    lit = 1 - (present < share) * (1 - 0.15 * dark) * torch.sigmoid(outside)
    darkened: Tensor = images * lit.unsqueeze(1)
    return darkened

"""Artefact augmentation: hair, rulers, ink, bubbles and dark corners added at random.

Artefacts are correlated with some diagnoses in every collection, and a network that learns them fails on images from
elsewhere (Bissoto et al., CVPR workshops 2020). Added at random, they are independent of the diagnosis.
"""

import torch
from torch import Tensor, nn

from lesionlab.images.overlays import draw_overlays

_OVERLAYS = 256
_SEED = 20180161  # fixed: recipes differ in the probability of an overlay, not in the overlays


class ArtefactOverlays(nn.Module):
    """Draw an overlay with hair, a ruler, ink or bubbles over some of the images.

    Args:
        share: Probability for each image.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self._drawn: dict[int, tuple[Tensor, Tensor]] = {}

    def forward(self, images: Tensor) -> Tensor:
        """Return images [N, 3, S, S] with pixels in [0, 1] from images of the same kind."""
        cover, tint = self._overlays(images)
        n = len(images)
        chosen = torch.randint(len(cover), (n,), device=images.device)
        present, across, down, strength = torch.rand(4, n, 1, 1, 1, device=images.device)
        overlay = cover[chosen].unsqueeze(1).float() / 255
        overlay = torch.where(across < 0.5, overlay, overlay.flip(3))
        overlay = torch.where(down < 0.5, overlay, overlay.flip(2))
        colour = tint[chosen].view(n, 3, 1, 1) + torch.empty(n, 3, 1, 1, device=images.device).uniform_(-0.06, 0.06)
        return torch.lerp(images, colour.clamp_(0, 1), overlay * (present < self.share) * (0.6 + 0.4 * strength))

    def _overlays(self, images: Tensor) -> tuple[Tensor, Tensor]:
        size = images.shape[2]
        if size not in self._drawn:
            overlays = draw_overlays(_OVERLAYS, size, _SEED)
            drawn = torch.from_numpy(overlays.cover), torch.from_numpy(overlays.tint)
            # Only one size is in use at a time (progressive resizing).
            self._drawn = {size: (drawn[0].to(images.device), drawn[1].to(images.device))}
        return self._drawn[size]


def vignette(images: Tensor, share: float) -> Tensor:
    """Return images, some of them darkened outside a round field of view.

    Args:
        images: [N, 3, H, W], pixels in [0, 1].
        share: Probability for each image.
    """
    n, _, height, width = images.shape
    present, radius, squash, right, down, edge, dark = torch.rand(7, n, 1, 1, device=images.device)
    columns = torch.linspace(-1, 1, width, device=images.device).view(1, 1, -1)
    rows = torch.linspace(-1, 1, height, device=images.device).view(1, -1, 1)
    # In units of half a side: the field reaches from the sides to almost the corners. 4:3 images are squashed to
    # squares, and so is their field.
    x = (columns - 0.2 * (right - 0.5)) * (0.75 + 0.25 * squash)
    y = rows - 0.2 * (down - 0.5)
    outside = ((x.square() + y.square()).sqrt() - (0.85 + 0.45 * radius)) * (8 + 60 * edge)
    lit = 1 - (present < share) * (1 - 0.15 * dark) * torch.sigmoid(outside)
    darkened: Tensor = images * lit.unsqueeze(1)
    return darkened

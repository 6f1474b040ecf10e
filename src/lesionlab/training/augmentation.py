"""Batch augmentation: one resampling and one colour transform per image, with parameters drawn per image.

Libraries either draw one set of parameters per batch or process the pixels once per operation. Here all geometric
changes are one matrix (a single interpolation) and all colour changes another. Disabled operations draw no random
numbers, so that adding an operation does not change runs without it.
"""

import math

import torch
import torch.nn.functional as F  # noqa: N812 - the name that every torch program uses
from torch import Tensor, nn

from lesionlab.recipes import AugmentationSettings
from lesionlab.training.artefacts import ArtefactOverlays, vignette

# ITU-R BT.601 luma, as in Pillow's conversion to greyscale.
_LUMA = (0.299, 0.587, 0.114)


def resample(images: Tensor, geometry: Tensor) -> Tensor:
    """Return images [N, C, H, W] under affine matrices [N, 2, 3], from output to input coordinates in [-1, 1]."""
    grid = F.affine_grid(geometry, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


class BatchAugmentation(nn.Module):
    """Apply a recipe's augmentation.

    Random numbers come from torch's global generator, which the training module seeds per epoch.
    """

    def __init__(self, settings: AugmentationSettings) -> None:
        super().__init__()
        self.settings = settings
        self.overlays = ArtefactOverlays(settings.artefacts)

    @torch.no_grad()
    def forward(self, images: Tensor, size: int | None = None) -> Tensor:
        """Return augmented images with pixels in [0, 1] from images of the same kind.

        Args:
            images: [N, 3, H, W].
            size: Side of the returned images, at most H and W; None keeps both.
        """
        if size is not None and size < min(images.shape[2:]):
            # Antialiased first: bilinear sampling reads only four pixels per output pixel.
            images = F.interpolate(images, (size, size), mode="bilinear", antialias=True)
        return self._appearance(resample(images, self._geometry(images)))

    @torch.no_grad()
    def with_masks(self, images: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        """Return augmented images and masks under the same geometric transform.

        Args:
            images: [N, 3, H, W], pixels in [0, 1].
            masks: [N, 1, H, W], in [0, 1].
        """
        geometry = self._geometry(images)
        return self._appearance(resample(images, geometry)), resample(masks, geometry)

    def _appearance(self, images: Tensor) -> Tensor:
        """Apply the operations that move no pixel."""
        # In the order of image formation: skin, field of view, light, sensor.
        if self.settings.artefacts > 0:
            images = self.overlays(images)
        if self.settings.vignette > 0:
            images = vignette(images, self.settings.vignette)
        images = self._exchange_colours(images)
        images = self._recolour(images)
        images = self._camera(images)
        return self._erase(images) if self.settings.erase > 0 else images

    def _geometry(self, images: Tensor) -> Tensor:
        """Return one affine matrix [N, 2, 3] per image, from output to input coordinates in [-1, 1]."""
        s, n = self.settings, len(images)

        def uniform(low: float, high: float) -> Tensor:
            return torch.empty(n, device=images.device).uniform_(low, high)

        angle = uniform(-1, 1) * math.radians(s.rotation)
        # Output to input: a zoom above 1 reads from a smaller area.
        zoom = torch.exp(-uniform(math.log(s.scale[0]), math.log(s.scale[1])))
        stretch = torch.exp(uniform(-1, 1) * math.log1p(s.stretch) / 2)
        flip_x = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0) if s.flip else torch.ones_like(angle)
        x, y = zoom * stretch, zoom / stretch
        # Shear rotates the vertical axis only: [[1, -sin], [0, cos]], as in Keras.
        sheared = angle + uniform(-1, 1) * math.radians(s.shear) if s.shear > 0 else angle
        # With all rotations, one mirror axis generates every symmetry of the square; the second one matters for
        # recipes with small rotations.
        flip_y = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0) if s.flip is True else torch.ones_like(angle)
        right, down = 2 * s.translation * uniform(-1, 1), 2 * s.translation * uniform(-1, 1)
        top = torch.stack([x * torch.cos(angle) * flip_x, -x * torch.sin(sheared) * flip_y, right], dim=1)
        bottom = torch.stack([y * torch.sin(angle) * flip_x, y * torch.cos(sheared) * flip_y, down], dim=1)
        return torch.stack([top, bottom], dim=1)

    def _recolour(self, images: Tensor) -> Tensor:
        """Apply brightness, white balance, saturation and contrast as one 3x3 matrix and offset per image."""
        s, n = self.settings, len(images)

        def factor(spread: float, channels: int) -> Tensor:
            return 1 + spread * torch.empty(n, channels, 1, device=images.device).uniform_(-1, 1)

        luma = torch.tensor(_LUMA, device=images.device).expand(3, 3)
        saturation = factor(s.saturation, 1)
        matrix = saturation * torch.eye(3, device=images.device) + (1 - saturation) * luma
        matrix = matrix * factor(s.brightness, 1) * factor(s.colour_cast, 3)
        contrast = factor(s.contrast, 1)
        mean = matrix @ images.mean(dim=(2, 3)).unsqueeze(2)
        pixels = (contrast * matrix) @ images.flatten(2) + (1 - contrast) * mean
        return pixels.clamp_(0, 1).view_as(images)

    def _exchange_colours(self, images: Tensor) -> Tensor:
        """Give images the mean border colour of others, channel by channel (von Kries)."""
        share, n = self.settings.colour_exchange, len(images)
        if not share:
            return images
        width = max(1, images.shape[2] // 16)
        border = torch.ones(images.shape[2:], device=images.device)
        border[width:-width, width:-width] = 0
        colour = (images * border).sum(dim=(2, 3), keepdim=True) / border.sum()
        other = colour[torch.randperm(n, device=images.device)]
        gain = (other.clamp(min=0.05) / colour.clamp(min=0.05)).clamp(0.5, 2)
        chosen = torch.rand(n, 1, 1, 1, device=images.device) < share
        return torch.where(chosen, (images * gain).clamp(0, 1), images)

    def _camera(self, images: Tensor) -> Tensor:
        """Blur or sharpen, and add sensor noise."""
        s, (n, _, height, width) = self.settings, images.shape
        if s.detail > 0:
            half = F.interpolate(images, (-(-height // 2), -(-width // 2)), mode="bilinear", antialias=True)
            soft = F.interpolate(half, (height, width), mode="bilinear")
            share = s.detail * torch.empty(n, 1, 1, 1, device=images.device).uniform_(-1, 1)
            images = torch.lerp(images, soft, share).clamp_(0, 1)
        if s.noise > 0:
            spread = s.noise * torch.rand(n, 1, 1, 1, device=images.device)
            images = (images + spread * torch.randn_like(images)).clamp_(0, 1)
        return images

    def _erase(self, images: Tensor) -> Tensor:
        n, _, height, width = images.shape
        chance, x, y, w, h = torch.rand(5, n, 1, 1, device=images.device)
        # Up to a third of each side, at any position.
        columns = torch.linspace(0, 1, width, device=images.device).view(1, 1, -1)
        rows = torch.linspace(0, 1, height, device=images.device).view(1, -1, 1)
        hole = ((columns - x).abs() < w / 6) & ((rows - y).abs() < h / 6) & (chance < self.settings.erase)
        return torch.where(hole.unsqueeze(1), images.mean(dim=(2, 3), keepdim=True), images)

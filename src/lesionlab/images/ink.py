"""Antialiased drawing of coverage masks."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Field = NDArray[np.float32]

_SUPERSAMPLING = 2


class Ink:
    """A coverage mask to draw on; it is drawn at twice the size and reduced, for smooth edges."""

    def __init__(self, size: tuple[int, int]) -> None:
        self._mask = Image.new("L", (size[0] * _SUPERSAMPLING, size[1] * _SUPERSAMPLING))
        self._draw = ImageDraw.Draw(self._mask)

    def dots(self, centres: NDArray[np.floating], radii: NDArray[np.floating], strength: float = 1.0) -> None:
        """Fill a disc at each centre (pixels, [N, 2]) with the given radius (pixels, [N])."""
        for (x, y), radius in zip(centres * _SUPERSAMPLING, radii * _SUPERSAMPLING, strict=True):
            self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=round(255 * strength))

    def ring(self, centre: tuple[float, float], radius: float, width: float) -> None:
        """Draw a circle (pixels)."""
        x, y, r = (value * _SUPERSAMPLING for value in (*centre, radius))
        self._draw.ellipse((x - r, y - r, x + r, y + r), outline=255, width=max(1, round(width * _SUPERSAMPLING)))

    def line(self, points: NDArray[np.floating], width: float, strength: float = 1.0) -> None:
        """Draw a line through the points (pixels, [N, 2])."""
        # A line thinner than one mask pixel is drawn fainter instead.
        thick = width * _SUPERSAMPLING
        shade = round(255 * strength * min(1.0, max(thick, 0.3)))
        self._draw.line([tuple(p) for p in (points * _SUPERSAMPLING).tolist()], shade, max(1, round(thick)), "curve")

    def coverage(self, blur: float = 0.0) -> Field:
        """Return the coverage of each pixel, 0 to 1, [H, W], after a blur with the given radius in pixels."""
        mask = self._mask.reduce(_SUPERSAMPLING)
        if blur > 0:
            mask = mask.filter(ImageFilter.GaussianBlur(blur))
        return np.asarray(mask, dtype=np.float32) / np.float32(255)

"""From the lesion's coordinates to pixels, and back: noise that sticks to the skin, and strokes drawn on it."""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from lesionlab.phantoms.view import View

Field = NDArray[np.float32]

# Noise reaches this far from the lesion's centre: beyond the corners of a 4:3 view at any zoom and shift.
_REACH = 3.0
_SUPERSAMPLING = 2


class Frame:
    """The pixel grid of one view.

    Attributes:
        size: (width, height) in pixels.
        x: Horizontal position of each pixel from the image centre, in halves of the shorter side. [H, W]
        y: The same, downward. [H, W]
        u: Position of each pixel from the lesion's centre, along the skin's first axis. [H, W]
        v: The same along its second axis. [H, W]
        half_side: Pixels per unit of `x` and `y`.
        scale: Pixels per unit of `u` and `v`.
    """

    def __init__(self, view: View, size: tuple[int, int]) -> None:
        width, height = size
        self.size = size
        self.half_side = min(size) / 2
        self.scale = self.half_side * view.zoom
        self._origin = np.array(
            [width / 2 + view.shift[0] * self.half_side, height / 2 + view.shift[1] * self.half_side]
        )
        self._cos, self._sin = math.cos(view.rotation), math.sin(view.rotation)
        columns = np.arange(width, dtype=np.float32)[None, :] + np.float32(0.5)
        rows = np.arange(height, dtype=np.float32)[:, None] + np.float32(0.5)
        self.x, self.y = np.broadcast_arrays(
            (columns - width / 2) / np.float32(self.half_side), (rows - height / 2) / np.float32(self.half_side)
        )
        right = (columns - np.float32(self._origin[0])) / np.float32(self.scale)
        down = (rows - np.float32(self._origin[1])) / np.float32(self.scale)
        self.u: Field = np.float32(self._cos) * right + np.float32(self._sin) * down
        self.v: Field = np.float32(-self._sin) * right + np.float32(self._cos) * down

    def to_pixels(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return pixel positions (x, y), [N, 2], for points (u, v) on the skin, [N, 2]."""
        turn = np.array([[self._cos, self._sin], [-self._sin, self._cos]])
        return np.asarray(points @ turn * self.scale + self._origin)

    def noise(self, rng: np.random.Generator, coarse: float, octaves: int = 1) -> Field:
        """Return smooth noise of about unit variance that moves with the skin, [H, W].

        Args:
            rng: Where the values come from; the same generator state gives the same pattern in every view.
            coarse: Distance between the values of the coarsest octave, in units of `u` and `v`.
            octaves: How many octaves to add, each twice as fine and 0.6 times as strong as the one before.
        """
        count = math.ceil(2 * _REACH / coarse)
        grid = rng.standard_normal((count, count), dtype=np.float32)
        for octave in range(1, octaves):
            count *= 2
            finer = np.asarray(Image.fromarray(grid).resize((count, count), Image.Resampling.BICUBIC))
            grid = finer + np.float32(0.6**octave) * rng.standard_normal((count, count), dtype=np.float32)
        # One bicubic doubling here lets the faster bilinear look-up below stay smooth.
        count *= 2
        sheet = Image.fromarray(grid).resize((count, count), Image.Resampling.BICUBIC)
        cell = 2 * _REACH / count
        step = 1.0 / (self.scale * cell)
        a, b, d, e = self._cos * step, self._sin * step, -self._sin * step, self._cos * step
        x0, y0 = self._origin
        matrix = (a, b, count / 2 - a * x0 - b * y0, d, e, count / 2 - d * x0 - e * y0)
        seen = sheet.transform(self.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
        return np.array(seen, dtype=np.float32)


class Ink:
    """Strokes on a transparent sheet, drawn larger and reduced so that their edges are smooth."""

    def __init__(self, size: tuple[int, int]) -> None:
        self._sheet = Image.new("L", (size[0] * _SUPERSAMPLING, size[1] * _SUPERSAMPLING))
        self._pen = ImageDraw.Draw(self._sheet)

    def dots(self, centres: NDArray[np.floating], radii: NDArray[np.floating], strength: float = 1.0) -> None:
        """Fill a disc at each centre (pixels, [N, 2]) with the given radius (pixels, [N])."""
        for (x, y), radius in zip(centres * _SUPERSAMPLING, radii * _SUPERSAMPLING, strict=True):
            self._pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=round(255 * strength))

    def ring(self, centre: tuple[float, float], radius: float, width: float) -> None:
        """Draw a circle (pixels)."""
        x, y, r = (value * _SUPERSAMPLING for value in (*centre, radius))
        self._pen.ellipse((x - r, y - r, x + r, y + r), outline=255, width=max(1, round(width * _SUPERSAMPLING)))

    def line(self, points: NDArray[np.floating], width: float, strength: float = 1.0) -> None:
        """Draw a line through the points (pixels, [N, 2])."""
        # A line thinner than one sheet pixel is drawn fainter instead.
        thick = width * _SUPERSAMPLING
        shade = round(255 * strength * min(1.0, max(thick, 0.3)))
        self._pen.line([tuple(p) for p in (points * _SUPERSAMPLING).tolist()], shade, max(1, round(thick)), "curve")

    def coverage(self, blur: float = 0.0) -> Field:
        """Return how much of each pixel is covered, 0 to 1, [H, W], after a blur with the given radius in pixels."""
        sheet = self._sheet.reduce(_SUPERSAMPLING)
        if blur > 0:
            sheet = sheet.filter(ImageFilter.GaussianBlur(blur))
        return np.asarray(sheet, dtype=np.float32) / np.float32(255)

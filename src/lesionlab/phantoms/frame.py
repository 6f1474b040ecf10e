"""Mapping between skin coordinates and pixels, and noise that is fixed to the skin."""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lesionlab.images.ink import Field
from lesionlab.phantoms.view import View

# Noise reaches this far from the lesion's centre: beyond the corners of a 4:3 view at any zoom and shift.
_REACH = 3.0


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
            rng: Generator; the same state gives the same pattern in every view.
            coarse: Distance between the values of the coarsest octave, in units of `u` and `v`.
            octaves: Number of octaves, each twice as fine and 0.6 times as strong as the one before.
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

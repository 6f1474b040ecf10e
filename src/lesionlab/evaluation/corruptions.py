"""Corruptions of dermoscopic images at five severities.

Similar to ImageNet-C (Hendrycks and Dietterich, ICLR 2019) and MedMNIST-C (Di Salvo et al., 2024), with artefacts of
dermoscopy. Lengths are relative to the shorter side, so a severity does not depend on the resolution.
"""

import io
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from lesionlab.images import artefacts

Pixels: TypeAlias = NDArray[np.uint8]
Corruption: TypeAlias = Callable[[Pixels, int, np.random.Generator], Pixels]

SEVERITIES = (1, 2, 3, 4, 5)


def corrupted(pixels: Pixels, name: str, severity: int, seed: int) -> Pixels:
    """Return an image with one corruption.

    Args:
        pixels: uint8 [H, W, 3].
        name: One of `CORRUPTIONS`.
        severity: From 1, barely visible, to 5, unusable in practice.
        seed: Seed of the random parts; the same for all severities, which then differ in strength only.
    """
    return CORRUPTIONS[name](pixels, severity, np.random.default_rng(seed))


def _blur(pixels: Pixels, severity: int, _rng: np.random.Generator) -> Pixels:
    radius = (0.004, 0.008, 0.014, 0.022, 0.032)[severity - 1] * min(pixels.shape[:2])
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)))


def _noise(pixels: Pixels, severity: int, rng: np.random.Generator) -> Pixels:
    spread = (0.03, 0.06, 0.1, 0.15, 0.22)[severity - 1]
    return _bytes(pixels / 255 + spread * rng.standard_normal(pixels.shape))


def _jpeg(pixels: Pixels, severity: int, _rng: np.random.Generator) -> Pixels:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=(50, 30, 18, 10, 5)[severity - 1])
    return np.asarray(Image.open(stream))


def _darker(pixels: Pixels, severity: int, _rng: np.random.Generator) -> Pixels:
    return _bytes(pixels / 255 * (0.85, 0.7, 0.55, 0.42, 0.3)[severity - 1])


def _brighter(pixels: Pixels, severity: int, _rng: np.random.Generator) -> Pixels:
    return _bytes(pixels / 255 * (1.1, 1.2, 1.35, 1.5, 1.7)[severity - 1])


def _colour_cast(pixels: Pixels, severity: int, rng: np.random.Generator) -> Pixels:
    gain = (0.06, 0.12, 0.2, 0.28, 0.38)[severity - 1]
    sign = 1 if rng.random() < 0.5 else -1  # towards red, or towards blue
    return _bytes(pixels / 255 * (1 + sign * gain * np.array([1.0, 0.0, -1.0])))


def _hair(pixels: Pixels, severity: int, rng: np.random.Generator) -> Pixels:
    coverage = artefacts.hairs(pixels.shape[1::-1], (6, 14, 28, 50, 90)[severity - 1], rng)
    return _painted(pixels, coverage, artefacts.DARK_HAIR)


def _ruler(pixels: Pixels, severity: int, rng: np.random.Generator) -> Pixels:
    # Along one to four sides, with longer marks for higher severities.
    first = int(rng.integers(4))
    for side in range(first, first + (1, 1, 2, 3, 4)[severity - 1]):
        size = pixels.shape[1::-1] if side % 2 == 0 else pixels.shape[:2]
        coverage = artefacts.ruler(size, 0.08 * min(size))
        marks = Image.fromarray(coverage[-max(1, round(0.08 * len(coverage))) :])
        length = round(len(coverage) * (0.08 + 0.03 * severity))
        coverage = np.zeros_like(coverage)
        coverage[-length:] = np.asarray(marks.resize((coverage.shape[1], length)))
        pixels = _painted(pixels, np.rot90(coverage, side), artefacts.BLACK)
    return pixels


def _bubbles(pixels: Pixels, severity: int, rng: np.random.Generator) -> Pixels:
    coverage = artefacts.bubbles(pixels.shape[1::-1], (3, 8, 16, 30, 50)[severity - 1], rng)
    return _painted(pixels, coverage, artefacts.WHITE)


def _vignette(pixels: Pixels, severity: int, _rng: np.random.Generator) -> Pixels:
    height, width = pixels.shape[:2]
    rows, columns = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None, :]
    radius = (1.3, 1.15, 1.0, 0.85, 0.7)[severity - 1]
    lit = 1 / (1 + np.exp(np.clip((np.hypot(rows, columns) - radius) * 40, -50, 50)))
    return _bytes(pixels / 255 * lit[..., None])


def _nearer(pixels: Pixels, severity: int, _rng: np.random.Generator) -> Pixels:
    height, width = pixels.shape[:2]
    share = (0.9, 0.78, 0.66, 0.55, 0.45)[severity - 1]
    left, top = width * (1 - share) / 2, height * (1 - share) / 2
    box = (left, top, width - left, height - top)
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR, box))


def _farther(pixels: Pixels, severity: int, _rng: np.random.Generator) -> Pixels:
    height, width = pixels.shape[:2]
    share = (0.9, 0.8, 0.68, 0.56, 0.45)[severity - 1]
    size = max(1, round(width * share)), max(1, round(height * share))
    small = Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR)
    # The new margin has the median colour of the edge, with a soft seam.
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    skin = Image.new("RGB", (width, height), tuple(np.median(edge, axis=0).astype(int).tolist()))
    corner = ((width - size[0]) // 2, (height - size[1]) // 2)
    mask = Image.new("L", (width, height))
    mask.paste(255, (*corner, corner[0] + size[0], corner[1] + size[1]))
    seam = 0.02 * min(width, height)
    whole = skin.copy()
    whole.paste(small, corner)
    return np.asarray(Image.composite(whole, skin, mask.filter(ImageFilter.GaussianBlur(seam))))


CORRUPTIONS: Mapping[str, Corruption] = MappingProxyType(
    {
        "blur": _blur,
        "noise": _noise,
        "jpeg": _jpeg,
        "darker": _darker,
        "brighter": _brighter,
        "colour cast": _colour_cast,
        "hair": _hair,
        "ruler": _ruler,
        "bubbles": _bubbles,
        "vignette": _vignette,
        "nearer": _nearer,
        "farther": _farther,
    }
)


def _painted(pixels: Pixels, coverage: NDArray[np.float32], colour: tuple[float, float, float]) -> Pixels:
    values = pixels / 255
    return _bytes(values + coverage[..., None] * (np.array(colour) - values))


def _bytes(values: NDArray[np.floating]) -> Pixels:
    rounded: Pixels = (np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8)
    return rounded

"""Conversion of pixels of any type to 8-bit RGB, with notes on losses."""

import numpy as np
from PIL import Image

from lesionlab.errors import ImageError

_GREY_MODES = ("1", "L", "LA", "La", "I;16", "I;16L", "I;16B", "I;16N", "I")
_CHANNELS = (1, 3, 4)
_SHAPES = "[height, width], [height, width, 1, 3 or 4] or [1, 3 or 4, height, width]"
_ROUNDING = 1e-4  # tolerance of float values beyond their range
# No image from 0 to 255 is so dark: such values are more likely from 0 to 1, with overshoot of a resize.
_MIN_WHITE = 2.0


def rgb_from_array(pixels: np.ndarray) -> tuple[Image.Image, tuple[str, ...]]:
    """Return an array of pixels as an RGB image, with notes on losses.

    Args:
        pixels: Channels last, or first where that is unambiguous: grey, RGB, or RGB with alpha, which is composited on
            white. Integers range from 0 to 255, or to 65535 where a value exceeds 255. Floats range from 0 to 1, or
            from 0 to 255 where a value exceeds 1; an almost black float image from 0 to 255 whose maximum is at most 1
            is therefore read as 0 to 1.

    Raises:
        ImageError: The shape, the type or the range is invalid.
    """
    if pixels.ndim == 4:
        raise ImageError(f"one image is expected, not a batch of shape {pixels.shape}; pass the images one by one")
    if pixels.ndim == 3 and pixels.shape[0] in _CHANNELS and pixels.shape[2] not in _CHANNELS:
        pixels = np.moveaxis(pixels, 0, 2)
    if pixels.ndim == 2:
        pixels = pixels[..., np.newaxis]
    if pixels.ndim != 3 or pixels.shape[2] not in _CHANNELS or 0 in pixels.shape:
        raise ImageError(f"an array of pixels must have the shape {_SHAPES}, this one has {pixels.shape}")
    values, notes = _as_uint8(pixels)
    image = Image.fromarray(np.ascontiguousarray(values[..., 0] if values.shape[2] == 1 else values))
    rgb, colour_notes = rgb_from_image(image)
    return rgb, notes + colour_notes


def _as_uint8(pixels: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    if pixels.dtype == np.uint8:
        return pixels, ()
    if pixels.dtype.kind not in "iuf":
        raise ImageError(f"an array of pixels must hold integers or floats, this one is {pixels.dtype}")
    low, high = float(pixels.min()), float(pixels.max())
    spread = f"values from {low:.6g} to {high:.6g}"
    if not np.isfinite([low, high]).all():
        raise ImageError("the array of pixels holds NaN or infinite values; replace them")
    if pixels.dtype.kind != "f":
        if low < 0 or high > 65535:
            raise ImageError(f"the array of pixels has {spread}, expected 0 to 255 or 0 to 65535; scale it")
        return (pixels.astype(np.uint8), ()) if high <= 255 else (_from_16_bits(pixels), ("16 bits reduced to 8",))
    if low < -_ROUNDING:
        raise ImageError(
            f"the array of pixels has {spread}, expected 0 to 1 or 0 to 255; "
            "undo the normalisation: pixels * std + mean"
        )
    if high > 255 + _ROUNDING:
        raise ImageError(
            f"the array of pixels has {spread}, expected 0 to 1 or 0 to 255; divide it by its largest possible value"
        )
    if 1 + _ROUNDING < high < _MIN_WHITE:
        raise ImageError(
            f"the array of pixels has {spread}, which is neither 0 to 1 nor 0 to 255; clip it: pixels.clip(0, 1)"
        )
    scale = 255.0 if high <= 1 + _ROUNDING else 1.0
    return np.clip(np.rint(pixels.astype(np.float64) * scale), 0, 255).astype(np.uint8), ()


def rgb_from_image(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    """Return an image of any mode as 8-bit RGB, with notes on losses.

    Raises:
        ImageError: The pixels are 32-bit numbers of unknown range.
    """
    notes = []
    if image.mode in _GREY_MODES:
        notes.append("grey image: the model was trained on colour")
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        image = _reduced_to_8_bit(image)
        notes.append("16 bits reduced to 8")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema() != (255, 255):
            white = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(white, image)
            notes.append("transparent pixels composited on white")
    elif image.mode == "CMYK":
        notes.append("CMYK converted to RGB without a colour profile: colours may be off")
    return image.convert("RGB"), tuple(notes)


def _reduced_to_8_bit(image: Image.Image) -> Image.Image:
    # Pillow's own conversion clips at 255, which turns almost every 16-bit image white.
    values = np.asarray(image)
    low, high = values.min(), values.max()
    if image.mode == "F" or low < 0 or high > 65535:
        raise ImageError("the pixels are 32-bit numbers of unknown range; save the image with 8 bits per channel")
    # Some programs store 8-bit values in 16-bit files.
    return Image.fromarray(_from_16_bits(values) if high > 255 else values.astype(np.uint8))


def _from_16_bits(values: np.ndarray) -> np.ndarray:
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)

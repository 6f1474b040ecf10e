"""From pixels of any kind to 8-bit RGB, with a note for the reader wherever something was lost."""

import numpy as np
from PIL import Image

from lesionlab.errors import ImageError

_GREY_MODES = ("1", "L", "LA", "La", "I;16", "I;16L", "I;16B", "I;16N", "I")


def rgb_from_array(pixels: np.ndarray) -> Image.Image:
    """Return an array of pixels as an RGB image.

    Args:
        pixels: uint8 [height, width, 3] in RGB order, or uint8 [height, width] for grey.

    Raises:
        ImageError: The array has another type or shape.
    """
    if pixels.dtype != np.uint8:
        remedy = "scale it: (255 * pixels).round().astype('uint8')" if pixels.dtype.kind == "f" else "convert it"
        raise ImageError(f"an array of pixels must be uint8 (0 to 255), this one is {pixels.dtype}; {remedy}")
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3) or 0 in pixels.shape:
        raise ImageError(f"an array of pixels must have the shape [height, width, 3], this one has {pixels.shape}")
    return Image.fromarray(np.ascontiguousarray(pixels)).convert("RGB")


def rgb_from_image(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    """Return an image of any mode as 8-bit RGB, and notes on what that cost.

    Raises:
        ImageError: The pixels are 32-bit numbers whose range is unknown.
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
            notes.append("transparent parts laid on white")
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
    divisor = 257 if high > 255 else 1
    return Image.fromarray(((values.astype(np.uint32) + divisor // 2) // divisor).astype(np.uint8))

"""Whatever a caller may hold an image in, as one decoded image."""

from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image

from lesionlab.errors import ImageError
from lesionlab.images.decode import DecodedImage, decode_image, decode_opened
from lesionlab.images.pixels import rgb_from_array
from lesionlab.images.read import read_image_bytes

ImageSource: TypeAlias = str | Path | bytes | Image.Image | np.ndarray


def load_image(source: ImageSource, *, at_least: tuple[int, int] | None = None) -> DecodedImage:
    """Return an image as upright 8-bit RGB, whatever it comes in.

    Args:
        source: A path, `archive.zip::member`, the bytes of an image file, a Pillow image, or an array uint8
            [height, width, 3] in RGB order. The 8-pixel minimum holds for files, not for images in memory.
        at_least: See `decode_image`.

    Raises:
        ImageError: The image cannot be read or decoded, or is none of these.
    """
    if isinstance(source, str | Path):
        return decode_image(read_image_bytes(str(source)), at_least=at_least)
    if isinstance(source, bytes | bytearray | memoryview):
        if not len(source):
            raise ImageError("the image is empty (0 bytes)")
        return decode_image(bytes(source), at_least=at_least)
    if isinstance(source, Image.Image):
        return decode_opened(source)
    if isinstance(source, np.ndarray):
        image = rgb_from_array(source)
        return DecodedImage(image, image.size)
    raise ImageError(f"expected a path, bytes, a Pillow image or an array, not {type(source).__name__}")

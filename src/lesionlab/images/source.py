"""Loading of one image from any of the supported sources."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from PIL import Image

from lesionlab.errors import ImageError
from lesionlab.images.decode import DecodedImage, decode_image, decode_opened
from lesionlab.images.pixels import rgb_from_array
from lesionlab.images.read import read_image_bytes, split_frame


@runtime_checkable
class ArrayLike(Protocol):
    """An array or a tensor that NumPy can convert, such as one of PyTorch."""

    def __array__(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class NamedImage:
    """An image with its name in the result.

    Attributes:
        name: The name.
        source: Location or bytes of the image file.
    """

    name: str
    source: str | bytes


ImageSource: TypeAlias = str | Path | bytes | Image.Image | np.ndarray | ArrayLike | NamedImage


def load_image(source: ImageSource, *, at_least: tuple[int, int] | None = None) -> DecodedImage:
    """Return an image as upright 8-bit RGB.

    Args:
        source: A path, `archive.zip::member`, `scan.dcm::2` for a frame of a DICOM file, a URL, the bytes of an image
            file, a `NamedImage`, a Pillow image, an array, or a PyTorch tensor; see `rgb_from_array` for shapes and
            ranges. The 8-pixel minimum applies to files, not to images in memory.
        at_least: See `decode_image`.

    Raises:
        ImageError: The image cannot be read or decoded, or the source has another type.
    """
    if isinstance(source, NamedImage):
        source = source.source
    if isinstance(source, str | Path):
        _, frame = split_frame(str(source))
        return decode_image(read_image_bytes(str(source)), at_least=at_least, frame=frame)
    if isinstance(source, bytes | bytearray | memoryview):
        if not len(source):
            raise ImageError("the image is empty (0 bytes)")
        return decode_image(bytes(source), at_least=at_least)
    if isinstance(source, Image.Image):
        return decode_opened(source)
    if isinstance(source, ArrayLike):
        image, notes = rgb_from_array(_as_array(source))
        return DecodedImage(image, image.size, notes)
    raise ImageError(f"expected a path, bytes, a Pillow image, an array or a tensor, not {type(source).__name__}")


def _as_array(source: Any) -> np.ndarray:
    # PyTorch is not imported here: its tensors are recognised by their methods.
    tensor = source.detach().cpu() if hasattr(source, "detach") else source
    try:
        return np.asarray(tensor)
    except TypeError as error:  # such as bfloat16, which NumPy does not have
        raise ImageError(f"the tensor cannot be converted to an array ({error}); convert it with .float()") from error

"""Pixels of DICOM files as they are displayed, with 8 bits.

Source: DICOM PS3.3 C.7.6.3 (photometric interpretations), C.11.1 and C.11.2 (modality and display values).
"""

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

from lesionlab.errors import ImageError
from lesionlab.images.dicom.pixel_format import PALETTE, PixelFormat

if TYPE_CHECKING:
    from pydicom import Dataset

PALETTE_COLOURS: Final = ("Red", "Green", "Blue")


def components_image(values: bytes, pixels: PixelFormat) -> Image.Image:
    """Return the 8-bit components of pixels, RGB or YCbCr, as an RGB image."""
    if pixels.photometric == "RGB":
        return Image.frombytes("RGB", pixels.size, values)
    return Image.frombytes("YCbCr", pixels.size, values).convert("RGB")


def colour_image(values: np.ndarray, pixels: PixelFormat) -> Image.Image:
    """Return samples, [rows, columns, 3], as an RGB image."""
    if pixels.photometric in ("YBR_ICT", "YBR_RCT"):
        raise ImageError(f"{pixels.photometric} pixels that are not JPEG 2000 are not valid; export the file again")
    if pixels.bits != 8:
        levels = np.arange(2**pixels.bits) * (255 / (2**pixels.bits - 1))
        values = np.rint(levels).astype(np.uint8)[_unsigned(values, pixels)]
    return components_image(values.tobytes(), pixels)


def displayed_image(values: np.ndarray, elements: "Dataset", pixels: PixelFormat) -> Image.Image:
    """Return grey or palette samples, [rows, columns], as an image of mode L or RGB, by a table of all samples."""
    samples = np.arange(2**pixels.bits, dtype=np.int32)
    if pixels.signed:
        samples[samples >= 2 ** (pixels.bits - 1)] -= 2**pixels.bits
    if pixels.photometric == PALETTE:
        colours = np.stack([_by_palette(samples, elements, name) for name in PALETTE_COLOURS], axis=-1)
        # Files with 8-bit values in 16-bit entries often do not say so.
        table = (colours >> 8 if colours.max() > 255 else colours).astype(np.uint8)
    else:
        shown = _grey_levels(samples, elements).clip(0, 1)
        table = np.rint(255 * (1 - shown if pixels.photometric == "MONOCHROME1" else shown)).astype(np.uint8)
    return Image.fromarray(table[_unsigned(values, pixels)])


def _unsigned(values: np.ndarray, pixels: PixelFormat) -> np.ndarray:
    """Return samples without unused bits, as indices of a table."""
    kind = np.dtype(f"{values.dtype.byteorder}u{values.dtype.itemsize}")
    indices: np.ndarray = values.view(kind) & kind.type(2**pixels.bits - 1)
    return indices


def _by_palette(samples: np.ndarray, elements: "Dataset", name: str) -> np.ndarray:
    descriptor, data = (elements.get(f"{name}PaletteColorLookupTable{part}") for part in ("Descriptor", "Data"))
    if not data:
        raise ImageError(f"the palette has no table for {name}, or a segmented one; export the image as RGB")
    is_wide = len(data) >= 2 * (descriptor[0] or 2**16)
    return _looked_up(samples, descriptor, np.frombuffer(data, _words(elements) if is_wide else np.uint8))


def _grey_levels(samples: np.ndarray, elements: "Dataset") -> np.ndarray:
    """Return the displayed intensity of samples from 0 to 1: by table or window, else by their range."""
    if modality := elements.get("ModalityLUTSequence"):
        values, highest = _by_table(samples, modality[0], elements)
    else:
        slope, intercept = _number(elements, "RescaleSlope"), _number(elements, "RescaleIntercept")
        values, highest = samples * (1.0 if slope is None else slope) + (intercept or 0.0), None
    if lookup := elements.get("VOILUTSequence"):
        values, highest = _by_table(np.rint(values).astype(np.int64), lookup[0], elements)
        return values / highest
    centre, width = _number(elements, "WindowCenter"), _number(elements, "WindowWidth")
    if centre is None or width is None:
        low = values.min() if highest is None else 0
        levels: np.ndarray = (values - low) / (highest or max(values.max() - low, 1))
        return levels
    function = elements.get("VOILUTFunction") or "LINEAR"
    if function == "SIGMOID":
        sigmoid: np.ndarray = 1 / (1 + np.exp(-4 * (values - centre) / max(width, 1)))
        return sigmoid
    if function == "LINEAR":
        centre, width = centre - 0.5, width - 1
    return np.clip((values - centre) / max(width, 1e-6) + 0.5, 0, 1)


def _by_table(samples: np.ndarray, item: "Dataset", elements: "Dataset") -> tuple[np.ndarray, int]:
    """Return samples after a lookup table, and the largest value that it can hold."""
    data: Any = item.LUTData
    table = np.frombuffer(data, _words(elements)) if isinstance(data, bytes) else np.array(data)
    return _looked_up(samples, item.LUTDescriptor, table), 2 ** int(item.LUTDescriptor[2]) - 1


def _looked_up(samples: np.ndarray, descriptor: Any, table: np.ndarray) -> np.ndarray:
    # pydicom stores positions in the type of the entries, so that 8-bit entries end after 256.
    found: np.ndarray = table[np.clip(samples - int(descriptor[1]), 0, len(table) - 1)]
    return found


def _words(elements: "Dataset") -> str:
    return "<u2" if elements.file_meta.TransferSyntaxUID.is_little_endian else ">u2"


def _number(elements: "Dataset", keyword: str) -> float | None:
    """Return the first value of an element."""
    value: Any = elements.get(keyword)
    if value is None or value == "":
        return None
    # pydicom keeps a text that is not a number.
    number = float(value if isinstance(value, str | float | int) else value[0])
    if not math.isfinite(number):
        raise ImageError(f"the DICOM element {keyword} is not a finite number; export the file again")
    return number

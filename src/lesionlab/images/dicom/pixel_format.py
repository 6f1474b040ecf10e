"""The format of the pixels of a DICOM file."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lesionlab.errors import ImageError

if TYPE_CHECKING:
    from pydicom import Dataset

# JPEG 2000 decoders return these as RGB.
CONVERTED: Final = ("RGB", "YBR_ICT", "YBR_RCT")
_COLOURS: Final = (*CONVERTED, "YBR_FULL", "YBR_FULL_422")
_GREYS: Final = ("MONOCHROME1", "MONOCHROME2")
PALETTE: Final = "PALETTE COLOR"
_ALLOCATED: Final = (1, 8, 16)


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """Size and samples of the frames of a file.

    Attributes:
        rows: Height in pixels.
        columns: Width in pixels.
        photometric: Photometric interpretation.
        samples: Number of samples of a pixel.
        allocated: Number of bits of a sample, with unused ones.
        bits: Number of bits of a sample that are used.
        signed: Whether samples are signed.
    """

    rows: int
    columns: int
    photometric: str
    samples: int
    allocated: int
    bits: int
    signed: bool

    @classmethod
    def of(cls, elements: "Dataset") -> "PixelFormat":
        """Read the format from the elements of a file.

        Raises:
            ImageError: An element is missing, or the format is not supported.
        """
        rows, columns, samples, allocated, bits = (
            int(_required(elements, keyword))
            for keyword in ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "BitsStored")
        )
        photometric = str(_required(elements, "PhotometricInterpretation")).strip()
        if photometric not in (*_COLOURS, *_GREYS, PALETTE):
            raise ImageError(
                f"the photometric interpretation {photometric!r} is not supported; export the image as RGB"
            )
        if samples != (3 if photometric in _COLOURS else 1):
            raise ImageError(f"{samples} samples per pixel do not fit {photometric}; export the file again")
        if allocated not in _ALLOCATED or not 1 <= bits <= allocated:
            raise ImageError(f"{bits} of {allocated} bits per sample are not supported; export the image with 8 bits")
        if int(elements.get("HighBit", bits - 1)) != bits - 1:
            raise ImageError("pixels that do not begin at the lowest bit are not supported; export the image as PNG")
        signed = photometric in _GREYS and bool(elements.get("PixelRepresentation"))
        return cls(rows, columns, photometric, samples, allocated, bits, signed)

    @property
    def is_colour(self) -> bool:
        """Whether a pixel has three samples."""
        return self.samples == 3

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.columns, self.rows


def _required(elements: "Dataset", keyword: str) -> Any:
    value = elements.get(keyword)
    if value is None or value == "":
        raise ImageError(f"the DICOM element {keyword} is missing; export the file again")
    return value

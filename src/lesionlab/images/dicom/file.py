"""Reading of DICOM files.

Only the elements that are asked for are interpreted, so that data of the patient never get into messages and results.
"""

import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from PIL import Image

from lesionlab.errors import ImageError, MissingExtraError
from lesionlab.images.dicom.pixels import ELEMENTS, frame_image
from lesionlab.images.formats import HEAD_BYTES, is_dicom
from lesionlab.images.hidden_warnings import warnings_hidden
from lesionlab.images.read import MAX_FILE_BYTES, read_image_bytes

if TYPE_CHECKING:
    from pydicom import Dataset

_MAX_FRAMES: Final = 10_000
_MAX_READS: Final = 200_000  # elements and items are read in a Python loop, and an empty one takes 8 bytes
_KIND: Final = ("SOPClassUID", "Modality", "Rows", "Columns", "NumberOfFrames", "TotalPixelMatrixColumns")
_PIXEL_GROUP: Final = 0x7FE0
_DEFLATED: Final = "1.2.840.10008.1.2.1.99"
_DIRECTORY: Final = "1.2.840.10008.1.3.10"


def open_dicom(data: bytes, frame: int | None = None) -> Image.Image:
    """Return a frame of a DICOM file, with an embedded colour profile in `info`; its pixels may be decoded later.

    Args:
        data: The bytes of the file.
        frame: Its number, from 1. None: the only frame.

    Raises:
        ImageError: The file is damaged, has several frames or not this one, holds no image, or its pixels cannot be
            decoded; or pydicom is not installed.
    """
    with _errors_as_image_errors(), warnings_hidden("pydicom"):
        elements = _read(io.BytesIO(data), (*_KIND, *ELEMENTS))
        number = _frames(elements)
        if not number:
            raise ImageError(f"this DICOM file holds no image: {_kind(elements)}")
        if frame is None and number > 1:
            raise ImageError(
                f"the DICOM file holds {number:,} frames; name one, FILE::1 to FILE::{number}, or export a single one"
            )
        if frame is not None and not 1 <= frame <= number:
            raise ImageError(f"there is no frame {frame}; the DICOM file holds {number:,}")
        return frame_image(elements, (frame or 1) - 1)


def find_frames(file: BinaryIO) -> tuple[int, str | None]:
    """Return the number of frames in a DICOM file, 0 if it holds no image, and its SOP instance UID.

    Raises:
        ImageError: The file is damaged, or pydicom is not installed.
    """
    elements = read_elements(file, (*_KIND, "SOPInstanceUID"))
    with _errors_as_image_errors():
        return _frames(elements), elements.get("SOPInstanceUID")


def read_dicom_header(source: str | Path | bytes) -> "Dataset":
    """Return all elements of a DICOM file before its pixels, with `file_meta`.

    They include the names, identifiers and dates of the patient, which must not appear in messages and results.

    Args:
        source: A location, as `read_image_bytes` takes it, or the bytes of the file.

    Raises:
        ImageError: The file cannot be read, is damaged, or is not a DICOM file; or pydicom is not installed.
    """
    data = source if isinstance(source, bytes) else read_image_bytes(str(source))
    if not is_dicom(data):
        raise ImageError("this is not a DICOM file")
    return read_elements(io.BytesIO(data), ())


def read_elements(file: BinaryIO, keywords: tuple[str, ...]) -> "Dataset":
    """Return elements of a DICOM file before its pixels, all without keywords, with `file_meta`.

    Raises:
        ImageError: The file is damaged, or pydicom is not installed.
    """
    with _errors_as_image_errors(), warnings_hidden("pydicom"):
        return _read(file, keywords, pixels=False)


def _frames(elements: "Dataset") -> int:
    if "Rows" not in elements or elements.get("Modality") == "SEG" or _is_tiled(elements):
        return 0
    number = int(elements.get("NumberOfFrames") or 1)
    if not 1 <= number <= _MAX_FRAMES:
        raise ImageError(f"the DICOM file says that it holds {number:,} frames; the limit is {_MAX_FRAMES:,}")
    return number


def _is_tiled(elements: "Dataset") -> bool:
    return int(elements.get("TotalPixelMatrixColumns") or 0) > int(elements.Columns)


def _kind(elements: "Dataset") -> str:
    if elements.file_meta.get("MediaStorageSOPClassUID") == _DIRECTORY:
        return "DICOMDIR, the index of a folder of DICOM files"
    if "Rows" in elements:
        return "segmentation" if elements.get("Modality") == "SEG" else "tiles of a whole slide"
    uid: Any = elements.get("SOPClassUID")
    return uid.name if getattr(uid, "keyword", "") else "its type is unknown"


def _read(file: BinaryIO, keywords: tuple[str, ...], *, pixels: bool = True) -> "Dataset":
    """Return elements of a file, all before the pixels without keywords; others are never interpreted."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.filereader import read_dataset
    from pydicom.tag import BaseTag, Tag
    from pydicom.uid import UID

    file.seek(HEAD_BYTES)
    counted: Any = _CountedReads(file)
    meta = FileMetaDataset(read_dataset(counted, False, True, stop_when=lambda tag, _vr, _length: tag.group != 2))
    syntax = UID(meta.get("TransferSyntaxUID", ""))
    if not syntax.is_transfer_syntax:
        raise ImageError("the DICOM file does not name its transfer syntax; export it again")
    if syntax == _DEFLATED:
        counted = _CountedReads(io.BytesIO(_inflated(file.read())))
    coding = (syntax.is_implicit_VR, syntax.is_little_endian)
    tags: list[BaseTag | int] = [Tag(keyword) for keyword in keywords]
    elements = read_dataset(
        counted, *coding, stop_when=lambda tag, _vr, _length: tag.group == _PIXEL_GROUP, specific_tags=tags
    )
    if pixels:  # if they are truncated, pydicom returns none of the elements that are read together
        elements.update(read_dataset(counted, *coding, specific_tags=tags))
    elements.file_meta = meta
    return elements


def _inflated(data: bytes) -> bytes:
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    result = stream.decompress(data, MAX_FILE_BYTES)
    if stream.unconsumed_tail:
        raise ImageError(f"the deflated DICOM file is larger than {MAX_FILE_BYTES // 2**20} MiB when inflated")
    return result


class _CountedReads:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left = _MAX_READS
        self.seek = file.seek
        self.tell = file.tell

    def read(self, size: int = -1) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise ImageError("the DICOM file has too many elements; export the image again, as PNG")
        return self._file.read(size)


@contextmanager
def _errors_as_image_errors() -> Iterator[None]:
    try:
        yield
    except (ImageError, MemoryError):
        raise
    except ModuleNotFoundError as error:
        raise ImageError(
            str(MissingExtraError("a DICOM file", "dicom", (error.name or "pydicom").partition(".")[0]))
        ) from error
    except Exception as error:
        if "truncated" in str(error) or "not enough image data" in str(error):
            raise ImageError("the pixel data are truncated; copy or export the DICOM file again") from error
        # pydicom's exceptions depend on the damage, and may quote values of elements.
        raise ImageError(
            "the DICOM file is damaged or does not follow the standard; copy or export it again"
        ) from error

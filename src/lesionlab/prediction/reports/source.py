"""The image of a report, read again: a prediction holds neither its bytes nor its header."""

from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from lesionlab.images.dicom import read_dicom_header
from lesionlab.images.formats import is_dicom
from lesionlab.images.read import ZIP_SEPARATOR, read_image_bytes, split_frame

if TYPE_CHECKING:
    from pydicom import Dataset


@dataclass(frozen=True)
class SourceImage:
    """The image of a report.

    Attributes:
        name: Name of its file without the folder, which may be named after a patient.
        data: Bytes of its file.
        dicom: Header of a DICOM image; None for another format.
        frame: Number of the frame, from 1; None: the only frame.
    """

    name: str
    data: bytes
    dicom: "Dataset | None" = None
    frame: int | None = None

    @classmethod
    def read(cls, location: str) -> "SourceImage":
        """Read the image at a location.

        Raises:
            ImageError: The file cannot be read, or is a damaged DICOM file.
        """
        file, frame = split_frame(location)
        data = read_image_bytes(location)
        name = PurePath(file.rpartition(ZIP_SEPARATOR)[2]).name
        return cls(name, data, read_dicom_header(data) if is_dicom(data) else None, frame)

"""The image of a report, read again: a prediction holds neither its bytes nor its header."""

from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from lesionlab.bundle import Site
from lesionlab.images.dicom import read_dicom_header
from lesionlab.images.formats import is_dicom
from lesionlab.images.read import ZIP_SEPARATOR, read_image_bytes, split_frame
from lesionlab.prediction.reports.codes import SITES, SKIN, Concept

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
        stated_site: Anatomical site as the user states it.
    """

    name: str
    data: bytes
    dicom: "Dataset | None" = None
    frame: int | None = None
    stated_site: Site | None = None

    @classmethod
    def read(cls, location: str, stated_site: Site | None = None) -> "SourceImage":
        """Read the image at a location.

        Raises:
            ImageError: The file cannot be read, or is a damaged DICOM file.
        """
        file, frame = split_frame(location)
        data = read_image_bytes(location)
        name = PurePath(file.rpartition(ZIP_SEPARATOR)[2]).name
        return cls(name, data, read_dicom_header(data) if is_dicom(data) else None, frame, stated_site)

    @property
    def site(self) -> Concept:
        """The anatomical site of the header, or else the stated one, or else skin."""
        for region in (self.dicom.get("AnatomicRegionSequence") if self.dicom is not None else None) or ():
            parts = [region.get(name) for name in ("CodingSchemeDesignator", "CodeValue", "CodeMeaning")]
            if all(parts):
                return Concept(*map(str, parts))
        return SITES.get(self.stated_site or Site.UNKNOWN, SKIN)

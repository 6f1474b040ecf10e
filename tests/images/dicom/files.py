"""DICOM files for tests."""

import io
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.utils import compress
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, VLPhotographicImageStorage, generate_uid

PATIENT: dict[str, Any] = {
    "PatientName": "Doe^Jane",
    "PatientID": "MRN-4711",
    "PatientBirthDate": "19610203",
    "StudyDate": "20260102",
    "StudyID": "ACC-0815",
    "PatientAge": "065Y",
    "PatientSex": "F",
    "BodyPartExamined": "BACK",
}

PRIVATE = tuple(
    str(value) for keyword, value in PATIENT.items() if keyword not in ("PatientAge", "PatientSex", "BodyPartExamined")
)


def dicom(
    pixels: np.ndarray, syntax: UID = ExplicitVRLittleEndian, *, frames: list[bytes] | None = None, **elements: Any
) -> bytes:
    """Return a DICOM file.

    Args:
        pixels: Grey [rows, columns], or three samples [rows, columns, 3] or [frames, rows, columns, 3].
        syntax: Transfer syntax; pydicom encodes RLE and JPEG-LS.
        frames: Coded frames, which replace the pixels.
        elements: Elements by keyword, instead of those that follow from the pixels. None: left out.
    """
    dataset = Dataset()
    dataset.Rows, dataset.Columns = pixels.shape[:2] if pixels.ndim == 2 else pixels.shape[-3:-1]
    dataset.SamplesPerPixel = 1 if pixels.ndim == 2 else 3
    dataset.PhotometricInterpretation = "MONOCHROME2" if pixels.ndim == 2 else "RGB"
    dataset.BitsAllocated = 8 * pixels.itemsize
    dataset.BitsStored = elements.get("BitsStored") or dataset.BitsAllocated
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    if pixels.ndim > 2:
        dataset.PlanarConfiguration = 0
    if pixels.ndim == 4:
        dataset.NumberOfFrames = len(pixels)
    for keyword, value in elements.items():
        if value is not None:
            setattr(dataset, keyword, value)
    if frames is None:
        planes = np.moveaxis(pixels, -1, -3) if dataset.get("PlanarConfiguration") else pixels
        data = planes.astype(planes.dtype.newbyteorder(">" if syntax == ExplicitVRBigEndian else "<")).tobytes()
        dataset.PixelData = data + bytes(len(data) % 2)
        if syntax.is_encapsulated:
            dataset.file_meta = FileMetaDataset()
            dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            compress(dataset, syntax, generate_instance_uid=False)
    else:
        dataset.PixelData = encapsulate(frames) if syntax.is_encapsulated else b"".join(frames)
    dataset["PixelData"].VR = "OB" if syntax.is_encapsulated or dataset.BitsAllocated <= 8 else "OW"
    for keyword in [keyword for keyword, value in elements.items() if value is None]:
        delattr(dataset, keyword)
    return written(dataset, syntax)


def no_image(sop_class: str, **elements: Any) -> bytes:
    """Return a DICOM file of another kind."""
    dataset = Dataset()
    dataset.SOPClassUID = sop_class
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return written(dataset)


def written(dataset: Dataset, syntax: UID = ExplicitVRLittleEndian) -> bytes:
    """Return the bytes of a file with a dataset."""
    dataset.setdefault("SOPClassUID", VLPhotographicImageStorage)
    dataset.setdefault("SOPInstanceUID", generate_uid())
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    stream = io.BytesIO()
    options = {"implicit_vr": syntax.is_implicit_VR, "little_endian": syntax.is_little_endian}
    pydicom.dcmwrite(stream, dataset, **options, enforce_file_format=True)
    return stream.getvalue()

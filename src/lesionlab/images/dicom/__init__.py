"""DICOM files: their header, and their frames as images."""

from lesionlab.images.dicom.file import find_frames, open_dicom, read_dicom_header
from lesionlab.images.dicom.patient import read_patient
from lesionlab.images.dicom.pixels import DICOM_BITS

__all__ = ["DICOM_BITS", "find_frames", "open_dicom", "read_dicom_header", "read_patient"]

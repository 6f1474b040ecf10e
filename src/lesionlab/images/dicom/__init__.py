"""DICOM files: their header, and their frames as images."""

from lesionlab.images.dicom.file import count_frames, open_dicom, read_dicom_header
from lesionlab.images.dicom.pixels import DICOM_BITS

__all__ = ["DICOM_BITS", "count_frames", "open_dicom", "read_dicom_header"]

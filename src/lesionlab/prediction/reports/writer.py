"""Report files: one per image, in a folder or, for a single image, under a given name."""

import io
import json
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

from lesionlab.bundle import Patient
from lesionlab.errors import ImageError, LesionlabError, MissingExtraError, UsageError
from lesionlab.files import FreeNames, cannot_write, replacing
from lesionlab.images.formats import image_id
from lesionlab.images.hidden_warnings import warnings_hidden
from lesionlab.prediction.io.writers import Write
from lesionlab.prediction.reports.fhir import diagnostic_report
from lesionlab.prediction.reports.source import SourceImage
from lesionlab.results import ModelName, Prediction


class ReportFormat(StrEnum):
    """Formats with one document per image."""

    DICOM_SR = "dicom-sr"
    FHIR = "fhir"

    @property
    def suffix(self) -> str:
        """Suffix of the files."""
        return ".dcm" if self is ReportFormat.DICOM_SR else ".json"


def report_writer(
    report_format: ReportFormat,
    out: Path,
    model: ModelName,
    *,
    single: bool = False,
    with_identity: bool = False,
    patient_of: Callable[[str], Patient] | None = None,
) -> Write:
    """Return a function that writes the report on an image. A file gets its name once it is complete.

    Args:
        report_format: `dicom-sr`: a Comprehensive SR, for DICOM images. `fhir`: a DiagnosticReport of FHIR R4.
        out: Folder of the files; for a single image it may be a file with the suffix of the format.
        model: The model.
        single: Whether there is a single image.
        with_identity: Whether FHIR reports on DICOM images hold the patient and the date of the study. A Structured
            Report always does, since it belongs to its patient.
        patient_of: Returns the stated patient data of an image, of which the anatomical site is reported.

    Raises:
        UsageError: A file name for several images.
        MissingExtraError: `dicom-sr` without pydicom or highdicom.
        LesionlabError: The folder cannot be created.
    """
    is_file = out.suffix.lower() == report_format.suffix and not out.is_dir()
    if is_file and not single:
        raise UsageError(f"--out {out}: --format {report_format} writes one file per image; name a folder")
    if report_format is ReportFormat.DICOM_SR:
        _require_highdicom()
    folder = out.parent if is_file else out
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    names = FreeNames()

    def write(prediction: Prediction) -> None:
        site = patient_of(prediction.image).site if patient_of is not None else None
        source = SourceImage.read(prediction.image, site)
        content = report_bytes(report_format, prediction, model, source, with_identity=with_identity)
        stem = image_id(source.name) if source.frame is None else f"{image_id(source.name)}-frame{source.frame}"
        target = out if is_file else folder / names.take(stem, report_format.suffix)
        with replacing(target, binary=True) as stream:
            stream.write(content)

    return write


def report_bytes(
    report_format: ReportFormat,
    prediction: Prediction,
    model: ModelName,
    source: SourceImage,
    *,
    with_identity: bool = False,
) -> bytes:
    """Return the document of a report, see `report_writer`.

    Raises:
        ImageError: The image is not DICOM, which a Structured Report needs, or its header does not follow the standard.
    """
    try:
        # Warnings, log records and exceptions of the libraries quote names and dates of the patient.
        with warnings_hidden("highdicom"):
            if report_format is ReportFormat.DICOM_SR:
                return _dicom_bytes(prediction, model, source)
            report = diagnostic_report(prediction, model, source, with_identity=with_identity)
            return (json.dumps(report, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")
    except (LesionlabError, MemoryError):
        raise
    except Exception:
        if source.dicom is None:
            raise
        raise ImageError("the header of the DICOM file does not follow the standard; it gets no report") from None


def _dicom_bytes(prediction: Prediction, model: ModelName, source: SourceImage) -> bytes:
    from lesionlab.prediction.reports.dicom_sr import structured_report

    stream = io.BytesIO()
    structured_report(prediction, model, source).save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def _require_highdicom() -> None:
    try:
        import highdicom.sr  # noqa: F401 - an optional package
    except ImportError as error:
        raise MissingExtraError("--format dicom-sr", "dicom", "highdicom") from error

"""Results as documents of clinical systems: DICOM Structured Reports and FHIR diagnostic reports."""

from lesionlab.prediction.reports.writer import ReportFormat, report_writer

__all__ = ["ReportFormat", "report_writer"]

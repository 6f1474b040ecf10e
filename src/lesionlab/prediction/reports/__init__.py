"""Results as documents of clinical systems: DICOM Structured Reports and FHIR diagnostic reports."""

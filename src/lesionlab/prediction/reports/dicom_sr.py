"""A result as a DICOM Structured Report (Comprehensive SR, TID 1500 "Measurement Report")."""

from datetime import datetime
from typing import TYPE_CHECKING

from lesionlab import RESEARCH_ONLY, __version__
from lesionlab.errors import ImageError
from lesionlab.prediction.reports import codes
from lesionlab.prediction.reports.codes import Concept, stable_uid
from lesionlab.prediction.reports.source import SourceImage
from lesionlab.prediction.reports.statements import Statement, statements
from lesionlab.results import ModelName, Prediction

if TYPE_CHECKING:
    from highdicom.sr import CodedConcept, ContentItem, MeasurementReport, RelationshipTypeValues
    from pydicom import Dataset

_SERIES_NUMBER = 900  # high, so that a viewer lists the images first
_REQUIRED = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
_TYPE_2 = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
    "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip


def structured_report(
    prediction: Prediction,
    model: ModelName,
    source: SourceImage,
    *,
    created: datetime | None = None,
) -> "Dataset":
    """Return the report on an image, of its patient and study.

    It is preliminary, partial and unverified. The same prediction of the same image has the same SOP Instance UID.

    Args:
        prediction: The prediction for the image.
        model: The model.
        source: The image.
        created: Time of the report; None: now.

    Raises:
        ImageError: The image is not DICOM, or lacks a UID, so that no report can refer to it.
    """
    from highdicom import ContentQualificationValues
    from highdicom.coding_schemes import CodingSchemeIdentificationItem
    from highdicom.sr import ComprehensiveSR
    from pydicom.valuerep import DT

    image = source.dicom
    if image is None:
        raise ImageError("not a DICOM image, whose patient and study a DICOM report belongs to; use --format fhir")
    for keyword in _REQUIRED:
        if not image.get(keyword):
            raise ImageError(f"the DICOM file has no {keyword}, so that no report can refer to it; export it again")
    contents = statements(prediction)
    created = created or datetime.now().astimezone()  # DICOM times are local
    report = ComprehensiveSR(
        evidence=[_reference(image)],
        content=_content(prediction, contents, model, source, image)[0],
        series_instance_uid=stable_uid("series", image.SeriesInstanceUID, model.graph_sha256, __version__),
        series_number=_SERIES_NUMBER,
        series_description=f"lesionlab. {RESEARCH_ONLY}",
        sop_instance_uid=stable_uid(
            image.SOPInstanceUID, source.frame, source.site, model.graph_sha256, __version__, contents
        ),
        instance_number=max(int(image.get("InstanceNumber") or 1), 1),
        manufacturer="lesionlab",
        manufacturer_model_name=model.identity.replace("\\", "/")[:64],  # the longest text without backslash
        software_versions=__version__,
        device_serial_number=model.graph_sha256,
        content_qualification=ContentQualificationValues.RESEARCH,
        content_date=created.date(),
        content_time=created.time(),
        coding_schemes=[
            CodingSchemeIdentificationItem(codes.LOCAL, "lesionlab", __version__, responsible_organization="lesionlab")
        ],
        specific_character_set="ISO_IR 192",
    )
    report.InstanceCreationDate, report.InstanceCreationTime = report.ContentDate, report.ContentTime
    for equipment in report.ContributingEquipmentSequence:  # highdicom names itself
        equipment.ContributionDateTime = DT(created.replace(tzinfo=None))
    report.CompletionFlagDescription = RESEARCH_ONLY
    # Copied at the end: highdicom logs names that it finds unusual.
    report.copy_patient_and_study_information(image)
    for keyword in _TYPE_2:
        report.setdefault(keyword, None)
    return report


def _reference(image: "Dataset") -> "Dataset":
    """Return what highdicom needs to refer to an image, without its patient."""
    from pydicom import Dataset

    reference = Dataset()
    for keyword in _REQUIRED:
        setattr(reference, keyword, image[keyword].value)
    for keyword in _TYPE_2:
        setattr(reference, keyword, None)
    return reference


def _content(
    prediction: Prediction,
    contents: tuple[Statement, ...],
    model: ModelName,
    source: SourceImage,
    image: "Dataset",
) -> "MeasurementReport":
    from highdicom import sr
    from highdicom.sr import RelationshipTypeValues as Relationship
    from pydicom.sr.codedict import codes as standard

    observer = sr.DeviceObserverIdentifyingAttributes(
        uid=stable_uid("model", model.graph_sha256),
        name=model.identity,
        manufacturer_name="lesionlab",
        model_name=model.name,
        serial_number=model.graph_sha256,
    )
    device = sr.ObserverContext(observer_type=standard.DCM.Device, observer_identifying_attributes=observer)
    algorithm = sr.AlgorithmIdentification(
        name=model.name,
        version=model.identity,
        manufacturer="lesionlab",
        parameters=[f"graph_sha256={model.graph_sha256}", f"lesionlab={__version__}"],
    )
    group = sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(
            uid=stable_uid("tracking", image.SOPInstanceUID, source.frame, model.graph_sha256),
            identifier="Prediction for the image",
        ),
        algorithm_id=algorithm,
        finding_sites=[sr.FindingSite(_coded(source.site))],
        source_images=[
            sr.SourceImageForMeasurementGroup(
                image.SOPClassUID, image.SOPInstanceUID, [source.frame] if source.frame else None
            )
        ],
    )
    group[0].ContentSequence.extend(
        [
            sr.TextContentItem(standard.DCM.Conclusion, prediction.headline, Relationship.CONTAINS),
            *(item for one in contents for item in _items(one, Relationship.CONTAINS)),
        ]
    )
    report = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=device),
        procedure_reported=_coded(codes.DERMOSCOPY),
        imaging_measurements=[group],
    )
    notice = sr.TextContentItem(standard.DCM.Comment, RESEARCH_ONLY, Relationship.CONTAINS)
    report[0].ContentSequence.insert(len(report[0].ContentSequence) - 1, notice)  # before the measurements
    return report


def _items(statement: Statement, relationship: "RelationshipTypeValues") -> "list[ContentItem]":
    """Return a statement as content items; a group without a value as those of its details."""
    from highdicom import sr
    from highdicom.sr import RelationshipTypeValues as Relationship
    from pydicom.sr.codedict import codes as standard

    name, value = _coded(statement.name), statement.value
    if value is None:
        return [item for detail in statement.details for item in _items(detail, relationship)]
    item: ContentItem
    if isinstance(value, Concept):
        item = sr.CodeContentItem(name, _coded(value), relationship)
    elif isinstance(value, str):
        item = sr.TextContentItem(name, value, relationship)
    else:
        item = sr.NumContentItem(name, round(100 * value, 4), standard.UCUM.Percent, relationship_type=relationship)
    nested = [inner for detail in statement.details for inner in _items(detail, Relationship.HAS_PROPERTIES)]
    if statement.finding is not None:
        finding = sr.CodeContentItem(standard.DCM.Finding, _coded(statement.finding), Relationship.HAS_CONCEPT_MOD)
        nested.append(finding)
    if nested:
        item.ContentSequence = sr.ContentSequence(nested)
    return [item]


def _coded(concept: Concept) -> "CodedConcept":
    from highdicom.sr import CodedConcept

    return CodedConcept(concept.code, concept.scheme, concept.meaning)

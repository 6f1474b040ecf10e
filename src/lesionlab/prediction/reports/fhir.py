"""A result as a FHIR DiagnosticReport (R4), with its observations, image and model as contained resources."""

import base64
import hashlib
import html
from datetime import date
from typing import TYPE_CHECKING, Any, TypeAlias

from lesionlab import RESEARCH_ONLY, __version__
from lesionlab.prediction.reports import codes
from lesionlab.prediction.reports.codes import SCHEMES, Concept, stable_uuid
from lesionlab.prediction.reports.source import SourceImage
from lesionlab.prediction.reports.statements import Statement, Value, statements
from lesionlab.results import ModelName, Prediction

if TYPE_CHECKING:
    from pydicom import Dataset

Resource: TypeAlias = dict[str, Any]

_HL7 = "http://terminology.hl7.org/CodeSystem"
_IMAGING_STUDY = Concept("LN", "18748-4", "Diagnostic imaging study")
_GENDERS = {"M": "male", "F": "female", "O": "other"}


def diagnostic_report(
    prediction: Prediction, model: ModelName, image: SourceImage, *, with_identity: bool = False
) -> Resource:
    """Return the report on an image as JSON.

    It is preliminary. It has no conclusion code, which a record system may copy into a list of problems, and no time of
    its own: the same prediction of the same image has the same bytes.

    Args:
        prediction: The prediction for the image.
        model: The model.
        image: The image. A report on a DICOM image has the UIDs of image and study instead of the file's name.
        with_identity: Whether to add the patient and the date of the study of a DICOM image.
    """
    contents, dicom = statements(prediction), image.dicom
    sha256 = hashlib.sha256(image.data).hexdigest()
    identifier = str(stable_uuid(sha256, image.frame, image.site, model.graph_sha256, __version__, contents))
    patient = _patient(dicom) if with_identity and dicom is not None else None
    context = {} if dicom is None or patient is None else {"subject": {"reference": "#patient"}, **_date(dicom)}
    observations = [_observation(f"observation-{i}", one, image.site, context) for i, one in enumerate(contents, 1)]
    return {
        "resourceType": "DiagnosticReport",
        "id": identifier,
        "meta": {"security": [{"system": f"{_HL7}/v3-ActReason", "code": "HRESCH", "display": "healthcare research"}]},
        "language": "en",
        "text": {"status": "generated", "div": _narrative(prediction)},
        "contained": [_device(model), _media(image), *([patient] if patient else []), *observations],
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{identifier}"}],
        **_present(imagingStudy=_study(dicom) if dicom is not None else []),
        "status": "preliminary",
        "category": [{"coding": [{"system": f"{_HL7}/v2-0074", "code": "IMG", "display": "Diagnostic Imaging"}]}],
        "code": _codeable(_IMAGING_STUDY, "Prediction for a dermoscopic image"),
        **context,
        "result": [{"reference": f"#{one['id']}"} for one in observations],
        "media": [{"link": {"reference": "#image"}}],
        "conclusion": f"{RESEARCH_ONLY} {prediction.headline}",
    }


def _observation(identifier: str, statement: Statement, site: Concept, context: Resource) -> Resource:
    components = [
        {"code": _codeable(one.finding or one.name, one.name.meaning), **_value(one.value)} for one in statement.details
    ]
    return {
        "resourceType": "Observation",
        "id": identifier,
        "status": "preliminary",
        "category": [{"coding": [{"system": f"{_HL7}/observation-category", "code": "imaging", "display": "Imaging"}]}],
        "code": _codeable(statement.name),
        **context,
        **_value(statement.value),
        "bodySite": _codeable(site),
        "device": {"reference": "#model"},
        "derivedFrom": [{"reference": "#image"}],
        **_present(component=components),
    }


def _value(value: Value | None) -> Resource:
    if value is None:
        return {}
    if isinstance(value, Concept):
        return {"valueCodeableConcept": _codeable(value)}
    if isinstance(value, str):
        return {"valueString": value}
    percent = {"value": round(100 * value, 4), "unit": "%", "system": "http://unitsofmeasure.org", "code": "%"}
    return {"valueQuantity": percent}


def _codeable(concept: Concept, text: str | None = None) -> Resource:
    system = SCHEMES.get(concept.scheme)
    coding = {"system": system, "code": concept.code, "display": concept.meaning}
    return {**_present(coding=[coding] if system else []), "text": text or concept.meaning}


def _device(model: ModelName) -> Resource:
    return {
        "resourceType": "Device",
        "id": "model",
        "identifier": [{"system": codes.MODEL_URI, "value": model.graph_sha256}],
        "manufacturer": "lesionlab",
        "deviceName": [{"name": model.identity, "type": "model-name"}],
        "type": _codeable(codes.SOFTWARE, "Classification model"),
        "version": [
            {"type": {"text": "SHA-256 of the graph"}, "value": model.graph_sha256},
            {"type": {"text": "lesionlab"}, "value": __version__},
        ],
        "safety": [{"text": RESEARCH_ONLY}],
    }


def _media(image: SourceImage) -> Resource:
    sha1 = hashlib.sha1(image.data, usedforsecurity=False).digest()  # as the standard has it
    content = {"size": len(image.data), "hash": base64.b64encode(sha1).decode()}
    uid = None if image.dicom is None else image.dicom.get("SOPInstanceUID")
    if image.dicom is None:
        content["title"] = image.name
    else:
        content["contentType"] = "application/dicom"
        content |= _present(title=f"frame {image.frame}" if image.frame else "")
    return {
        "resourceType": "Media",
        "id": "image",
        **_present(identifier=[_dicom_uid(uid)] if uid else []),
        "status": "completed",
        "type": {"coding": [{"system": f"{_HL7}/media-type", "code": "image", "display": "Image"}]},
        "content": content,
    }


def _study(dicom: "Dataset") -> list[Resource]:
    # A reference by identifier: the report does not depend on how a server names the study.
    uid = dicom.get("StudyInstanceUID")
    return [{"type": "ImagingStudy", "identifier": _dicom_uid(uid)}] if uid else []


def _dicom_uid(uid: str) -> Resource:
    return {"system": "urn:dicom:uid", "value": f"urn:oid:{uid}"}


def _patient(dicom: "Dataset") -> Resource:
    name, number, issuer = (dicom.get(keyword) for keyword in ("PatientName", "PatientID", "IssuerOfPatientID"))
    given = [one for one in (name.given_name, name.middle_name) if one] if name else []
    human = (_present(family=name.family_name, given=given) or {"text": str(name).strip("=")}) if name else {}
    identifier = _present(value=number, assigner=_present(display=issuer))
    return {
        "resourceType": "Patient",
        "id": "patient",
        **_present(
            identifier=[identifier] if number else [],
            name=[human] if human else [],
            gender=_GENDERS.get(dicom.get("PatientSex", "")),
        ),
        **_date(dicom, "PatientBirthDate", "birthDate"),
    }


def _present(**elements: Any) -> Resource:
    """Return the elements that are not empty: FHIR has no empty strings, lists and objects."""
    return {name: value for name, value in elements.items() if value}


def _date(dicom: "Dataset", keyword: str = "StudyDate", element: str = "effectiveDateTime") -> Resource:
    """Return a date of a DICOM image as a FHIR element; nothing where it is missing or no date."""
    try:
        return {element: date.fromisoformat(str(dicom.get(keyword))).isoformat()}
    except ValueError:
        return {}


def _narrative(prediction: Prediction) -> str:
    lines = (prediction.headline, *prediction.notes, f"Model: {prediction.model}")
    text = "".join(f"<p>{html.escape(line)}</p>" for line in lines)
    return f'<div xmlns="http://www.w3.org/1999/xhtml"><p><b>{html.escape(RESEARCH_ONLY)}</b></p>{text}</div>'

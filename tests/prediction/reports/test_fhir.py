"""FHIR reports, validated by fhir.resources.

Its schema is that of R4B (4.3.0). R4 (4.0.1) has the same DiagnosticReport, Observation, Device, Media and Patient.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest

from lesionlab import RESEARCH_ONLY, __version__
from lesionlab.bundle import Site
from lesionlab.prediction.reports.fhir import diagnostic_report
from lesionlab.prediction.reports.source import SourceImage
from lesionlab.results import ModelName, Prediction
from lesionlab.taxonomy import CODES

schema = pytest.importorskip("fhir.resources.R4B.diagnosticreport")

Make = Callable[..., Any]
SNOMED = {"mel": "93655004", "nv": "400096001", "bcc": "254701007"}


def report_on(prediction: Prediction, model: ModelName, **options: Any) -> dict[str, Any]:
    """Return a valid report as it is read from a file."""
    with_identity = options.pop("with_identity", False)
    image = SourceImage(**{"name": "IMG 1.jpg", "data": b"bytes", **options})
    report = diagnostic_report(prediction, model, image, with_identity=with_identity)
    read: dict[str, Any] = json.loads(json.dumps(report))
    schema.DiagnosticReport.model_validate(read)
    check_references(read)
    return read


def check_references(report: dict[str, Any]) -> None:
    """Every reference is to a contained resource, and every contained resource is referred to."""
    contained = {f"#{one['id']}" for one in report["contained"]}
    found = set()

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            found.update([value["reference"]] if "reference" in value else [])
            value = list(value.values())
        if isinstance(value, list):
            for one in value:
                walk(one)

    walk(report)
    assert found == contained
    assert len(contained) == len(report["contained"])


def observations(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["code"]["text"]: one for one in report["contained"] if one["resourceType"] == "Observation"}


def coded(value: dict[str, Any]) -> str:
    (coding,) = value["coding"]
    return str(coding["code"])


def test_report_holds_the_whole_prediction(prediction: Prediction, model: ModelName) -> None:
    report = report_on(prediction, model)
    found = observations(report)
    assert found["Probability of cancer"]["valueQuantity"]["value"] == 68.75
    assert coded(found["Most probable class"]["valueCodeableConcept"]) == SNOMED["mel"]
    assert coded(found["Risk level"]["valueCodeableConcept"]) == "75540009"
    probabilities = found["Calibrated probability of each class"]["component"]
    assert {coded(one["code"]): one["valueQuantity"]["value"] for one in probabilities} == {
        SNOMED.get(code, code): 100 * prediction.probabilities[code] for code in CODES
    }
    *members, coverage = found["Classes that cannot be ruled out"]["component"]
    assert [coded(one["valueCodeableConcept"]) for one in members] == [SNOMED[code] for code in ("mel", "nv", "bcc")]
    assert coverage["valueQuantity"]["value"] == 90
    decisions = [one for one in report["contained"] if one.get("code", {}).get("text", "").startswith("Decision")]
    assert [one["valueCodeableConcept"]["text"] for one in decisions] == ["Positive", "Negative"]
    parts = {one["code"]["text"]: one for one in decisions[0]["component"]}
    assert parts["Operating point"]["valueString"] == "95% sensitivity (malignant)"
    assert parts["Threshold Value"]["valueQuantity"]["value"] == 10
    status = found["Status of the prediction"]
    assert [one["valueString"] for one in status["component"]] == list(prediction.notes)
    assert len(report["result"]) == len([one for one in report["contained"] if one["resourceType"] == "Observation"])


def test_report_is_preliminary_and_for_research(prediction: Prediction, model: ModelName) -> None:
    report = report_on(prediction, model)
    resources = [report, *report["contained"]]
    assert {one["status"] for one in resources if one["resourceType"] in {"DiagnosticReport", "Observation"}} == {
        "preliminary"
    }
    assert report["meta"]["security"][0]["code"] == "HRESCH"
    assert report["conclusion"] == f"{RESEARCH_ONLY} {prediction.headline}"
    assert "conclusionCode" not in report
    assert report["text"]["div"].index(RESEARCH_ONLY) < report["text"]["div"].index("P(malignant)")
    assert "grey &lt;image&gt; &amp; Gerät" in report["text"]["div"]


def test_report_names_model_and_its_hash(prediction: Prediction, model: ModelName) -> None:
    report = report_on(prediction, model)
    (device,) = [one for one in report["contained"] if one["resourceType"] == "Device"]
    assert device["deviceName"][0]["name"] == "tiny@0123456789ab"
    assert [one["value"] for one in device["version"]] == [model.graph_sha256, __version__]
    assert all(one["device"] == {"reference": "#model"} for one in observations(report).values())


def test_abstention_has_its_reason_and_no_value(abstention: Prediction, model: ModelName) -> None:
    report = report_on(abstention, model)
    (status,) = observations(report).values()
    assert coded(status["valueCodeableConcept"]) == "abstained"
    assert status["component"][0]["valueString"] == "too_dark: mean brightness 12, limit 40"
    text = json.dumps(report)
    assert "valueQuantity" not in text
    assert "melanoma" not in text.lower()


def test_binary_model(binary: Prediction, model: ModelName) -> None:
    found = observations(report_on(binary, model))
    assert "Probability of cancer" not in found
    assert [coded(one["code"]) for one in found["Calibrated probability of each class"]["component"]] == [
        "other",
        SNOMED["mel"],
    ]


def test_image_is_named_by_its_file(prediction: Prediction, model: ModelName) -> None:
    report = report_on(prediction, model)
    (media,) = [one for one in report["contained"] if one["resourceType"] == "Media"]
    assert media["content"]["title"] == "IMG 1.jpg"
    assert "Smith" not in json.dumps(report)
    assert "imagingStudy" not in report


def test_dicom_image_is_named_by_its_uids_without_its_patient(
    prediction: Prediction, model: ModelName, dicom_image: Make
) -> None:
    image = dicom_image()
    report = report_on(prediction, model, dicom=image)
    assert report["imagingStudy"][0]["identifier"]["value"] == f"urn:oid:{image.StudyInstanceUID}"
    (media,) = [one for one in report["contained"] if one["resourceType"] == "Media"]
    assert media["identifier"][0]["value"] == f"urn:oid:{image.SOPInstanceUID}"
    text = json.dumps(report, ensure_ascii=False)
    for secret in ("Yamada", "山田", "4711", "Klinik", "1950", "2024", "ACC9", "Weiß", "Rücken", "IMG 1"):
        assert secret not in text
    assert "subject" not in report


def test_frame_is_named(prediction: Prediction, model: ModelName, dicom_image: Make) -> None:
    first, second = (report_on(prediction, model, dicom=dicom_image(), frame=frame) for frame in (1, 2))
    (media,) = [one for one in second["contained"] if one["resourceType"] == "Media"]
    assert media["content"]["title"] == "frame 2"
    assert first["id"] != second["id"]


def test_image_without_uids_is_named_by_its_hash(prediction: Prediction, model: ModelName, dicom_image: Make) -> None:
    report = report_on(prediction, model, dicom=dicom_image(SOPInstanceUID=None, StudyInstanceUID=None))
    (media,) = [one for one in report["contained"] if one["resourceType"] == "Media"]
    assert "identifier" not in media
    assert "imagingStudy" not in report


def test_patient_and_date_on_request(prediction: Prediction, model: ModelName, dicom_image: Make) -> None:
    report = report_on(prediction, model, dicom=dicom_image(), with_identity=True)
    (patient,) = [one for one in report["contained"] if one["resourceType"] == "Patient"]
    assert patient["identifier"] == [{"value": "4711-X", "assigner": {"display": "Klinik"}}]
    assert patient["name"] == [{"family": "Yamada", "given": ["Tarou"]}]
    assert (patient["gender"], patient["birthDate"]) == ("male", "1950-01-02")
    for one in (report, *observations(report).values()):
        assert (one["subject"], one["effectiveDateTime"]) == ({"reference": "#patient"}, "2024-02-03")
    without = report_on(prediction, model, with_identity=True)
    assert "subject" not in without


ODD = {"PatientName": "Ohne", "PatientID": None, "PatientSex": "X", "PatientBirthDate": "1950", "StudyDate": ""}


def test_name_in_another_script_alone(prediction: Prediction, model: ModelName, dicom_image: Make) -> None:
    report = report_on(prediction, model, dicom=dicom_image(PatientName="=山田^太郎"), with_identity=True)
    (patient,) = [one for one in report["contained"] if one["resourceType"] == "Patient"]
    assert patient["name"] == [{"text": "山田^太郎"}]


def test_missing_and_wrong_patient_data_are_left_out(
    prediction: Prediction, model: ModelName, dicom_image: Make
) -> None:
    with pytest.importorskip("pydicom.config").disable_value_validation():
        image = dicom_image(**ODD)
    report = report_on(prediction, model, dicom=image, with_identity=True)
    (patient,) = [one for one in report["contained"] if one["resourceType"] == "Patient"]
    assert patient == {"resourceType": "Patient", "id": "patient", "name": [{"family": "Ohne"}]}
    assert "effectiveDateTime" not in report


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        (
            "SCT",
            {"coding": [{"system": "http://snomed.info/sct", "code": "77568009", "display": "Back"}], "text": "Back"},
        ),
        ("SRT", {"text": "Back"}),
    ],
)
def test_body_site_is_that_of_the_image(
    prediction: Prediction, model: ModelName, dicom_image: Make, scheme: str, expected: object
) -> None:
    coding = pytest.importorskip("highdicom.sr").CodedConcept("77568009", scheme, "Back")
    report = report_on(prediction, model, dicom=dicom_image(AnatomicRegionSequence=[coding]))
    assert all(one["bodySite"] == expected for one in observations(report).values())
    stated = report_on(prediction, model, stated_site=Site.FOOT)
    assert {one["bodySite"]["text"] for one in observations(stated).values()} == {"Skin of foot"}
    assert stated["id"] != report_on(prediction, model)["id"]


def test_same_prediction_has_the_same_bytes_and_another_one_another_identifier(
    prediction: Prediction, abstention: Prediction, model: ModelName
) -> None:
    moved = prediction.model_copy(update={"image": "elsewhere/IMG 1.jpg"})
    assert report_on(prediction, model) == report_on(moved, model)
    other = model.model_copy(update={"graph_sha256": "f" * 64})
    identifiers = {
        report_on(prediction, model)["id"],
        report_on(abstention, model)["id"],
        report_on(prediction, model, data=b"other")["id"],
        report_on(prediction, other)["id"],
    }
    assert len(identifiers) == 4

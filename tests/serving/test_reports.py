"""Results in the forms of clinical systems, and as lines, by `Accept`."""

import io
import json
from collections.abc import Callable
from email import message_from_bytes
from typing import Any

import httpx2
import numpy as np
import pydicom
import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.diagnosticreport import DiagnosticReport
from pydicom.uid import ComprehensiveSRStorage
from starlette.testclient import TestClient

from lesionlab import RESEARCH_ONLY
from lesionlab.prediction import Predictor
from lesionlab.results import BatchLine, ProblemType
from tests.images.dicom.files import PATIENT, PRIVATE, dicom

pytestmark = pytest.mark.slow

Start = Callable[..., TestClient]
STUDY = "2.25.1"
DICOM_PARTS = 'multipart/related; type="application/dicom"'


def instance(number: int = 1, **changes: Any) -> bytes:
    uids = {
        "SOPInstanceUID": f"2.25.100{number}",
        "StudyInstanceUID": STUDY,
        "SeriesInstanceUID": "2.25.100",
        "InstanceNumber": number,
        "Modality": "DMS",
    }
    pixels = np.random.default_rng(number).integers(0, 256, (64, 64, 3), np.uint8)
    elements = {name: value for name, value in (PATIENT | uids | changes).items() if value is not None}
    return dicom(pixels, **elements)


@pytest.fixture(scope="session")
def image() -> bytes:
    return instance()


def stow(
    client: TestClient, *files: bytes, accept: str = "*/*", path: str = "", boundary: str = "XX"
) -> httpx2.Response:
    """Send instances as STOW-RS does."""
    parts = b"".join(
        b"--%s\r\nContent-Type: application/dicom\r\n\r\n%s\r\n" % (boundary.encode(), data) for data in files
    )
    kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
    return client.post(
        f"/v1/dicomweb/studies{path}",
        content=parts + f"--{boundary}--\r\n".encode(),
        headers={"Content-Type": kind, "Accept": accept},
    )


def test_structured_report_belongs_to_patient_and_study(server_of: Start, predictor: Predictor, image: bytes) -> None:
    response = server_of().post(
        "/v1/predict", content=image, headers={"Content-Type": "application/dicom", "Accept": "application/dicom"}
    )
    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/dicom")
    report = pydicom.dcmread(io.BytesIO(response.content))
    assert report.SOPClassUID == ComprehensiveSRStorage
    assert (report.PatientID, report.StudyInstanceUID) == (PATIENT["PatientID"], STUDY)
    assert report.CompletionFlagDescription == RESEARCH_ONLY
    assert predictor.info.graph_sha256 in report.to_json()


def test_fhir_report_has_no_patient(server_of: Start, image: bytes, jpeg: bytes) -> None:
    client = server_of()
    for data in (image, jpeg):
        response = client.post("/v1/predict?site=back", content=data, headers={"Accept": "application/fhir+json"})
        assert (response.status_code, response.headers["Content-Type"]) == (200, "application/fhir+json")
        report = response.json()
        DiagnosticReport.model_validate(report)
        assert RESEARCH_ONLY in report["conclusion"]
        assert not any(value in response.text for value in PRIVATE)
    assert report["contained"][2]["bodySite"]["text"] == "Skin of back"


def test_only_dicom_images_have_a_structured_report(server_of: Start, jpeg: bytes) -> None:
    client = server_of()
    for data in (jpeg, instance(StudyInstanceUID=None)):
        response = client.post("/v1/predict", content=data, headers={"Accept": "application/dicom"})
        assert response.status_code == 422
        assert response.json()["type"] == ProblemType.NO_REPORT.uri
        assert not any(value in response.text for value in PRIVATE)


def test_batch_as_lines(server_of: Start, predictor: Predictor, jpeg: bytes, image: bytes) -> None:
    client = server_of()
    files = [("files", jpeg), ("files", b"no image"), ("files", image)]
    response = client.post("/v1/predict/batch", files=files, headers={"Accept": "application/x-ndjson"})
    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/x-ndjson")
    assert "Content-Length" not in response.headers
    lines = [BatchLine.model_validate_json(line) for line in response.text.splitlines()]
    assert sorted(line.index for line in lines) == [0, 1, 2]
    by_index = {line.index: line for line in lines}
    assert by_index[1].problem is not None
    assert by_index[1].problem.kind is ProblemType.UNSUPPORTED_FORMAT
    result = by_index[0].result
    assert result is not None
    assert result.p_malignant == pytest.approx(predictor.predict(jpeg).p_malignant, abs=1e-6)
    assert {line.notice for line in lines} == {RESEARCH_ONLY}
    whole = client.post("/v1/predict/batch", files=files).json()
    assert [item["index"] for item in whole["results"]] == [0, 1, 2]
    assert "lesionlab_queue_images 0.0" in client.get("/metrics").text


def test_stow_request_has_the_results_of_the_batch(server_of: Start, image: bytes) -> None:
    client = server_of()
    in_form = client.post("/v1/predict/batch", files=[("files", image), ("files", b"x")]).json()["results"]
    in_parts = stow(client, image, b"x").json()["results"]
    assert in_parts[0]["result"] == in_form[0]["result"]
    assert in_parts[1]["problem"]["status"] == 415


def test_stow_request_for_structured_reports(server_of: Start, image: bytes, jpeg: bytes) -> None:
    response = stow(server_of(), image, jpeg, instance(3), accept=DICOM_PARTS)
    assert response.status_code == 200
    head = f"Content-Type: {response.headers['Content-Type']}\r\n\r\n".encode()
    message = message_from_bytes(head + response.content)
    kinds = [part.get_content_type() for part in message.walk()][1:]
    assert kinds == ["application/dicom", "application/problem+json", "application/dicom"]
    boundary = response.headers["Content-Type"].partition("boundary=")[2].encode()
    bodies = [part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for part in response.content.split(b"--" + boundary)]
    referenced = [
        pydicom.dcmread(io.BytesIO(body)).CurrentRequestedProcedureEvidenceSequence[0]
        .ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        for body in (bodies[1], bodies[3])
    ]  # fmt: skip
    assert referenced == ["2.25.1001", "2.25.1003"]
    assert json.loads(bodies[2])["type"] == ProblemType.NO_REPORT.uri


def test_stow_request_for_fhir(server_of: Start, image: bytes) -> None:
    response = stow(server_of(), image, b"x", accept="application/fhir+json")
    bundle = response.json()
    Bundle.model_validate(bundle)
    kinds = [entry["resource"]["resourceType"] for entry in bundle["entry"]]
    assert kinds == ["DiagnosticReport", "OperationOutcome"]
    assert not any(value in response.text for value in PRIVATE)


@pytest.mark.parametrize(
    ("files", "path", "status", "referenced", "failed"),
    [
        ([instance(1), instance(2)], "", 200, ["2.25.1001", "2.25.1002"], 0),
        ([instance(1), b"x"], "", 202, ["2.25.1001"], 1),
        ([b"x"], "", 409, [], 1),
        ([instance(1), instance(2, StudyInstanceUID="2.25.2")], f"/{STUDY}", 202, ["2.25.1001"], 1),
    ],
)
def test_stow_response(
    server_of: Start, files: list[bytes], path: str, status: int, referenced: list[str], failed: int
) -> None:
    response = stow(server_of(), *files, accept="application/dicom+json", path=path)
    assert (response.status_code, response.headers["Content-Type"]) == (status, "application/dicom+json")
    stored = pydicom.Dataset.from_json(response.json())
    assert [item.ReferencedSOPInstanceUID for item in stored.get("ReferencedSOPSequence", ())] == referenced
    assert len(stored.get("FailedSOPSequence", ())) == failed

"""Results as documents of clinical systems: DICOM Structured Reports and FHIR resources."""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from lesionlab.bundle import Site
from lesionlab.errors import ImageError
from lesionlab.images.dicom import read_dicom_header
from lesionlab.images.formats import DICOM as DICOM_FORMAT
from lesionlab.images.formats import HEAD_BYTES, is_dicom
from lesionlab.prediction.reports.source import SourceImage
from lesionlab.prediction.reports.writer import ReportFormat, report_bytes
from lesionlab.results import BatchItem, ModelName, Prediction, Problem, ProblemType
from lesionlab.serving.media import DICOM, DICOM_JSON, FHIR
from lesionlab.serving.problem import MEDIA_TYPE, ProblemError

_FORMATS: Final = {DICOM: ReportFormat.DICOM_SR, FHIR: ReportFormat.FHIR}
# FailureReason (PS3.3, C.14): the instance is not understood, or is not of the study in the path.
_NOT_UNDERSTOOD: Final = 0xC000


@dataclass(frozen=True)
class Answered:
    """An uploaded image and its item in the response."""

    data: bytes
    item: BatchItem


async def report(
    media_type: str, data: bytes, prediction: Prediction, model: ModelName, site: Site | None = None
) -> bytes:
    """Return the report on an uploaded image, as DICOM SR or FHIR DiagnosticReport by the media type.

    A Structured Report has the patient and the study of its image; a FHIR report refers to it by its UIDs alone.

    Raises:
        ProblemError: 422, the image is not DICOM, or its header is not valid; 406, the extra is not installed.
    """
    if media_type == DICOM and (remedy := DICOM_FORMAT.remedy()):
        raise ProblemError(ProblemType.NOT_ACCEPTABLE, f"this server writes no DICOM; {remedy}")

    def written() -> bytes:
        header = read_dicom_header(data) if is_dicom(data[:HEAD_BYTES]) else None
        return report_bytes(_FORMATS[media_type], prediction, model, SourceImage("image", data, header, None, site))

    try:
        return await run_in_threadpool(written)
    except ImageError as error:
        raise ProblemError(ProblemType.NO_REPORT, str(error)) from error


async def reports_in_parts(answered: Sequence[Answered], model: ModelName, request_id: str) -> Response:
    """Return multipart/related with a part for each image in order: its Structured Report, or its problem."""
    boundary = uuid.uuid4().hex
    body = bytearray()
    for one in answered:
        kind, content = DICOM, b""
        problem = one.item.problem
        if one.item.result is not None:
            try:
                content = await report(DICOM, one.data, one.item.result, model)
            except ProblemError as error:
                problem = error.problem(request_id)
        if problem is not None:
            kind, content = MEDIA_TYPE, problem.model_dump_json().encode()
        head = f"--{boundary}\r\nContent-Type: {kind}\r\nContent-ID: <{one.item.index}>\r\n\r\n"
        body += head.encode() + content + b"\r\n"
    body += f"--{boundary}--\r\n".encode()
    return Response(bytes(body), media_type=f'multipart/related; type="{DICOM}"; boundary={boundary}')


async def fhir_collection(answered: Sequence[Answered], model: ModelName) -> Response:
    """Return a FHIR Bundle with a DiagnosticReport or, for an image without result, an OperationOutcome, in order."""
    entries: list[dict[str, Any]] = []
    for one in answered:
        if one.item.result is not None:
            resource = json.loads(await report(FHIR, one.data, one.item.result, model))
            entries.append({"fullUrl": resource["identifier"][0]["value"], "resource": resource})
        elif one.item.problem is not None:
            entries.append({"fullUrl": uuid.uuid4().urn, "resource": _outcome(one.item.index, one.item.problem)})
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    return Response(json.dumps(bundle, ensure_ascii=False).encode("utf-8", "backslashreplace"), media_type=FHIR)


def stow_response(answered: Sequence[Answered]) -> Response:
    """Return the response of STOW-RS (PS3.18, 10.5.3): the instances that have a result, and those that failed.

    Nothing is stored, so that there is no address to retrieve them from.
    """
    lists: dict[str, list[dict[str, Any]]] = {"00081199": [], "00081198": []}
    for one in answered:
        failed = one.item.result is None
        instance = _instance(one.data)
        if failed:
            instance["00081197"] = {"vr": "US", "Value": [_NOT_UNDERSTOOD]}
        lists["00081198" if failed else "00081199"].append(instance)
    content = {tag: {"vr": "SQ", "Value": items} for tag, items in lists.items() if items}
    failures = "00081198" in content
    status = (202 if "00081199" in content else 409) if failures else 200
    return Response(json.dumps(content), status, media_type=DICOM_JSON)


def study_of(data: bytes) -> str | None:
    """Return the Study Instance UID of an instance; None for other files."""
    return _uid(data, "StudyInstanceUID")


def _instance(data: bytes) -> dict[str, Any]:
    uids = {"00081150": _uid(data, "SOPClassUID"), "00081155": _uid(data, "SOPInstanceUID")}
    return {tag: {"vr": "UI", "Value": [uid]} if uid else {"vr": "UI"} for tag, uid in uids.items()}


def _uid(data: bytes, keyword: str) -> str | None:
    if not is_dicom(data[:HEAD_BYTES]):
        return None
    try:
        return str(read_dicom_header(data).get(keyword) or "") or None
    except ImageError:
        return None


def _outcome(index: int, problem: Problem) -> dict[str, Any]:
    issue = {"severity": "error", "code": "processing", "diagnostics": f"image {index}: {problem.detail}"}
    return {"resourceType": "OperationOutcome", "issue": [issue]}

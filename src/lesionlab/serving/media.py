"""Media types of responses, and their choice by the header `Accept` (RFC 9110, 12.5.1)."""

from email.message import Message
from typing import Final

from starlette.requests import Request

from lesionlab.results import ProblemType
from lesionlab.serving.problem import ProblemError

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
FHIR: Final = "application/fhir+json"
DICOM: Final = "application/dicom"
DICOM_JSON: Final = "application/dicom+json"
DICOM_PARTS: Final = 'multipart/related; type="application/dicom"'

_MAX_RANGES: Final = 32


def accepted(request: Request, *offered: str) -> str:
    """Return the media type of the response: of those offered, the one that the client prefers, else the first.

    Raises:
        ProblemError: 406, the client accepts none.
    """
    header = ",".join(request.headers.getlist("accept")) or "*/*"
    ranges = [_parsed(text) for text in header.split(",")[:_MAX_RANGES] if text.strip()]
    best = max(offered, key=lambda media_type: _quality(media_type, ranges))
    if _quality(best, ranges) > 0:
        return best
    raise ProblemError(ProblemType.NOT_ACCEPTABLE, f"the response has one of the types {', '.join(offered)}")


def _quality(media_type: str, ranges: list[Message]) -> float:
    """Return the weight of a media type by the most specific range that includes it; 0 without one."""
    offered = _parsed(media_type)
    major = f"{offered.get_content_maintype()}/*"
    weights = {0: 0.0}
    for one in ranges:
        name = _name(one)
        wanted = one.get_param("type")
        if name == _name(offered) and wanted in (None, offered.get_param("type")):
            weights[3] = _weight(one)
        elif name == major:
            weights[2] = _weight(one)
        elif name == "*/*":
            weights[1] = _weight(one)
    return weights[max(weights)]


def _parsed(text: str) -> Message:
    parsed = Message()
    parsed["Content-Type"] = text.strip()
    return parsed


def _name(parsed: Message) -> str:
    # `get_content_type` has a default for what is not valid.
    return str(parsed["Content-Type"]).partition(";")[0].strip().lower()


def _weight(one: Message) -> float:
    try:
        return float(str(one.get_param("q", "1")))
    except ValueError:
        return 0.0

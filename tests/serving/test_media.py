from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from lesionlab.results import ProblemType
from lesionlab.serving.media import DICOM, DICOM_JSON, DICOM_PARTS, FHIR, JSON, NDJSON, accepted
from lesionlab.serving.problem import ProblemError

ALL = (JSON, NDJSON, FHIR, DICOM, DICOM_PARTS, DICOM_JSON)


def request(*headers: str) -> Request:
    return Request({"type": "http", "headers": [(b"accept", header.encode("latin-1")) for header in headers]})


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], JSON),
        (["*/*"], JSON),
        (["application/*"], JSON),
        (["application/fhir+json"], FHIR),
        (["Application/FHIR+JSON; charset=utf-8"], FHIR),
        (["application/json;q=0.5, application/x-ndjson"], NDJSON),
        (["*/*;q=0.1", "application/dicom"], DICOM),
        (["application/json;q=0, */*"], NDJSON),
        (['multipart/related; type="application/dicom"'], DICOM_PARTS),
        (["multipart/related;type=application/dicom;transfer-syntax=*"], DICOM_PARTS),
        (["application/dicom+json"], DICOM_JSON),
        (["text/html, */*;q=0.1"], JSON),
    ],
)
def test_preferred_media_type(headers: list[str], expected: str) -> None:
    assert accepted(request(*headers), *ALL) == expected


@pytest.mark.parametrize(
    "header", ["text/html", "application/json;q=0", 'multipart/related; type="image/jpeg"', "json"]
)
def test_no_media_type_is_accepted(header: str) -> None:
    with pytest.raises(ProblemError) as rejected:
        accepted(request(header), *ALL)
    assert rejected.value.kind is ProblemType.NOT_ACCEPTABLE


@given(st.text(st.characters(max_codepoint=255), max_size=60))
def test_any_header_gives_a_type_or_the_problem(header: str) -> None:
    with suppress(ProblemError):
        assert accepted(request(header), *ALL) in ALL

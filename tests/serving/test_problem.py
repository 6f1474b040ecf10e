"""Every error is a problem (RFC 9457) without request content."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from lesionlab.prediction import Predictor
from lesionlab.results import ProblemType

Start = Callable[..., TestClient]
IMAGE = {"Content-Type": "image/jpeg"}
FORM = {"Content-Type": "multipart/form-data; boundary=b"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "path", "headers", "content", "kind", "words"),
    [
        ("GET", "/nowhere/jane-doe.jpg", {}, b"", ProblemType.NOT_FOUND, "nothing at this path"),
        ("GET", "/v1/predict", {}, b"", ProblemType.METHOD_NOT_ALLOWED, "does not support this method"),
        ("BREW", "/v1/predict", {}, b"", ProblemType.METHOD_NOT_ALLOWED, "does not support this method"),
        ("POST", "/v1/predict", IMAGE, b"", ProblemType.UNREADABLE_IMAGE, "empty"),
        ("POST", "/v1/predict", {}, b"jane doe", ProblemType.UNSUPPORTED_FORMAT, "holds text"),
        ("POST", "/v1/predict", IMAGE, b"%PDF-1.7", ProblemType.UNSUPPORTED_FORMAT, "PDF"),
        (
            "POST",
            "/v1/predict",
            {"Content-Type": "application/json"},
            b"{}",
            ProblemType.UNSUPPORTED_BODY,
            "field `file`",
        ),
        (
            "POST",
            "/v1/predict",
            IMAGE | {"Content-Encoding": "gzip"},
            b"\x1f\x8b",
            ProblemType.UNSUPPORTED_BODY,
            "compressed",
        ),
        ("POST", "/v1/predict", {"Content-Type": "multipart/form-data"}, b"x", ProblemType.INVALID_FORM, "boundary"),
        ("POST", "/v1/predict", FORM, b"no form", ProblemType.INVALID_FORM, "malformed"),
        ("POST", "/v1/predict", FORM, b"--b--\r\n", ProblemType.INVALID_FILES, "no file"),
        (
            "POST",
            "/v1/predict",
            FORM,
            b"--b\r\nContent-Disposition: x\r\n\r\n1\r\n--b--\r\n",
            ProblemType.INVALID_FORM,
            "name",
        ),
        (
            "POST",
            "/v1/predict?age=121",
            IMAGE,
            b"x",
            ProblemType.INVALID_FIELDS,
            "age: input should be less than or equal to 120",
        ),
        ("POST", "/v1/predict?age=inf", IMAGE, b"x", ProblemType.INVALID_FIELDS, "age"),
        (
            "POST",
            "/v1/predict?sex=jane",
            IMAGE,
            b"x",
            ProblemType.INVALID_FIELDS,
            "sex: input should be 'female' or 'male'",
        ),
        ("POST", "/v1/predict?site=jane", IMAGE, b"x", ProblemType.INVALID_FIELDS, "site"),
        ("POST", "/v1/predict", IMAGE | {"Accept": "text/html"}, b"x", ProblemType.NOT_ACCEPTABLE, "application/json"),
        ("POST", "/v1/predict/batch", IMAGE, b"x", ProblemType.UNSUPPORTED_BODY, "field `files`"),
    ],
)
def test_every_error_is_a_problem(
    server_of: Start, method: str, path: str, headers: dict[str, str], content: bytes, kind: ProblemType, words: str
) -> None:
    response = server_of().request(method, path, headers=headers, content=content)
    assert response.status_code == kind.status
    assert response.headers["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert set(problem) == {"type", "title", "status", "detail", "request_id", "errors"}
    assert (problem["type"], problem["title"], problem["status"]) == (kind.uri, kind.title, kind.status)
    assert words in problem["detail"]
    assert "jane" not in response.text
    assert problem["request_id"] == response.headers["X-Request-ID"]


@pytest.mark.parametrize(
    ("fields", "pointers", "words"),
    [
        ({"age": "old"}, ["#/age"], "age: input should be a valid number"),
        ({"age": "old", "sex": "3"}, ["#/age", "#/sex"], "'female' or 'male'"),
        ({"Age": "7"}, ["#/Age"], "Age: unknown field; known fields: age, sex, site"),
        ({"jane doe": "7", "x" * 65: "8"}, ["#", "#"], "unknown field"),
        ({"file": "text"}, ["#/file"], "one file in the field `file`"),
    ],
)
def test_invalid_fields_are_named(
    server_of: Start, jpeg: bytes, fields: dict[str, str], pointers: list[str], words: str
) -> None:
    client = server_of()
    response = client.post("/v1/predict", files={"file": jpeg}, data=fields)
    assert response.status_code == 422
    problem = response.json()
    assert [error["pointer"] for error in problem["errors"]] == pointers
    assert words in problem["detail"]
    assert "jane" not in response.text
    if "file" not in fields:
        in_query = client.post("/v1/predict", content=jpeg, params=fields).json()
        assert in_query["errors"] == problem["errors"]


def test_class_to_explain_is_a_field(server_of: Start, jpeg: bytes) -> None:
    client = server_of()
    problem = client.post("/v1/explain?diagnosis=wart", content=jpeg).json()
    assert problem["type"] == ProblemType.INVALID_FIELDS.uri
    assert [error["pointer"] for error in problem["errors"]] == ["#/diagnosis"]
    unknown = client.post("/v1/explain?class=mel", content=jpeg).json()
    assert "class: unknown field; known fields: age, sex, site, prevalence, risk, diagnosis" in unknown["detail"]


def test_types_of_problems_are_distinct() -> None:
    assert len({kind.uri for kind in ProblemType}) == len(ProblemType)
    for kind in ProblemType:
        assert ProblemType.of(kind.uri) is kind
    assert ProblemType.of("about:blank") is None


def test_wrong_number_of_files(server_of: Start, jpeg: bytes) -> None:
    client = server_of(max_batch=2)
    for path, name, count in (("/v1/predict", "file", 2), ("/v1/predict/batch", "files", 3)):
        response = client.post(path, files=[(name, jpeg)] * count)
        assert response.status_code == 422
        assert "too many files" in response.json()["detail"]
    assert client.post("/v1/predict/batch", files=[("image", jpeg)]).status_code == 422
    assert client.post("/v1/predict/batch", files=[("files", jpeg)], data={"age": "3"}).status_code == 422


def test_internal_errors_are_logged_but_not_reported(
    server_of: Start,
    predictor: Predictor,
    jpeg: bytes,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = server_of()

    def fail(_images: object, **_: object) -> None:
        raise RuntimeError("internal detail")

    with monkeypatch.context() as patch:
        patch.setattr(predictor.pipeline, "predict", fail)
        response = client.post("/v1/predict", content=jpeg)
    assert response.status_code == 500
    assert response.headers["Content-Security-Policy"]
    assert "internal detail" not in response.text
    assert "RuntimeError" not in response.text
    assert "internal detail" in caplog.text
    assert response.json()["request_id"] in caplog.text
    assert client.post("/v1/predict", content=jpeg).status_code == 200

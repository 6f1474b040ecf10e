"""Every error is a problem (RFC 9457) without request content."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from lesionlab.prediction import Predictor

Start = Callable[..., TestClient]
IMAGE = {"Content-Type": "image/jpeg"}
FORM = {"Content-Type": "multipart/form-data; boundary=b"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "path", "headers", "content", "status", "words"),
    [
        ("GET", "/nowhere/jane-doe.jpg", {}, b"", 404, "nothing at this path"),
        ("GET", "/v1/predict", {}, b"", 405, "does not support this method"),
        ("BREW", "/v1/predict", {}, b"", 405, "does not support this method"),
        ("POST", "/v1/predict", IMAGE, b"", 422, "empty"),
        ("POST", "/v1/predict", {}, b"jane doe", 415, "holds text"),
        ("POST", "/v1/predict", IMAGE, b"%PDF-1.7", 415, "PDF"),
        ("POST", "/v1/predict", {"Content-Type": "application/json"}, b"{}", 415, "field `file`"),
        ("POST", "/v1/predict", IMAGE | {"Content-Encoding": "gzip"}, b"\x1f\x8b", 415, "compressed"),
        ("POST", "/v1/predict", {"Content-Type": "multipart/form-data"}, b"x", 400, "boundary"),
        ("POST", "/v1/predict", FORM, b"no form", 400, "malformed"),
        ("POST", "/v1/predict", FORM, b"--b--\r\n", 422, "no file"),
        ("POST", "/v1/predict", FORM, b"--b\r\nContent-Disposition: x\r\n\r\n1\r\n--b--\r\n", 400, "name"),
        ("POST", "/v1/predict?age=121", IMAGE, b"x", 422, "age: input should be less than or equal to 120"),
        ("POST", "/v1/predict?age=inf", IMAGE, b"x", 422, "age"),
        ("POST", "/v1/predict?sex=jane", IMAGE, b"x", 422, "sex: input should be 'female' or 'male'"),
        ("POST", "/v1/predict?site=jane", IMAGE, b"x", 422, "site"),
        ("POST", "/v1/predict?jane=doe", IMAGE, b"x", 422, "an unknown field"),
        ("POST", "/v1/predict/batch", IMAGE, b"x", 415, "field `files`"),
    ],
)
def test_every_error_is_a_problem(
    server_of: Start, method: str, path: str, headers: dict[str, str], content: bytes, status: int, words: str
) -> None:
    response = server_of().request(method, path, headers=headers, content=content)
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert set(problem) == {"type", "title", "status", "detail", "request_id"}
    assert problem["status"] == status
    assert problem["type"] == "about:blank"
    assert problem["title"]
    assert words in problem["detail"]
    assert "jane" not in response.text
    assert problem["request_id"] == response.headers["X-Request-ID"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"age": "old"}, "age"),
        ({"diagnosis": "mel"}, "unknown field"),
        ({"jane": "doe"}, "unknown field"),
        ({"file": "text"}, "one file in the field `file`"),
    ],
)
def test_invalid_form_fields(server_of: Start, jpeg: bytes, fields: dict[str, str], words: str) -> None:
    response = server_of().post("/v1/predict", files={"file": jpeg}, data=fields)
    assert response.status_code == 422
    assert words in response.json()["detail"]


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

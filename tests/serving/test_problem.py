"""Every error is a problem (RFC 9457), whoever found it, and tells nothing that was sent."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from lesionlab.prediction import Predictor

Start = Callable[..., TestClient]
IMAGE = {"Content-Type": "image/jpeg"}
FORM = {"Content-Type": "multipart/form-data; boundary=b"}


@pytest.mark.parametrize(
    ("method", "path", "headers", "content", "status", "words"),
    [
        ("GET", "/nowhere/jane-doe.jpg", {}, b"", 404, "nothing at this address"),
        ("GET", "/v1/predict", {}, b"", 405, "does not answer to this method"),
        ("BREW", "/v1/predict", {}, b"", 405, "does not answer to this method"),
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
        ("POST", "/v1/predict?age=nan", IMAGE, b"x", 422, "age"),
        ("POST", "/v1/predict?sex=jane", IMAGE, b"x", 422, "sex: input should be 'female' or 'male'"),
        ("POST", "/v1/predict?site=jane", IMAGE, b"x", 422, "site"),
        ("POST", "/v1/predict?jane=doe", IMAGE, b"x", 422, "a field that is not known here"),
        ("POST", "/v1/predict/batch", IMAGE, b"x", 415, "field `files`"),
    ],
)
def test_every_error_is_a_problem(
    server_of: Start, method: str, path: str, headers: dict[str, str], content: bytes, status: int, words: str
) -> None:
    answer = server_of().request(method, path, headers=headers, content=content)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert set(problem) == {"type", "title", "status", "detail", "request_id"}
    assert problem["status"] == status
    assert problem["type"] == "about:blank"
    assert problem["title"]
    assert words in problem["detail"]
    assert "jane" not in answer.text
    assert problem["request_id"] == answer.headers["X-Request-ID"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"age": "old"}, "age"),
        ({"diagnosis": "mel"}, "not known here"),
        ({"jane": "doe"}, "not known here"),
        ({"file": "text"}, "one file in the field `file`"),
    ],
)
def test_wrong_fields_of_a_form(server_of: Start, jpeg: bytes, fields: dict[str, str], words: str) -> None:
    answer = server_of().post("/v1/predict", files={"file": jpeg}, data=fields)
    assert answer.status_code == 422
    assert words in answer.json()["detail"]


def test_the_wrong_number_of_files(server_of: Start, jpeg: bytes) -> None:
    client = server_of(max_batch=2)
    for path, name, count in (("/v1/predict", "file", 2), ("/v1/predict/batch", "files", 3)):
        answer = client.post(path, files=[(name, jpeg)] * count)
        assert answer.status_code == 422
        assert "too many files" in answer.json()["detail"]
    assert client.post("/v1/predict/batch", files=[("image", jpeg)]).status_code == 422
    assert client.post("/v1/predict/batch", files=[("files", jpeg)], data={"age": "3"}).status_code == 422


def test_a_fault_inside_tells_no_inner_word(
    server_of: Start,
    predictor: Predictor,
    jpeg: bytes,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = server_of()

    def fail(_images: object, **_: object) -> None:
        raise RuntimeError("inner word")

    with monkeypatch.context() as patch:
        patch.setattr(predictor, "judge", fail)
        answer = client.post("/v1/predict", content=jpeg)
    assert answer.status_code == 500
    assert answer.headers["Content-Security-Policy"]
    assert "inner" not in answer.text
    assert "RuntimeError" not in answer.text
    assert "inner word" in caplog.text
    assert answer.json()["request_id"] in caplog.text
    assert client.post("/v1/predict", content=jpeg).status_code == 200

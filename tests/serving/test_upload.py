"""Uploads stay in memory and are limited while they are read."""

import io
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

Start = Callable[..., TestClient]
MEGABYTE = 1_000_000


@pytest.fixture(scope="session")
def large_png() -> bytes:
    """More than 15 MB that cannot be compressed."""
    noise = np.random.default_rng(0).integers(0, 256, (2_000, 2_600, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).save(out, "PNG", compress_level=1)
    return out.getvalue()


class _Opened:
    """Records each file that the interpreter opens or creates while it is on."""

    def __init__(self) -> None:
        self.on = False
        self.files: list[str] = []
        sys.addaudithook(self._hook)  # it cannot be removed, only switched off

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.on and event in ("open", "tempfile.mkstemp", "tempfile.mkdtemp", "os.mkdir", "os.rename"):
            self.files.append(f"{event} {arguments[0]}")


OPENED = _Opened()


@pytest.mark.slow
def test_uploads_are_not_written_to_disk(server_of: Start, large_png: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(large_png) > 15 * MEGABYTE
    client = server_of()
    client.post("/v1/predict", files={"file": large_png[:2000]})  # triggers late imports
    client.post("/v1/predict/batch", files=[("files", large_png[:2000])])

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("a temporary file")

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", fail)
    OPENED.files.clear()
    OPENED.on = True
    try:
        in_form = client.post("/v1/predict", files={"file": ("x.png", large_png)}, data={"age": "5"})
        as_body = client.post("/v1/predict", content=large_png)
        batch = client.post("/v1/predict/batch", files=[("files", large_png), ("files", large_png)])
    finally:
        OPENED.on = False
    assert [response.status_code for response in (in_form, as_body, batch)] == [200, 200, 200]
    assert OPENED.files == []


def test_hook_records_files() -> None:
    OPENED.files.clear()
    OPENED.on = True
    try:
        with tempfile.SpooledTemporaryFile(max_size=10) as spooled:
            spooled.write(b"x" * 11)
    finally:
        OPENED.on = False
    assert OPENED.files


def test_large_content_length_is_rejected_before_the_body_is_read(server_of: Start) -> None:
    client = server_of(max_bytes=MEGABYTE)
    request = client.build_request("POST", "/v1/predict", content=b"x")
    request.headers["Content-Length"] = str(20 * MEGABYTE)
    assert client.send(request).status_code == 413


def test_large_body_is_rejected_while_it_is_read(server_of: Start, large_png: bytes) -> None:
    client = server_of(max_bytes=MEGABYTE)
    for name, path in (("file", "/v1/predict"), ("files", "/v1/predict/batch"), ("file", "/v1/explain")):
        response = client.post(path, files={name: large_png})
        assert (response.status_code, response.json()["status"]) == (413, 413)
    # A batch may be larger than the limit of a file, but each of its files may not.
    one = server_of(max_bytes=MEGABYTE).post("/v1/predict/batch", files=[("files", large_png[: 3 * MEGABYTE])])
    assert one.json()["results"][0]["problem"]["status"] == 413


@pytest.mark.slow
@pytest.mark.parametrize(
    "form",
    [
        b'--b\r\nContent-Disposition: form-data; name="age"\r\n\r\n' + b"1" * 2_000 + b"\r\n--b--\r\n",
        b'--b\r\nContent-Disposition: form-data; name="age"\r\nX: ' + b"1" * 9_000 + b"\r\n\r\n1\r\n--b--\r\n",
        b"".join(b'--b\r\nContent-Disposition: form-data; name="n%d"\r\n\r\n1\r\n' % n for n in range(9))
        + b"--b--\r\n",
        b"--b\r\n" + b"".join(b"X%d: 1\r\n" % n for n in range(50)) + b"\r\n1\r\n--b--\r\n",
    ],
    ids=["a large field", "a large header", "many fields", "many headers"],
)
def test_form_parts_are_limited(server_of: Start, form: bytes) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    response = server_of().post("/v1/predict", headers=headers, content=form)
    assert (response.status_code, response.json()["status"]) == (400, 400)


def test_excess_files_are_rejected_before_the_rest_is_read(server_of: Start) -> None:
    part = b'--b\r\nContent-Disposition: form-data; name="files"; filename="f"\r\n\r\n1\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    response = server_of(max_batch=3).post("/v1/predict/batch", headers=headers, content=part * 4 + b"--b--\r\n")
    assert response.status_code == 422
    assert "too many files" in response.json()["detail"]

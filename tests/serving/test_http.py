"""HTTP as integrators expect it: HEAD, validators, compression, other origins, proxies and trace identifiers."""

import gzip
import json
import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from lesionlab.results import ProblemType
from lesionlab.web.bundle import PAGE
from tests.serving.test_protocol import assert_problem, connected, response_of

Start = Callable[..., TestClient]
Listen = Callable[..., int]
KEY = "0123456789abcdef"
ORIGIN = "https://skin.example"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.slow
def test_every_route_that_supports_get_supports_head(listening: Listen, server_of: Start) -> None:
    paths = server_of().get("/openapi.json").json()["paths"]
    gets = [path for path, operations in paths.items() if "get" in operations and "{" not in path]
    assert len(gets) >= 5
    assert not any("head" in operations for operations in paths.values())
    port = listening()
    for path in (*gets, "/", "/assets/icon.svg", "/docs", "/openapi.json"):
        found = {}
        for method in ("HEAD", "GET"):
            with connected(port) as connection:
                request = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
                connection.sendall(request.encode())
                data = b""
                while chunk := connection.recv(65_536):
                    data += chunk
            head, _, body = data.partition(b"\r\n\r\n")
            found[method] = (head.split(b"\r\n")[0], re.findall(rb"(?im)^content-type: .*$", head), body)
        assert found["HEAD"][:2] == found["GET"][:2], path
        assert b" 200 " in found["HEAD"][0]
        assert found["HEAD"][2] == b"" != found["GET"][2]


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", ["/v1/model", "/v1/model/evaluation", "/openapi.json", "/", "/assets/icon.svg", "/docs"]
)
def test_unchanged_content_is_not_sent_again(server_of: Start, path: str) -> None:
    client = server_of()
    first = client.get(path)
    tag = first.headers["ETag"]
    assert "no-cache" in first.headers["Cache-Control"]
    for sent in (tag, f'"other", {tag}', tag.removeprefix("W/")):
        again = client.get(path, headers={"If-None-Match": sent})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_responses_are_compressed_for_clients_that_accept_it(server_of: Start, jpeg: bytes) -> None:
    client = server_of()
    for path in ("/v1/model", "/assets/app.js"):
        with client.stream("GET", path, headers={"Accept-Encoding": "gzip"}) as response:
            raw = b"".join(response.iter_raw())
        assert response.headers["Content-Encoding"] == "gzip"
        assert "Accept-Encoding" in response.headers["Vary"]
        plain = client.get(path, headers={"Accept-Encoding": "identity"})
        assert "Content-Encoding" not in plain.headers
        assert gzip.decompress(raw) == plain.content
        assert len(raw) < len(plain.content) / 2
    assert "Content-Encoding" not in client.get("/healthz", headers={"Accept-Encoding": "gzip"}).headers


def test_other_origins_need_the_option(server_of: Start, jpeg: bytes) -> None:
    preflight = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    closed = server_of(api_key=KEY)
    assert closed.options("/v1/predict", headers=preflight).status_code == 401
    opened = server_of(api_key=KEY, cors_origins=[ORIGIN])
    allowed = opened.options("/v1/predict", headers=preflight)
    assert allowed.status_code == 200
    assert allowed.headers["Access-Control-Allow-Origin"] == ORIGIN
    rejected = opened.post("/v1/predict", content=jpeg, headers={"Origin": ORIGIN})
    assert (rejected.status_code, rejected.headers["Access-Control-Allow-Origin"]) == (401, ORIGIN)
    assert "Retry-After" in rejected.headers["Access-Control-Expose-Headers"]
    headers = {"Origin": ORIGIN, "Authorization": f"Bearer {KEY}"}
    assert opened.post("/v1/predict", content=jpeg, headers=headers).headers["Access-Control-Allow-Origin"] == ORIGIN
    evil = preflight | {"Origin": "https://evil.example"}
    assert "Access-Control-Allow-Origin" not in opened.options("/v1/predict", headers=evil).headers


@pytest.mark.parametrize(
    "settings",
    [
        {"cors_origins": ["skin.example"]},
        {"cors_origins": ["https://skin.example/"]},
        {"cors_origins": ["null"]},
        {"trusted_proxies": ["proxy"]},
        {"root_path": "lesionlab"},
        {"root_path": "/lesionlab/"},
    ],
)
def test_invalid_settings_are_rejected(server_of: Start, settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        server_of(**settings)


@pytest.mark.parametrize("second", [b"localhost", b"evil.example"])
def test_two_host_headers_are_rejected(listening: Listen, second: bytes) -> None:
    with connected(listening()) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: " + second + b"\r\n\r\n")
        response = response_of(connection)
        assert_problem(response, 400)
        assert json.loads(response[2])["type"] == ProblemType.INVALID_HTTP.uri


@pytest.mark.slow
def test_address_of_the_client_is_that_of_a_trusted_proxy(server_of: Start) -> None:
    def statuses(trusted: list[str]) -> list[int]:
        app = server_of(rate="1/minute", trusted_proxies=trusted).app
        proxy = TestClient(app, client=("10.0.0.1", 1))
        others = [proxy.get("/v1/model", headers={"X-Forwarded-For": f"192.0.2.{n}"}).status_code for n in (1, 2)]
        return [*others, proxy.get("/v1/model", headers={"X-Forwarded-For": "192.0.2.2"}).status_code]

    assert statuses(["10.0.0.0/24"]) == [200, 200, 429]
    assert statuses(["10.0.1.0/24"]) == [200, 429, 429]
    assert statuses([]) == [200, 429, 429]


@pytest.mark.slow
@pytest.mark.parametrize("removed", [True, False], ids=["removed by the proxy", "kept by the proxy"])
def test_path_below_which_a_proxy_has_the_server(server_of: Start, jpeg: bytes, removed: bool) -> None:
    client = server_of(root_path="/lesionlab", api_key=KEY, rate="3/minute")
    prefix = "" if removed else "/lesionlab"
    for path in ("/", "/docs", "/healthz", "/assets/icon.svg"):
        assert client.get(prefix + path).status_code == 200
    assert client.get(f"{prefix}/openapi.json").json()["servers"] == [{"url": "/lesionlab"}]
    for path in ("/v1/model", "/metrics"):
        assert client.get(prefix + path).status_code == 401
    headers = {"X-API-Key": KEY}
    started = client.post(f"{prefix}/v1/jobs", files=[("files", jpeg)], headers=headers)
    assert started.headers["Location"].startswith("/lesionlab/v1/jobs/")
    assert client.get(prefix + "/v1/model", headers=headers).status_code == 200
    assert client.get(prefix + "/v1/model", headers=headers).status_code == 429


def test_path_of_the_proxy_without_slash_leads_to_the_page(server_of: Start) -> None:
    response = server_of(root_path="/lesionlab").get("/lesionlab", follow_redirects=False)
    assert (response.status_code, response.headers["Location"]) == (307, "/lesionlab/")


def test_trace_of_the_client_is_logged_and_continued(server_of: Start, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "lesionlab.serving.access")
    client = server_of()
    response = client.get("/healthz", headers={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})
    assert re.fullmatch(rf"00-{TRACE}-[0-9a-f]{{16}}-01", response.headers["traceresponse"])
    assert caplog.records[-1].getMessage().endswith(f" trace {TRACE}")
    for bad in ("", "00-" + "0" * 32 + "-00f067aa0ba902b7-01", f"ff-{TRACE}-00f067aa0ba902b7-01", f"00-{TRACE}-x-01"):
        assert "traceresponse" not in client.get("/healthz", headers={"traceparent": bad}).headers


def test_responses_state_what_is_left_of_the_rate(server_of: Start) -> None:
    client = server_of(rate="3/minute")
    responses = [client.get("/v1/model") for _ in range(4)]
    assert [response.status_code for response in responses] == [200, 200, 200, 429]
    assert {response.headers["RateLimit-Policy"] for response in responses} == {'"default";q=3;w=60'}
    left = [re.fullmatch(r'"default";r=(\d+);t=\d+', response.headers["RateLimit"]) for response in responses]
    assert [match and match[1] for match in left] == ["2", "1", "0", "0"]
    assert "RateLimit" not in client.get("/healthz").headers
    assert "RateLimit" not in server_of().get("/v1/model").headers


@pytest.mark.slow
def test_page_of_the_api_needs_no_other_host(server_of: Start) -> None:
    client = server_of()
    page = client.get("/docs").text
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(addresses) >= 4
    for address in addresses:
        assert client.get(f"/{address}").status_code == 200
    assert (PAGE.parent / "api_page" / "vendor" / "LICENSE-swagger-ui.txt").is_file()


@pytest.mark.slow
def test_description_has_keys_names_headers_and_examples(server_of: Start) -> None:
    schema = server_of().get("/openapi.json").json()
    assert set(schema["components"]["securitySchemes"]) == {"key", "bearer"}
    operations = [operation for path in schema["paths"].values() for operation in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    assert {"predict", "predict_batch", "explain", "model", "evaluation", "create_job"} <= set(names)
    for path, item in schema["paths"].items():
        for operation in item.values():
            assert ("security" in operation) == (path.startswith("/v1/") or path == "/metrics")
            for status, response in operation["responses"].items():
                assert "X-Request-ID" in response["headers"]
                if status in ("429", "503"):
                    assert "Retry-After" in response["headers"]
                if int(status) >= 400:
                    assert response["content"]["application/problem+json"]["examples"]


@pytest.mark.slow
def test_description_has_no_null_that_the_server_rejects(server_of: Start) -> None:
    schema = server_of().get("/openapi.json").json()
    for path in ("/v1/predict", "/v1/explain"):
        operation = schema["paths"][path]["post"]
        form = operation["requestBody"]["content"]["multipart/form-data"]["schema"]
        described = [form, *(parameter["schema"] for parameter in operation["parameters"])]
        assert "null" not in json.dumps(described)

"""Request identifiers, headers, host names, rates, keys and the log."""

import logging
import re
from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from lesionlab.serving.settings import LOOPBACK_NAMES

Start = Callable[..., TestClient]
KEY = "0123456789abcdef"
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; "
    "img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", ["/", "/assets/icon.svg", "/healthz", "/v1/model", "/v1/predict", "/nowhere", "/metrics", "/openapi.json"]
)
def test_every_response_has_security_headers(server_of: Start, path: str) -> None:
    client = server_of()
    for response in (client.get(path), client.options(path, headers={"Origin": "http://evil.example"})):
        for name, value in SECURITY_HEADERS.items():
            assert response.headers[name] == value
        assert response.headers["Permissions-Policy"].startswith("camera=(self), ")
        kept = {"/": "no-cache", "/assets/icon.svg": "no-cache"}
        kept |= {"/v1/model": "private, no-cache", "/openapi.json": "private, no-cache"}
        expected = kept.get(path, "no-store") if response.is_success else "no-store"
        assert response.headers["Cache-Control"] == expected
        assert not [name for name in response.headers if name.lower().startswith("access-control")]


def test_valid_request_identifiers_are_kept(server_of: Start) -> None:
    client = server_of()
    assert client.get("/healthz", headers={"X-Request-ID": "trace-1.2_3"}).headers["X-Request-ID"] == "trace-1.2_3"
    for bad in ("a b", "x" * 65, "", "<script>"):
        given = client.get("/healthz", headers={"X-Request-ID": bad}).headers["X-Request-ID"]
        assert re.fullmatch(r"[0-9a-f]{32}", given)
    assert client.get("/healthz").headers["X-Request-ID"] != client.get("/healthz").headers["X-Request-ID"]


def test_key_is_required_except_for_public_paths(server_of: Start, jpeg: bytes) -> None:
    client = server_of(api_key=KEY)
    for path in ("/", "/assets/icon.svg", "/docs", "/healthz", "/openapi.json", "/readyz"):
        assert client.get(path).status_code == 200
    for path in ("/v1/model", "/metrics", "/nowhere", "/assets"):
        for headers in ({}, {"X-API-Key": KEY[:-1]}, {"X-API-Key": ""}, {"Authorization": f"Basic {KEY}"}):
            response = client.get(path, headers=headers)
            assert response.status_code == 401
            assert response.headers["WWW-Authenticate"] == 'Bearer realm="lesionlab"'
            assert response.json()["status"] == 401
    assert client.post("/v1/predict", content=jpeg).status_code == 401
    for headers in ({"X-API-Key": KEY}, {"Authorization": f"Bearer {KEY}"}, {"Authorization": f"bearer  {KEY}"}):
        assert client.post("/v1/predict", content=jpeg, headers=headers).status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:8000", 200),
        ("127.0.0.1:8000", 200),
        ("[::1]:8000", 200),
        ("skin.example", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("[::1].evil.example", 421),
        ("", 421),
        (":80", 421),
    ],
)
def test_only_allowed_host_names_are_served(server_of: Start, host: str, status: int) -> None:
    client = server_of(allowed_hosts=(*LOOPBACK_NAMES, "skin.example"))
    assert client.get("/healthz", headers={"Host": host}).status_code == status
    assert client.get("/", headers={"Host": host}).status_code == status


def test_requests_above_the_rate_are_rejected(server_of: Start) -> None:
    client = server_of(rate="3/minute", api_key=KEY)
    statuses = [client.get("/v1/model", headers={"X-API-Key": KEY}).status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    # Requests with a wrong key count too.
    rejected = client.get("/v1/model")
    assert rejected.status_code == 429
    assert 1 <= int(rejected.headers["Retry-After"]) <= 60
    assert client.get("/healthz").status_code == 200


def test_rates_are_per_address_with_a_limited_number_of_counters(
    server_of: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lesionlab.serving.rates._MAX_COUNTERS", 3)
    client = server_of(rate="1/minute")

    def status(address: str) -> int:
        return TestClient(client.app, client=(address, 1)).get("/v1/model").status_code

    assert [status("10.0.0.1"), status("10.0.0.1"), status("10.0.0.2")] == [200, 429, 200]
    # An IPv6 /64 belongs to one customer.
    assert [status("2001:db8::1"), status("2001:db8::2")] == [200, 429]
    # New addresses above the limit share a counter; the others keep theirs.
    assert [status("10.0.0.3"), status("10.0.0.4"), status("10.0.0.5")] == [200, 429, 429]
    assert status("10.0.0.2") == 429


def test_rate_counts_the_images_of_a_batch(server_of: Start, jpeg: bytes) -> None:
    client = server_of(rate="10/minute")

    def status(images: int) -> int:
        return client.post("/v1/predict/batch", files=[("files", jpeg)] * images).status_code

    assert [status(6), status(5), status(3)] == [200, 429, 200]  # the rejected request counts as one
    assert status(1) == 429
    assert (
        "send fewer per request"
        in server_of(rate="2/minute").post("/v1/predict/batch", files=[("files", jpeg)] * 5).json()["detail"]
    )


@pytest.mark.parametrize("path", ["/v1/model", "/metrics", "/nowhere"])
def test_wrong_keys_are_limited_on_every_path(server_of: Start, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lesionlab.serving.middleware.access._FAILED_KEYS", "3/minute")
    client = server_of(api_key=KEY)
    assert {client.get(path).status_code for _ in range(5)} == {401}  # without a key, nothing was guessed
    statuses = [client.get(path, headers={"X-API-Key": f"guess-{n}"}).status_code for n in range(4)]
    assert statuses == [401, 401, 401, 429]
    blocked = client.get("/v1/model", headers={"X-API-Key": KEY})
    assert (blocked.status_code, "wrong API keys" in blocked.json()["detail"]) == (429, True)
    assert int(blocked.headers["Retry-After"]) >= 1
    assert client.get("/healthz", headers={"X-API-Key": "guess"}).status_code == 200
    other = TestClient(client.app, client=("10.0.0.9", 1))
    assert other.get("/v1/model", headers={"X-API-Key": KEY}).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://behind-a-proxy.example"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://testserver"}, 403),
        ({"Origin": "http://testserver"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_requests_from_pages_of_other_sites_are_rejected(
    server_of: Start, jpeg: bytes, headers: dict[str, str], status: int
) -> None:
    client = server_of()
    assert client.post("/v1/predict", files={"file": jpeg}, headers=headers).status_code == status
    assert client.get("/v1/model", headers=headers).status_code == 200


def test_log_has_routes_but_no_request_content(server_of: Start, jpeg: bytes, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "lesionlab.serving.access")
    client = server_of()
    client.post("/v1/predict?age=7&sex=female", files={"file": ("jane-doe.jpg", jpeg)}, data={"site": "back"})
    client.get("/jane-doe", headers={"X-Request-ID": "trace-7"})
    client.get("/assets/icon.svg")
    client.request("JANE", "/v1/model")
    lines = [record.getMessage() for record in caplog.records]
    assert re.fullmatch(r"POST /v1/predict 200 [\d.]+ ms \d+ bytes [0-9a-f]{32}", lines[0])
    assert re.fullmatch(r"GET none 404 [\d.]+ ms \d+ bytes trace-7", lines[1])
    assert lines[2].startswith("GET /assets/{path:path} 200 ")
    assert lines[3].startswith("other /v1/model 405 ")
    for word in ("jane", "female", "back", "icon"):
        assert word not in caplog.text.lower()


def test_metrics_have_few_label_values(server_of: Start, jpeg: bytes) -> None:
    client = server_of()
    for number in range(20):
        client.get(f"/jane-doe-{number}")
    client.post("/v1/predict", content=jpeg)
    client.post("/v1/predict/batch", files=[("files", jpeg)] * 3)
    client.post("/v1/explain", content=jpeg)
    text = client.get("/metrics").text
    assert "jane" not in text
    assert 'lesionlab_requests_total{method="GET",route="none",status="404"} 20.0' in text
    assert 'lesionlab_requests_total{method="POST",route="/v1/predict",status="200"} 1.0' in text
    assert 'lesionlab_request_seconds_count{route="/v1/predict"} 1.0' in text
    assert "lesionlab_images_predicted_total 5.0" in text
    assert 'lesionlab_batch_images_bucket{le="+Inf"}' in text
    assert "lesionlab_queue_images 0.0" in text

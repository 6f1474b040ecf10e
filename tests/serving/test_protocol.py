"""HTTP limits that uvicorn lacks: endless heads, silent clients and bytes that are not HTTP."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from lesionlab.serving.protocol import MAX_HEAD

Listen = Callable[..., int]


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        yield connection


def response_of(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Read until the server closes or the body is whole; return status, headers and body."""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65_536)
        if not chunk:
            return 0, {}, data
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    while len(body) < int(headers["content-length"]):
        body += connection.recv(65_536)
    return int(first.split()[1]), headers, body


def assert_problem(response: tuple[int, dict[str, str], bytes], status: int) -> None:
    assert response[0] == status
    assert response[1]["content-type"] == "application/problem+json"
    assert "default-src 'none'" in response[1]["content-security-policy"]
    assert json.loads(response[2])["status"] == status


@pytest.mark.slow
@pytest.mark.parametrize(
    "head",
    [
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 40_000 + b"\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(6_000)) + b"\r\n",
        b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Endless: " + b"a" * MAX_HEAD)[: MAX_HEAD + 1],
    ],
    ids=["a long header", "many headers", "a long path", "no end"],
)
def test_heads_are_limited(listening: Listen, head: bytes) -> None:
    port = listening()
    with connected(port) as connection:
        connection.sendall(head)
        assert_problem(response_of(connection), 431)
        assert connection.recv(1) == b""
    with connected(port) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert response_of(connection)[0] == 200


@pytest.mark.slow
@pytest.mark.parametrize("sent", [b"\x16\x03\x01\x02\x00\x01\x00\x01", b"HELLO\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"])
def test_bytes_that_are_not_http_get_a_problem(listening: Listen, sent: bytes) -> None:
    with connected(listening()) as connection:
        connection.sendall(sent)
        assert_problem(response_of(connection), 400)


def test_two_lengths_are_rejected(listening: Listen) -> None:
    with connected(listening()) as connection:
        connection.sendall(
            b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        )
        assert_problem(response_of(connection), 400)


@pytest.mark.slow
@pytest.mark.parametrize("sent", [b"", b"GET /hea", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /h"])
def test_incomplete_head_times_out(listening: Listen, monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr("lesionlab.serving.protocol.HEAD_SECONDS", 0.2)
    with connected(listening()) as connection:
        connection.sendall(sent)
        began = time.monotonic()
        while connection.recv(65_536):
            pass
        assert time.monotonic() - began < 5


@pytest.mark.slow
@pytest.mark.parametrize("limit", ["_SECONDS", "_STALL_SECONDS"])
def test_incomplete_body_times_out(listening: Listen, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(f"lesionlab.serving.upload.{limit}", 0.2)
    with connected(listening()) as connection:
        connection.sendall(b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc")
        assert_problem(response_of(connection), 408)


def test_early_rejection_reaches_a_client_that_goes_on_sending(listening: Listen) -> None:
    with connected(listening(max_bytes=1_000_000)) as connection:
        connection.sendall(b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n")
        for _ in range(5):
            connection.sendall(b"x" * 1_000_000)
        assert_problem(response_of(connection), 413)
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert response_of(connection)[0] == 200


def test_endless_body_is_cut_off(listening: Listen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lesionlab.serving.protocol._MAX_UNREAD", 2_000_000)
    with connected(listening(max_bytes=1_000_000)) as connection:
        connection.sendall(b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            for _ in range(200):
                connection.sendall(b"100000\r\n" + b"x" * 0x100000 + b"\r\n")


def test_pipelined_requests_are_served_in_order(listening: Listen) -> None:
    with connected(listening()) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n")
        data = b""
        while data.count(b"HTTP/1.1 ") < 2 or not data.endswith(b"}"):
            data += connection.recv(65_536)
        assert data.index(b" 200 OK") < data.index(b" 404 Not Found")


def test_connections_are_limited_per_client(listening: Listen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lesionlab.serving.server._MAX_CONNECTIONS", 8)
    port = listening()
    with ExitStack() as stack:
        idle = [stack.enter_context(connected(port)) for _ in range(4)]
        with connected(port) as fifth:
            assert_problem(response_of(fifth), 503)
        idle[0].close()
        time.sleep(0.1)
        with connected(port) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert response_of(connection)[0] == 200

"""The server as a process: start, load and shutdown."""

import concurrent.futures
import json
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

Start = Callable[..., Any]


@pytest.mark.slow
def test_server_starts_and_stops(process_of: Start, jpeg: bytes) -> None:
    server = process_of()
    assert httpx2.get(f"{server.url}/readyz").json() == {"status": "ready"}
    assert httpx2.post(f"{server.url}/v1/predict", content=jpeg).status_code == 200
    code, err = server.end()
    assert code == 0
    assert "Traceback" not in err
    assert re.search(r"INFO POST /v1/predict 200 [\d.]+ ms", err)


@pytest.mark.slow
def test_shutdown_under_load_loses_no_response(process_of: Start, jpeg: bytes) -> None:
    server = process_of("--log-format", "json")
    enough = threading.Semaphore(0)

    def request_until_shutdown(client: httpx2.Client) -> list[int | str]:
        seen: list[int | str] = []
        while True:
            try:
                seen.append(client.post("/v1/predict", content=jpeg).status_code)
            except httpx2.ConnectError:
                return seen  # it does not listen any more, and no request was sent
            except httpx2.TransportError as error:
                # An idle connection may close while it is used again; httpx cannot tell.
                seen.append(type(error).__name__)
                return seen
            if seen[-1] == 503:
                return seen
            enough.release()

    with httpx2.Client(base_url=server.url, timeout=20) as client, concurrent.futures.ThreadPoolExecutor(8) as pool:
        clients = [pool.submit(request_until_shutdown, client) for _ in range(8)]
        under_load = all(enough.acquire(timeout=10) for _ in range(25))
        code, err = server.end()
        seen = [status for done in clients for status in done.result(30)]
    assert under_load
    assert code == 0
    assert set(seen) <= {200, 503, "RemoteProtocolError", "ReadError", "WriteError"}
    lines = [json.loads(line) for line in err.splitlines()]
    completed = [line for line in lines if line.get("route") == "/v1/predict"]
    assert {line["status"] for line in completed} <= {200, 503}
    # Every request that the server completed has its response.
    assert sum(line["status"] == 200 for line in completed) == seen.count(200)


@pytest.mark.slow
def test_shutdown_completes_requests_in_progress_and_rejects_new_ones(process_of: Start, jpeg: bytes) -> None:
    server = process_of()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as slow:
        slow.sendall(f"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(jpeg)}\r\n\r\n".encode())
        slow.sendall(jpeg[:100])
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.4)
        late = httpx2.post(f"{server.url}/v1/predict", content=jpeg)
        assert (late.status_code, late.headers["Retry-After"]) == (503, "5")
        assert httpx2.get(f"{server.url}/readyz").status_code == 503
        assert httpx2.get(f"{server.url}/healthz").status_code == 200
        slow.sendall(jpeg[100:])
        assert slow.recv(65_536).startswith(b"HTTP/1.1 200 ")
    _, err = server.process.communicate(timeout=10)
    assert server.process.returncode == 0, err


@pytest.mark.slow
def test_key_is_read_from_a_file_or_the_environment(
    process_of: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("from-the-file-123456\n")
    by_file = process_of("--api-key-file", tmp_path / "key")
    monkeypatch.setenv("LESIONLAB_API_KEY", "from-the-environment")
    by_variable = process_of()
    for server, key in ((by_file, "from-the-file-123456"), (by_variable, "from-the-environment")):
        assert httpx2.get(f"{server.url}/v1/model").status_code == 401
        assert httpx2.get(f"{server.url}/v1/model", headers={"X-API-Key": key}).status_code == 200
        assert httpx2.get(f"{server.url}/healthz", headers={"Host": "evil.example"}).status_code == 421


@pytest.mark.slow
def test_memory_is_constant_while_the_log_is_blocked(process_of: Start, jpeg: bytes) -> None:
    server = process_of()
    process = psutil.Process(server.process.pid)

    def megabytes_after(rounds: int) -> float:
        with httpx2.Client(base_url=server.url) as client:
            for number in range(rounds):
                client.post("/v1/predict", content=jpeg if number % 3 else os.urandom(50_000))
                client.post("/v1/predict", files={"file": jpeg})
                client.get(f"/nowhere/{number}")
        return float(process.memory_info().rss / 1e6)

    warm = megabytes_after(300)
    assert megabytes_after(900) < 1.05 * warm

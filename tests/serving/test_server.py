"""The server as a process: ready, busy, asked to stop."""

import concurrent.futures
import json
import os
import re
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

Start = Callable[..., Any]


def test_it_gets_ready_and_stops_when_asked(process_of: Start, jpeg: bytes) -> None:
    server = process_of()
    assert httpx2.get(f"{server.url}/readyz").json() == {"status": "ready"}
    assert httpx2.post(f"{server.url}/v1/predict", content=jpeg).status_code == 200
    code, err = server.end()
    assert code == 0
    assert "Traceback" not in err
    assert re.search(r"INFO POST /v1/predict 200 [\d.]+ ms", err)


@pytest.mark.slow
def test_asked_to_stop_under_load_it_loses_no_answer(process_of: Start, jpeg: bytes) -> None:
    server = process_of("--log-format", "json")

    def ask_until_it_is_gone(_: int) -> list[int | str]:
        seen: list[int | str] = []
        with httpx2.Client(base_url=server.url, timeout=20) as client:
            while True:
                try:
                    seen.append(client.post("/v1/predict", content=jpeg).status_code)
                except httpx2.ConnectError:
                    return seen  # it listens no more: nothing was asked, so nothing is lost
                except httpx2.TransportError as error:
                    # A connection that was idle may close just as it is used again; httpx cannot tell.
                    seen.append(type(error).__name__)
                    return seen
                if seen[-1] == 503:
                    return seen

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        clients = [pool.submit(ask_until_it_is_gone, number) for number in range(8)]
        time.sleep(0.7)
        code, err = server.end()
        seen = [status for client in clients for status in client.result(30)]
    assert code == 0
    assert seen.count(200) > 20
    assert set(seen) <= {200, 503, "RemoteProtocolError", "ReadError", "WriteError"}
    lines = [json.loads(line) for line in err.splitlines()]
    answered = [line for line in lines if line.get("route") == "/v1/predict"]
    assert {line["status"] for line in answered} <= {200, 503}
    # What the server began it finished, and every answer arrived.
    assert sum(line["status"] == 200 for line in answered) == seen.count(200)


def test_what_is_in_the_house_is_finished_and_who_comes_then_is_turned_away(process_of: Start, jpeg: bytes) -> None:
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
def test_the_key_comes_from_a_file_or_the_environment(
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
def test_memory_stays_flat_also_where_nobody_reads_the_log(process_of: Start, jpeg: bytes) -> None:
    server = process_of()
    process = psutil.Process(server.process.pid)

    def megabytes_after(questions: int) -> float:
        with httpx2.Client(base_url=server.url) as client:
            for number in range(questions):
                client.post("/v1/predict", content=jpeg if number % 3 else os.urandom(50_000))
                client.post("/v1/predict", files={"file": jpeg})
                client.get(f"/nowhere/{number}")
        return float(process.memory_info().rss / 1e6)

    warm = megabytes_after(300)
    assert megabytes_after(900) < 1.05 * warm

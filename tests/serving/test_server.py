"""The server as a process: start, load and shutdown."""

import concurrent.futures
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from lesionlab.bundle import Bundle, save_bundle

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


@pytest.mark.slow
def test_model_is_reloaded_without_losing_a_request(
    process_of: Start, jpeg: bytes, tiny_whole_bundle: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    shutil.copytree(tiny_whole_bundle, model)
    server = process_of(model=model)
    ended = threading.Event()

    def identity() -> str:
        return str(httpx2.get(f"{server.url}/v1/model").json()["model"]["identity"])

    def request_until_the_end(client: httpx2.Client) -> list[tuple[int, str]]:
        seen = []
        while not ended.is_set():
            response = client.post("/v1/predict", content=jpeg)
            seen.append((response.status_code, response.json()["model"]["identity"]))
        return seen

    first = identity()
    with httpx2.Client(base_url=server.url, timeout=20) as client, concurrent.futures.ThreadPoolExecutor(4) as pool:
        clients = [pool.submit(request_until_the_end, client) for _ in range(4)]
        bundle = Bundle.load(model)
        save_bundle(tmp_path / "next", bundle.info.model_copy(update={"name": "next"}), bundle.graph)
        model.rename(tmp_path / "before")
        (tmp_path / "next").rename(model)
        server.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 20
        while (second := identity()) == first and time.monotonic() < deadline:
            time.sleep(0.05)
        (model / "bundle.json").write_text("{}")
        server.process.send_signal(signal.SIGHUP)
        time.sleep(1)
        ended.set()
        seen = [response for done in clients for response in done.result(30)]
    assert second != first
    assert set(seen) == {(200, first), (200, second)}
    assert identity() == second
    code, err = server.end()
    assert code == 0
    assert "the model was not reloaded" in err
    assert "Traceback" not in err


@pytest.mark.slow
def test_processes_share_a_socket_and_are_replaced(process_of: Start, jpeg: bytes) -> None:
    server = process_of("--workers", 2)

    def workers() -> list[psutil.Process]:
        return list(psutil.Process(server.process.pid).children())

    def statuses(count: int) -> set[int]:
        return {httpx2.post(f"{server.url}/v1/predict", content=jpeg, timeout=20).status_code for _ in range(count)}

    assert len(workers()) == 2
    assert statuses(8) == {200}
    killed = workers()[0]
    killed.kill()
    deadline = time.monotonic() + 20
    while (len(workers()) < 2 or killed in workers()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(workers()) == 2
    assert statuses(8) == {200}
    remaining = workers()
    assert server.end()[0] == 0
    assert not any(worker.is_running() for worker in remaining)


@pytest.mark.slow
def test_workers_that_cannot_start_end_the_server(tiny_whole_bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_whole_bundle, tmp_path / "model")
    (tmp_path / "model" / "bundle.json").write_text("{}")
    command = [sys.executable, "-m", "lesionlab", "serve", "--port", "0", "--workers", "2", "--model", "model"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False)
    assert done.returncode == 1
    assert {line.partition(":")[0] for line in done.stderr.splitlines()} == {"error"}

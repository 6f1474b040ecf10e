"""Limits under load and clients that disconnect: no request hangs, and every reservation is released."""

import io
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest
from PIL import Image
from starlette.testclient import TestClient

from lesionlab.prediction import Predictor, PreparedImage
from lesionlab.results import Prediction
from lesionlab.serving import Settings, create_app

Listen = Callable[..., int]


class Gate:
    """Blocks the model until it is opened."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.reached = threading.Event()
        self.predicted = 0


@pytest.fixture
def gate(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate()
    predict = predictor.pipeline.predict

    def blocked(images: Sequence[PreparedImage], *, concurrent: bool) -> list[Prediction]:
        if images[0].name != "warm-up":
            gate.reached.set()
            assert gate.opened.wait(20)
            gate.predicted += len(images)
        return predict(images, concurrent=concurrent)

    monkeypatch.setattr(predictor.pipeline, "predict", blocked)
    yield gate
    gate.opened.set()


def send_request(port: int, jpeg: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    head = f"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(jpeg)}\r\n\r\n"
    connection.sendall(head.encode() + jpeg)
    return connection


def queued(port: int, what: str) -> int:
    text = httpx2.get(f"http://127.0.0.1:{port}/metrics").text
    found = re.search(rf"^lesionlab_queue_{what} (\S+)$", text, re.MULTILINE)
    assert found is not None
    return int(float(found[1]))


def queued_images(port: int) -> int:
    return queued(port, "images")


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_busy_server_rejects_before_the_body_is_read(listening: Listen, gate: Gate, jpeg: bytes) -> None:
    port = listening(queue=3)
    connections = [send_request(port, jpeg), send_request(port, jpeg)]
    wait_for(lambda: queued_images(port) == 2)
    with socket.create_connection(("127.0.0.1", port), timeout=5) as late:
        late.sendall(b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")  # and no body
        head, _, body = late.recv(65_536).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 1" in head.lower()
    assert json.loads(body)["status"] == 503
    gate.opened.set()
    for connection in connections:
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")
        connection.close()
    wait_for(lambda: queued_images(port) == 0)


def test_batch_above_the_limit_is_rejected(listening: Listen, gate: Gate, jpeg: bytes) -> None:
    port = listening(queue=3)
    connection = send_request(port, jpeg)
    wait_for(lambda: queued_images(port) == 1)
    url = f"http://127.0.0.1:{port}/v1/predict/batch"
    assert httpx2.post(url, files=[("files", jpeg)] * 3).status_code == 503
    gate.opened.set()
    assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")
    connection.close()
    assert httpx2.post(url, files=[("files", jpeg)] * 3).status_code == 200


@pytest.mark.slow
def test_disconnected_requests_are_not_predicted(listening: Listen, gate: Gate, jpeg: bytes) -> None:
    port = listening(queue=8)
    kept = send_request(port, jpeg)
    assert gate.reached.wait(10)
    disconnected = [send_request(port, jpeg), send_request(port, jpeg)]
    wait_for(lambda: queued_images(port) == 3)
    time.sleep(0.1)  # their images are decoded and queued
    for connection in disconnected:
        connection.close()
    wait_for(lambda: queued_images(port) == 1)
    gate.opened.set()
    assert kept.recv(65_536).startswith(b"HTTP/1.1 200 ")
    kept.close()
    assert httpx2.post(f"http://127.0.0.1:{port}/v1/predict", content=jpeg).status_code == 200
    assert gate.predicted == 2


@pytest.mark.slow
def test_disconnect_while_sending_releases_the_memory(listening: Listen) -> None:
    port = listening()
    for head in (
        b"Content-Length: 100000\r\n\r\nxxx",
        b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 100000\r\n\r\n--b\r\nContent-",
    ):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(b"POST /v1/predict HTTP/1.1\r\nHost: x\r\n" + head)
            wait_for(lambda: queued(port, "bytes") > 0)
        wait_for(lambda: queued(port, "bytes") == queued(port, "requests") == 0)


def test_idle_connections_that_declare_large_bodies_take_no_memory(listening: Listen, jpeg: bytes) -> None:
    port = listening()
    head = b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 20000000\r\n\r\nxxx"
    with ExitStack() as stack:
        for _ in range(40):
            idle = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            idle.sendall(head)
        wait_for(lambda: queued(port, "requests") == 40)
        assert httpx2.post(f"http://127.0.0.1:{port}/v1/predict", content=jpeg).status_code == 200


@pytest.mark.slow
def test_stalled_bodies_of_a_client_leave_room_for_small_requests(listening: Listen, jpeg: bytes) -> None:
    port = listening(max_bytes=2_000_000)  # so that all bodies together may have 20 MB
    head = b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n" + bytes(1_900_000)
    with ExitStack() as stack:
        for _ in range(30):
            stalled = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            stalled.sendall(head)
        time.sleep(0.3)
        assert queued(port, "bytes") <= 10_000_000
        assert httpx2.post(f"http://127.0.0.1:{port}/v1/predict", content=jpeg).status_code == 200


@pytest.mark.slow
def test_large_images_do_not_delay_small_ones(
    listening: Listen, predictor: Predictor, jpeg: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Large images wait for an event here, and a small one is predicted meanwhile."""
    opened, begun, at_a_time = threading.Event(), threading.Event(), []
    prepare = predictor.pipeline.prepare

    def blocked(data: bytes, name: str) -> PreparedImage:
        if len(data) > 100_000:
            return prepare(data, name)
        at_a_time.append(len(data))
        begun.set()
        assert opened.wait(20)
        return prepare(data, name)

    out = io.BytesIO()
    Image.new("L", (4_000, 2_000)).save(out, "PNG")  # 8 megapixels in a few kB
    assert len(out.getvalue()) < 100_000
    noise = io.BytesIO()
    Image.effect_noise((500, 400), 50).save(noise, "PNG")
    assert len(noise.getvalue()) > 100_000
    monkeypatch.setattr(predictor.pipeline, "prepare", blocked)
    url = f"http://127.0.0.1:{listening()}/v1/predict"
    with ThreadPoolExecutor(1) as pool:
        batch = pool.submit(httpx2.post, f"{url}/batch", files=[("files", out.getvalue())] * 12, timeout=60)
        assert begun.wait(10)
        try:
            assert httpx2.post(url, content=noise.getvalue()).status_code == 200
            assert len(at_a_time) == 1
        finally:
            opened.set()
        assert batch.result().status_code == 200


def test_each_thread_runs_the_graph(tiny_whole_bundle: Path, jpeg: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two images are predicted concurrently: each run waits for the other."""
    predictor, together, reached = Predictor.load(tiny_whole_bundle, threads=2), threading.Barrier(2), threading.Event()
    predict = predictor.pipeline.predict
    ran: list[tuple[int, bool]] = []

    def wait_for_both(images: Sequence[PreparedImage], *, concurrent: bool) -> list[Prediction]:
        if images[0].name != "warm-up":
            ran.append((len(images), concurrent))
            reached.set()
            together.wait(20)
        return predict(images, concurrent=concurrent)

    monkeypatch.setattr(predictor.pipeline, "predict", wait_for_both)
    with TestClient(create_app(predictor, Settings())) as client, ThreadPoolExecutor(2) as pool:
        first = pool.submit(client.post, "/v1/predict", content=jpeg)
        assert reached.wait(20)
        second = pool.submit(client.post, "/v1/predict", content=jpeg)
        assert [first.result().status_code, second.result().status_code] == [200, 200]
    assert ran == [(1, False), (1, True)]


@pytest.mark.slow
def test_concurrent_clients_get_their_own_predictions(listening: Listen, predictor: Predictor) -> None:
    import numpy as np

    port = listening()
    draw = np.random.default_rng(3)
    images = []
    for _ in range(24):
        out = io.BytesIO()
        Image.fromarray(draw.integers(0, 256, (64, 64, 3), np.uint8)).save(out, "PNG")
        images.append(out.getvalue())
    found: dict[int, dict[str, float]] = {}

    def request(number: int) -> None:
        response = httpx2.post(f"http://127.0.0.1:{port}/v1/predict", content=images[number])
        found[number] = response.json()["result"]["probabilities"]

    threads = [threading.Thread(target=request, args=(number,)) for number in range(len(images))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, image in enumerate(images):
        assert found[number] == pytest.approx(predictor.predict(image).probabilities, abs=1e-6)

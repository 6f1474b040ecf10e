"""Full houses and clients that leave: nobody hangs, and every place is given back."""

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
from starlette.testclient import TestClient

from lesionlab.prediction import Predictor, PreparedImage
from lesionlab.results import Prediction
from lesionlab.serving import Settings, create_app

Listen = Callable[..., int]


class Gate:
    """Holds the model back until it is opened."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.reached = threading.Event()
        self.judged = 0


@pytest.fixture
def gate(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate()
    judge = predictor.judge

    def held(images: Sequence[PreparedImage], *, others: bool) -> list[Prediction]:
        if images[0].name != "warm-up":
            gate.reached.set()
            assert gate.opened.wait(20)
            gate.judged += len(images)
        return judge(images, concurrent=concurrent)

    monkeypatch.setattr(predictor, "judge", held)
    yield gate
    gate.opened.set()


def asked(port: int, jpeg: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    head = f"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(jpeg)}\r\n\r\n"
    connection.sendall(head.encode() + jpeg)
    return connection


def in_house(port: int) -> int:
    text = httpx2.get(f"http://127.0.0.1:{port}/metrics").text
    found = re.search(r"^lesionlab_queue_images ([\d.]+)$", text, re.MULTILINE)
    assert found is not None
    return int(float(found[1]))


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_full_house_says_so_at_once_and_before_the_body_is_read(listening: Listen, gate: Gate, jpeg: bytes) -> None:
    port = listening(queue=2)
    guests = [asked(port, jpeg), asked(port, jpeg)]
    wait_for(lambda: in_house(port) == 2)
    with socket.create_connection(("127.0.0.1", port), timeout=5) as late:
        late.sendall(b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")  # and no body
        head, _, body = late.recv(65_536).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 1" in head.lower()
    assert json.loads(body)["status"] == 503
    gate.opened.set()
    for guest in guests:
        assert guest.recv(65_536).startswith(b"HTTP/1.1 200 ")
        guest.close()
    wait_for(lambda: in_house(port) == 0)


def test_a_batch_that_finds_no_room_is_told_so(listening: Listen, gate: Gate, jpeg: bytes) -> None:
    port = listening(queue=3)
    guest = asked(port, jpeg)
    wait_for(lambda: in_house(port) == 1)
    url = f"http://127.0.0.1:{port}/v1/predict/batch"
    assert httpx2.post(url, files=[("files", jpeg)] * 3).status_code == 503
    gate.opened.set()
    assert guest.recv(65_536).startswith(b"HTTP/1.1 200 ")
    guest.close()
    assert httpx2.post(url, files=[("files", jpeg)] * 3).status_code == 200


def test_who_leaves_gives_the_place_back_and_is_not_judged(listening: Listen, gate: Gate, jpeg: bytes) -> None:
    port = listening(queue=3)
    staying = asked(port, jpeg)
    assert gate.reached.wait(10)
    leaving = [asked(port, jpeg), asked(port, jpeg)]
    wait_for(lambda: in_house(port) == 3)
    time.sleep(0.1)  # their images are decoded and wait for the model
    for guest in leaving:
        guest.close()
    wait_for(lambda: in_house(port) == 1)
    gate.opened.set()
    assert staying.recv(65_536).startswith(b"HTTP/1.1 200 ")
    staying.close()
    assert httpx2.post(f"http://127.0.0.1:{port}/v1/predict", content=jpeg).status_code == 200
    assert gate.judged == 2


def test_who_leaves_while_sending_gives_the_place_back(listening: Listen) -> None:
    port = listening()
    for head in (
        b"Content-Length: 100000\r\n\r\nxxx",
        b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 100000\r\n\r\n--b\r\nContent-",
    ):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(b"POST /v1/predict HTTP/1.1\r\nHost: x\r\n" + head)
            wait_for(lambda: in_house(port) == 1)
        wait_for(lambda: in_house(port) == 0)


def test_each_core_judges_for_somebody(tiny_whole_bundle: Path, jpeg: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two images get their answers side by side: each would wait for the other's run for ever."""
    predictor, together, reached = Predictor.load(tiny_whole_bundle, threads=2), threading.Barrier(2), threading.Event()
    judge = predictor.judge
    ran: list[tuple[int, bool]] = []

    def met(images: Sequence[PreparedImage], *, others: bool) -> list[Prediction]:
        if images[0].name != "warm-up":
            ran.append((len(images), others))
            reached.set()
            together.wait(20)
        return judge(images, concurrent=concurrent)

    monkeypatch.setattr(predictor, "judge", met)
    with TestClient(create_app(predictor, Settings())) as client, ThreadPoolExecutor(2) as pool:
        first = pool.submit(client.post, "/v1/predict", content=jpeg)
        assert reached.wait(20)
        second = pool.submit(client.post, "/v1/predict", content=jpeg)
        assert [first.result().status_code, second.result().status_code] == [200, 200]
    assert ran == [(1, False), (1, True)]


def test_many_clients_get_their_own_answers(listening: Listen, predictor: Predictor) -> None:
    import io

    import numpy as np
    from PIL import Image

    port = listening()
    draw = np.random.default_rng(3)
    images = []
    for _ in range(24):
        out = io.BytesIO()
        Image.fromarray(draw.integers(0, 256, (64, 64, 3), np.uint8)).save(out, "PNG")
        images.append(out.getvalue())
    found: dict[int, dict[str, float]] = {}

    def ask(number: int) -> None:
        answer = httpx2.post(f"http://127.0.0.1:{port}/v1/predict", content=images[number]).json()
        found[number] = {row["code"]: row["probability"] for row in answer["result"]["classes"]}

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(images))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, image in enumerate(images):
        assert found[number] == pytest.approx(predictor.predict(image).probabilities, abs=1e-6)

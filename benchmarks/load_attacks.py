"""Attacks on a server: idle connections, a batch of large images, and the requests of the hostile suite."""

import socket
import statistics
import struct
import sys
import threading
import time
import zlib
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from load_server import HOST, Server, recorded, request_seconds

sys.path.insert(0, str(Path(__file__).parent.parent))

IDLE_SECONDS = 10.0
REQUESTS_ALONE = 20


def black_png(side: int) -> bytes:
    """Return a black square, whose file is about a thousandth of its pixels."""
    pixels = zlib.compress(bytes((3 * side + 1) * side), 9)
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


def form_of(files: list[bytes]) -> bytes:
    """Return a form with the boundary `x`."""
    head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="f"\r\n\r\n'
    return b"".join(head + data + b"\r\n" for data in files) + b"--x--\r\n"


def idle_sockets(server: Server, small: bytes) -> dict[str, Any]:
    """Send small requests while ten connections declare 20 MB each and send nothing more."""
    head = f"POST /v1/predict HTTP/1.1\r\nHost: {HOST}:{server.port}\r\nContent-Length: 20000000\r\n\r\n".encode()
    found = []
    with ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(socket.create_connection((HOST, server.port))).sendall(head)
        time.sleep(0.2)
        until = time.perf_counter() + IDLE_SECONDS
        while time.perf_counter() < until:
            found.append(request_seconds(server.port, "/v1/predict", small))
            time.sleep(0.1)
    return {"seconds": IDLE_SECONDS} | summary(found)


def large_batch(server: Server, small: bytes) -> dict[str, Any]:
    """Send small requests while a batch of twelve images of 49 megapixels is processed."""
    alone = [request_seconds(server.port, "/v1/predict", small) for _ in range(REQUESTS_ALONE)]
    form = form_of([black_png(7_000)] * 12)
    answers: list[bytes] = []

    def send() -> None:
        with socket.create_connection((HOST, server.port), timeout=120) as connection:
            head = (
                f"POST /v1/predict/batch HTTP/1.1\r\nHost: {HOST}:{server.port}\r\nContent-Type: multipart/form-data; "
            )
            connection.sendall(f"{head}boundary=x\r\nContent-Length: {len(form)}\r\n\r\n".encode() + form)
            answers.append(connection.recv(15))

    sender = threading.Thread(target=send)
    began = time.perf_counter()
    found = []
    with recorded(server.resident_mib, 0.05) as memory:
        sender.start()
        time.sleep(0.1)
        while sender.is_alive():
            found.append(request_seconds(server.port, "/v1/predict", small))
            time.sleep(0.05)
    own = statistics.median(seconds for _, seconds in alone)
    return {
        "batch_megabytes": round(len(form) / 1e6, 2),
        "batch_seconds": round(time.perf_counter() - began, 2),
        "batch_status": answers[0][9:12].decode() if answers else "none",
        "resident_mib_largest": round(max(memory)),
        "small_alone": summary(alone),
        "small_delay_ms_largest": round(1000 * (max(seconds for _, seconds in found) - own)),
    } | summary(found)


def hostile(server: Server, small: bytes) -> dict[str, Any]:
    """Send every hostile request, and record the responses of /healthz and the memory meanwhile."""
    from tests.serving.hostile_requests import requests, response

    found: list[tuple[str, int, float]] = []
    with (
        recorded(lambda: request_seconds(server.port, "/healthz")[1], 0.02) as health,
        recorded(server.resident_mib, 0.05) as memory,
    ):
        for name, request in requests(small):
            began = time.perf_counter()
            status = response(server.port, request)
            found.append((name, status, time.perf_counter() - began))
    slowest = max(found, key=lambda each: each[2])
    return {
        "requests": len(found),
        "statuses": dict(Counter(str(status or "closed") for _, status, _ in found)),
        "slowest": {"request": slowest[0], "seconds": round(slowest[2], 2)},
        "healthz_ms_largest": round(1000 * max(health), 1),
        "healthz_ms_median": round(1000 * statistics.median(health), 1),
        "resident_mib_largest": round(max(memory)),
    }


def summary(found: list[tuple[int, float]]) -> dict[str, Any]:
    """Return the statuses and the latencies of requests."""
    seconds = sorted(seconds for _, seconds in found)
    return {
        "statuses": dict(Counter(str(status or "none") for status, _ in found)),
        "milliseconds_median": round(1000 * statistics.median(seconds), 1),
        "milliseconds_largest": round(1000 * seconds[-1], 1),
    }

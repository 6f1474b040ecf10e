"""Many clients in one process: each sends an image, waits for the response and sends the next.

    python benchmarks/load_client.py PORT FOLDER --clients 64 (--seconds 60 | --requests 1000)

FOLDER holds images, and forms with several images (`.form`, with the boundary `x`), which are sent in turn, in a fixed
random order. The part of a name before `-` is the kind of the request; latencies are reported by kind.

The benchmarks of the server run it. It uses raw sockets and a C parser, since its CPU time is taken from the server;
that time is part of the result. It connects to the loopback address only, for a limited time.
"""

import argparse
import asyncio
import json
import random
import resource
import time
from array import array
from collections import Counter, defaultdict
from pathlib import Path
from typing import cast

import httptools

HOST = "127.0.0.1"
PAUSE = 0.1  # seconds after a rejection or a lost connection


class Load:
    """The messages to send, the limits, and the outcomes."""

    def __init__(self, port: int, files: list[Path], seconds: float, requests: int) -> None:
        self.messages = [(file.stem.partition("-")[0], message(port, file)) for file in files]
        random.Random(0).shuffle(self.messages)  # noqa: S311 - for an even mixture
        self.port, self.deadline, self.left = port, time.perf_counter() + seconds, requests
        self.sent = 0
        self.outcomes: Counter[str] = Counter()
        self.latencies: defaultdict[str, array[float]] = defaultdict(lambda: array("d"))

    def next_message(self) -> tuple[str, bytes] | None:
        if time.perf_counter() >= self.deadline or self.sent >= self.left:
            return None
        self.sent += 1
        return self.messages[self.sent % len(self.messages)]


def message(port: int, file: Path) -> bytes:
    form, body = file.suffix == ".form", file.read_bytes()
    path, kind = ("/v1/predict/batch", "multipart/form-data; boundary=x") if form else ("/v1/predict", "image/jpeg")
    head = f"POST {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}"
    return f"{head}\r\n\r\n".encode() + body


class Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.done = asyncio.get_running_loop().create_future()
        self.kind, self.began, self.waiting = "", 0.0, False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.send()

    def send(self) -> None:
        following = self.load.next_message()
        if following is None:
            self.transport.close()
            return
        self.kind, message = following
        self.parser = httptools.HttpResponseParser(self)
        self.began, self.waiting = time.perf_counter(), True
        self.transport.write(message)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        status = self.parser.get_status_code()
        if status == 200:
            self.load.latencies[self.kind].append(time.perf_counter() - self.began)
        self.load.outcomes[str(status)] += 1
        self.waiting = False
        # Not from here: the parser is still running.
        asyncio.get_running_loop().call_later(0 if status == 200 else PAUSE, self.send)

    def connection_lost(self, _error: Exception | None) -> None:
        if self.waiting:
            self.load.outcomes["connection lost"] += 1
        if not self.done.done():
            self.done.set_result(None)


async def one_client(load: Load) -> None:
    while time.perf_counter() < load.deadline and load.sent < load.left:
        try:
            _, client = await asyncio.get_running_loop().create_connection(lambda: Client(load), HOST, load.port)
            await client.done
        except OSError:
            load.outcomes["connection refused"] += 1
            await asyncio.sleep(PAUSE)


async def all_clients(load: Load, clients: int) -> None:
    await asyncio.gather(*(one_client(load) for _ in range(clients)))


def percentiles(ordered: list[float]) -> dict[str, float]:
    last = len(ordered) - 1
    return {
        f"p{share}": round(1000 * ordered[min(last, share * len(ordered) // 100)], 1) for share in (50, 95, 99, 100)
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--requests", type=int, default=1_000_000)
    arguments = parser.parse_args()
    load = Load(arguments.port, sorted(arguments.folder.iterdir()), min(arguments.seconds, 600), arguments.requests)
    began = time.perf_counter()
    asyncio.run(all_clients(load, arguments.clients))
    seconds = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_SELF)
    result = {
        "clients": arguments.clients,
        "seconds": round(seconds, 2),
        "requests": load.sent,
        "outcomes": dict(load.outcomes),
        "requests_per_second": round(load.outcomes["200"] / seconds, 2),
        "milliseconds": {kind: percentiles(sorted(times)) for kind, times in sorted(load.latencies.items())},
        "client_cpu_seconds": round(used.ru_utime + used.ru_stime, 2),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()

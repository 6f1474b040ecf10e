"""Many clients in one process: each sends an image, waits for the response and sends the next.

    python benchmarks/load_client.py PORT FOLDER --clients 64 (--seconds 60 | --requests 1000)

The benchmarks of the server run it. It uses raw sockets and a C parser, since its CPU time is taken from the server;
that time is part of the result. It connects to the loopback address only, for a limited time.
"""

import argparse
import asyncio
import json
import resource
import time
from array import array
from collections import Counter
from pathlib import Path
from typing import cast

import httptools

HOST = "127.0.0.1"
PAUSE = 0.1  # seconds after a rejection or a lost connection


class Load:
    """The messages to send, the limits, and the outcomes."""

    def __init__(self, port: int, images: list[bytes], seconds: float, requests: int) -> None:
        head = f"POST /v1/predict HTTP/1.1\r\nHost: {HOST}:{port}\r\nContent-Type: image/jpeg\r\nContent-Length: "
        self.messages = [f"{head}{len(image)}\r\n\r\n".encode() + image for image in images]
        self.port, self.deadline, self.left = port, time.perf_counter() + seconds, requests
        self.sent = 0
        self.outcomes: Counter[str] = Counter()
        self.latencies = array("d")

    def next_message(self) -> bytes | None:
        if time.perf_counter() >= self.deadline or self.sent >= self.left:
            return None
        self.sent += 1
        return self.messages[self.sent % len(self.messages)]


class Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.done = asyncio.get_running_loop().create_future()
        self.began, self.waiting = 0.0, False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.send()

    def send(self) -> None:
        message = self.load.next_message()
        if message is None:
            self.transport.close()
            return
        self.parser = httptools.HttpResponseParser(self)
        self.began, self.waiting = time.perf_counter(), True
        self.transport.write(message)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        status = self.parser.get_status_code()
        self.load.latencies.append(time.perf_counter() - self.began)
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


def percentile(ordered: list[float], share: float) -> float:
    return round(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--requests", type=int, default=1_000_000)
    arguments = parser.parse_args()
    images = [path.read_bytes() for path in sorted(arguments.folder.iterdir())]
    load = Load(arguments.port, images, min(arguments.seconds, 600), arguments.requests)
    began = time.perf_counter()
    asyncio.run(all_clients(load, arguments.clients))
    seconds = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_SELF)
    ordered = sorted(load.latencies)
    result = {
        "clients": arguments.clients,
        "seconds": round(seconds, 2),
        "requests": load.sent,
        "outcomes": dict(load.outcomes),
        "images_per_second": round(load.outcomes["200"] / seconds, 2),
        "milliseconds": {f"p{share:g}": percentile(ordered, share / 100) for share in (50, 95, 99, 100)}
        if ordered
        else {},
        "client_cpu_seconds": round(used.ru_utime + used.ru_stime, 2),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()

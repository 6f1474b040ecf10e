"""A server for the benchmarks of load, and measurements beside it."""

import http.client
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

HOST = "127.0.0.1"


class Server:
    """A process of `lesionlab serve`."""

    def __init__(self, port: int, *options: str, source: Path | None = None) -> None:
        command = [sys.executable, "-m", "lesionlab", "serve", "--host", HOST, "--port", str(port), *options]
        # As on a user's machine: the second start finds the bytecode of the first.
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        if source is not None:
            environment["PYTHONPATH"] = str(source)
        began = time.perf_counter()
        self.port = port
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
        while (time.perf_counter() - began < 60) and self.process.poll() is None:
            if self.is_ready():
                self.seconds_to_ready = time.perf_counter() - began
                return
            time.sleep(0.002)
        self.process.kill()
        raise SystemExit("the server did not become ready")

    def is_ready(self) -> bool:
        try:
            connection = http.client.HTTPConnection(HOST, self.port, timeout=5)
            connection.request("GET", "/readyz")
            status = connection.getresponse().status
            connection.close()
        except OSError:
            return False
        return status == 200

    def processes(self) -> list[psutil.Process]:
        """Return the process and, with several workers, those."""
        first = psutil.Process(self.process.pid)
        return [first, *first.children()]

    def cpu_seconds(self) -> float:
        return float(sum(sum(process.cpu_times()[:2]) for process in self.processes()))

    def resident_mib(self) -> float:
        return float(sum(process.memory_info().rss for process in self.processes()) / 2**20)

    def kill(self) -> None:
        for process in reversed(self.processes()):
            process.kill()
        self.process.wait()


@contextmanager
def recorded(measure: Callable[[], float], seconds: float) -> Iterator[list[float]]:
    """Yield a list to which a thread adds a measurement again and again while the block runs."""
    found: list[float] = []
    ended = threading.Event()

    def record() -> None:
        while not ended.is_set():
            found.append(measure())
            ended.wait(seconds)

    recorder = threading.Thread(target=record)
    recorder.start()
    try:
        yield found
    finally:
        ended.set()
        recorder.join()


def request_seconds(port: int, path: str, body: bytes | None = None) -> tuple[int, float]:
    """Send a request over a connection of its own; return the status, or 0 without a response, and the time."""
    began = time.perf_counter()
    connection = http.client.HTTPConnection(HOST, port, timeout=90)
    try:
        connection.request("GET" if body is None else "POST", path, body)
        response = connection.getresponse()
        response.read()
        status = response.status
    except (OSError, http.client.HTTPException):
        status = 0
    finally:
        connection.close()
    return status, time.perf_counter() - began


def free_port() -> int:
    with socket.socket() as any_socket:
        any_socket.bind((HOST, 0))
        return int(any_socket.getsockname()[1])

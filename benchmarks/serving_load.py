"""The server under load: its throughput beside that of the predictor, 64 clients for five minutes, and kill -9.

    python benchmarks/serving_load.py [--clients 64] [--seconds 300] [--rounds 5] [--restarts 5] [--out FILE]

- Rate: `Predictor.predict_many` on the bytes of JPEG files, and the same images through POST /v1/predict, in turn, on
  the same cores. The clients use a measured share of the cores.
- Sustained: statuses, latencies, and the server's resident memory each second. Growth compares the last tenth of the
  time with the third tenth.
- Kill: seconds from the start of a new process after kill -9 to status 200 of /readyz.

All on the loopback address, for a limited number of requests and a limited time.
"""

import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from common import options, versions, write

from lesionlab.bundle import Bundle
from lesionlab.cpu import available_cores
from lesionlab.phantoms import phantom_image
from lesionlab.prediction import Predictor
from lesionlab.taxonomy import CODES

HOST = "127.0.0.1"
CLIENT = Path(__file__).with_name("load_client.py")
DISTINCT_IMAGES = 64


class Server:
    """A process of `lesionlab serve`."""

    def __init__(self, port: int) -> None:
        command = [sys.executable, "-m", "lesionlab", "serve", "--host", HOST, "--port", str(port)]
        # As on a user's machine: the second start finds the bytecode of the first.
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
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

    def cpu_seconds(self) -> float:
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def free_port() -> int:
    with socket.socket() as any_socket:
        any_socket.bind((HOST, 0))
        return int(any_socket.getsockname()[1])


def drive(server: Server, folder: Path, *options: str) -> dict[str, Any]:
    """Run the clients, and add the share of the CPU time of clients and server."""
    before = server.cpu_seconds()
    command = [sys.executable, str(CLIENT), str(server.port), str(folder), *options]
    result: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    whole = result["seconds"] * available_cores()
    result["client_cpu_share"] = round(result["client_cpu_seconds"] / whole, 3)
    result["server_cpu_share"] = round((server.cpu_seconds() - before) / whole, 3)
    return result


def bare_rate(predictor: Predictor, images: list[bytes]) -> float:
    began = time.perf_counter()
    images_done = sum(1 for _ in predictor.predict_many(images))
    return images_done / (time.perf_counter() - began)


def compare_rates(server: Server, folder: Path, rounds: int, clients: int, count: int) -> dict[str, Any]:
    """Measure both in turn, so that changes of the machine's speed affect both."""
    files = [path.read_bytes() for path in sorted(folder.iterdir())]
    images = [files[i % len(files)] for i in range(count)]
    predictor = Predictor.load()
    bare, api = [], []
    for _ in range(rounds + 1):  # the first round warms up
        bare.append(bare_rate(predictor, images))
        api.append(drive(server, folder, "--clients", str(clients), "--requests", str(count)))
    counted = list(zip(bare[1:], api[1:], strict=True))
    return {
        "images_per_round": count,
        "rounds": rounds,
        "bare_images_per_second": [round(rate, 2) for rate, _ in counted],
        "api_images_per_second": [load["images_per_second"] for _, load in counted],
        "client_cpu_share": [load["client_cpu_share"] for _, load in counted],
        "api_over_bare_median": round(statistics.median(load["images_per_second"] / rate for rate, load in counted), 3),
        "outcomes": [load["outcomes"] for _, load in counted],
    }


def sustain(server: Server, folder: Path, clients: int, seconds: float) -> dict[str, Any]:
    """Keep all clients busy and record the server's memory."""
    memory: list[float] = []
    ended = threading.Event()

    def record() -> None:
        process = psutil.Process(server.process.pid)
        while not ended.is_set():
            memory.append(process.memory_info().rss / 2**20)
            ended.wait(1)

    recorder = threading.Thread(target=record)
    recorder.start()
    result = drive(server, folder, "--clients", str(clients), "--seconds", str(seconds))
    ended.set()
    recorder.join()
    tenth = max(1, len(memory) // 10)
    warm, last = statistics.median(memory[2 * tenth : 3 * tenth]), statistics.median(memory[-tenth:])
    return result | {
        "resident_mib_after_warm_up": round(warm, 1),
        "resident_mib_at_the_end": round(last, 1),
        "resident_mib_largest": round(max(memory), 1),
        "memory_growth": round(last / warm - 1, 4),
        "resident_mib_each_10_s": [round(value) for value in memory[::10]],
    }


def kill_and_restart(server: Server, times: int) -> dict[str, Any]:
    seconds = []
    for _ in range(times):
        server.kill()
        server = Server(server.port)
        seconds.append(server.seconds_to_ready)
    server.kill()
    return {
        "command": " ".join(["python", *sys.argv]),
        "times": times,
        "seconds_to_ready_median": round(statistics.median(seconds), 3),
        "seconds_to_ready_max": round(max(seconds), 3),
    }


def main() -> None:
    parser = options(__doc__, "rounds", "images", "out", rounds=5, images=320)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--restarts", type=int, default=5)
    parser.add_argument(
        "--only", choices=("rate", "sustained", "kill_9"), help="measure this again, into an earlier --out"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(DISTINCT_IMAGES):
            phantom_image(CODES[seed % len(CODES)], seed=seed).save(Path(folder) / f"{seed:02}.jpg")
        server = Server(free_port())
        measures: dict[str, Callable[[], dict[str, Any]]] = {
            "rate": lambda: compare_rates(server, Path(folder), arguments.rounds, arguments.clients, arguments.images),
            "sustained": lambda: sustain(server, Path(folder), arguments.clients, arguments.seconds),
            "kill_9": lambda: kill_and_restart(server, arguments.restarts),
        }
        try:
            found = {name: measure() for name, measure in measures.items() if arguments.only in (None, name)}
        finally:
            server.process.kill()
    result = {
        "what": "lesionlab serve on loopback: throughput beside the predictor, sustained load, kill -9",
        "command": "python benchmarks/serving_load.py --out benchmarks/results/serving_load.json",
        "bundle": Bundle.load().info.identity,
        "image": "600x450 JPEG, synthetic",
        **(json.loads(arguments.out.read_text(encoding="utf-8")) if arguments.only else {}),
        **found,
        "environment": {
            **versions("onnxruntime", "fastapi", "uvicorn", "httptools", "uvloop"),
            "cpus": os.cpu_count(),
        },
    }
    write(arguments, result)


if __name__ == "__main__":
    main()

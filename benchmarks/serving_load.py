"""The server under load: throughput beside the predictor, 64 clients for five minutes, attacks, processes, kill -9.

    python benchmarks/serving_load.py [--clients 64] [--seconds 300] [--rounds 5] [--restarts 5] [--out FILE]

- Rate: `Predictor.predict_many` on the bytes of JPEG files, and the same images through POST /v1/predict, in turn, on
  the same cores. The clients use a measured share of the cores.
- Sustained: statuses, latencies, and the server's resident memory each second. Growth compares the last tenth of the
  time with the third tenth.
- Mixed: the same clients with images of 224x224 to 49 megapixels and batches; latencies by kind.
- Attacks: ten idle connections that declare 20 MB each, and a batch of twelve PNGs of 49 megapixels in 1.7 MB; small
  requests meanwhile. Before: the same with an earlier commit, in a git worktree.
- Hostile: each request of the hostile suite, with the slowest response of /healthz and the largest memory meanwhile.
- Workers: requests per second with one process and with several.
- Kill: seconds from the start of a new process after kill -9 to status 200 of /readyz.

All on the loopback address, for a limited number of requests and a limited time.
"""

import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from common import options, versions, write
from load_attacks import black_png, form_of, hostile, idle_sockets, large_batch
from load_server import Server, free_port, recorded
from PIL import Image

from lesionlab.bundle import Bundle
from lesionlab.cpu import available_cores
from lesionlab.phantoms import phantom_image
from lesionlab.prediction import Predictor
from lesionlab.taxonomy import CODES

CLIENT = Path(__file__).with_name("load_client.py")
REPOSITORY = Path(__file__).parent.parent
DISTINCT_IMAGES = 64
MEASURES = ("rate", "sustained", "mixed", "attacks", "hostile", "workers", "kill_9")
BEFORE = "30a0526"  # the last commit without shares of clients and turns of images


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
        "api_images_per_second": [load["requests_per_second"] for _, load in counted],
        "client_cpu_share": [load["client_cpu_share"] for _, load in counted],
        "api_over_bare_median": round(
            statistics.median(load["requests_per_second"] / rate for rate, load in counted), 3
        ),
        "outcomes": [load["outcomes"] for _, load in counted],
    }


def sustain(server: Server, folder: Path, clients: int, seconds: float) -> dict[str, Any]:
    """Keep all clients busy and record the server's memory."""
    with recorded(server.resident_mib, 1) as memory:
        result = drive(server, folder, "--clients", str(clients), "--seconds", str(seconds))
    tenth = max(1, len(memory) // 10)
    warm, last = statistics.median(memory[2 * tenth : 3 * tenth]), statistics.median(memory[-tenth:])
    return result | {
        "resident_mib_after_warm_up": round(warm, 1),
        "resident_mib_at_the_end": round(last, 1),
        "resident_mib_largest": round(max(memory), 1),
        "memory_growth": round(last / warm - 1, 4),
        "resident_mib_each_10_s": [round(value) for value in memory[::10]],
    }


def write_mixed(folder: Path) -> None:
    """Write one batch, one image of 49 megapixels and three of 12 for 59 small and camera-sized ones."""
    small, camera = (phantom_image("nv", seed, size) for seed, size in ((1, (224, 224)), (2, (600, 450))))
    phone = phantom_image("mel", 3, (4000, 3000))
    kinds = {"small": (48, small), "camera": (11, camera), "phone": (3, phone)}
    requests = [
        (f"{kind}-{number}.jpg", jpeg(image)) for kind, (count, image) in kinds.items() for number in range(count)
    ]
    requests += [("huge-0.png", black_png(7_000)), ("batch-0.form", form_of([jpeg(camera)] * 16))]
    for name, data in requests:
        (folder / name).write_bytes(data)


def jpeg(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=92)
    return out.getvalue()


def attack(small: bytes, source: Path | None) -> dict[str, Any]:
    """Measure both attacks, each on a server of its own."""
    found = {}
    for name, measure in (("ten_idle_connections", idle_sockets), ("batch_of_twelve_large_images", large_batch)):
        server = Server(free_port(), source=source)
        try:
            found[name] = measure(server, small)
        finally:
            server.kill()
    return found


@contextmanager
def earlier_source() -> Iterator[Path]:
    """Check an earlier commit out; yield its source."""
    with tempfile.TemporaryDirectory() as folder:
        git = ["git", "-C", str(REPOSITORY), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", f"{folder}/before", BEFORE], check=True)
        try:
            yield Path(folder) / "before" / "src"
        finally:
            subprocess.run([*git, "remove", "--force", f"{folder}/before"], check=True)


def attacks(small: bytes) -> dict[str, Any]:
    with earlier_source() as source:
        return {"before": {"commit": BEFORE} | attack(small, source), "after": attack(small, None)}


def compare_workers(folder: Path, clients: int, count: int) -> list[dict[str, Any]]:
    """Measure the rate with one process and with several, which share the cores."""
    found = []
    for workers in sorted({1, 2, available_cores()}):
        server = Server(free_port(), "--workers", str(workers))
        try:
            drive(server, folder, "--clients", str(clients), "--requests", str(count))  # warms all processes up
            load = drive(server, folder, "--clients", str(clients), "--requests", str(count))
            found.append({"workers": workers, "resident_mib": round(server.resident_mib())} | load)
        finally:
            server.kill()
    return found


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
    parser.add_argument("--only", choices=MEASURES, help="measure this again, into an earlier --out")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as parent:
        folder, mixed = Path(parent) / "images", Path(parent) / "mixed"
        folder.mkdir()
        mixed.mkdir()
        for seed in range(DISTINCT_IMAGES):
            phantom_image(CODES[seed % len(CODES)], seed=seed).save(folder / f"camera-{seed:02}.jpg")
        write_mixed(mixed)
        small = (mixed / "small-0.jpg").read_bytes()
        clients, count = arguments.clients, arguments.images
        server = Server(free_port())
        measures: tuple[Callable[[], Any], ...] = (
            lambda: compare_rates(server, folder, arguments.rounds, clients, count),
            lambda: sustain(server, folder, clients, arguments.seconds),
            lambda: sustain(server, mixed, clients, arguments.seconds),
            lambda: attacks(small),
            lambda: hostile(server, small),
            lambda: compare_workers(folder, clients, count),
            lambda: kill_and_restart(server, arguments.restarts),
        )
        try:
            found = {
                name: measure()
                for name, measure in zip(MEASURES, measures, strict=True)
                if arguments.only in (None, name)
            }
        finally:
            server.process.kill()
    result = {
        "what": "lesionlab serve on loopback: throughput, sustained and mixed load, attacks, processes, kill -9",
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

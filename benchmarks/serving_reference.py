"""`lesionlab serve` beside a Gradio and a Streamlit app, in one run.

    python benchmarks/serving_reference.py [--rounds 3] [--out FILE]

The apps in `reference_apps/` follow the published systems: PyTorch's ResNet-50 in Gradio, and Keras's EfficientNet-B3
in Streamlit. Each is installed into a new environment without version limits; PyTorch's GPU libraries are included and
also counted separately. The networks differ, as those of the published systems do. Weights are random, which does not
affect the time.

Gradio is called through its API (upload, call, result). Streamlit has no API: its page is timed up to the first
response, before the model is loaded, and its prediction function is timed in a process of its own.
Needs `uv`, the package index and some 10 GB for a while.
"""

import http.client
import io
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from common import options, write

from lesionlab.phantoms import phantom_image

ROOT = Path(__file__).resolve().parent.parent
APPS = Path(__file__).with_name("reference_apps")
HOST = "127.0.0.1"
ONE_BY_ONE, AT_ONCE, CLIENTS = 20, 64, 8
GPU_LIBRARIES = ("nvidia", "triton")
QUIET = {"GRADIO_ANALYTICS_ENABLED": "False", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
# The first and the following predictions of the Streamlit app, without its page.
IN_PROCESS = """
import io, json, sys, time
sys.path.insert(0, sys.argv[1])
import streamlit_keras as app
from PIL import Image
data, one_by_one, at_once = open(sys.argv[2], "rb").read(), int(sys.argv[3]), int(sys.argv[4])
network = app.build_network()
def predict():
    began = time.perf_counter()
    app.predict(network, Image.open(io.BytesIO(data)))
    return time.perf_counter() - began
predict()
print("FIRST", flush=True)
seconds = [predict() for _ in range(one_by_one)]
resident = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS")) / 1024
rate = at_once / sum(predict() for _ in range(at_once))
print(json.dumps({"seconds": seconds, "resident": resident, "rate": rate}))
"""

Predict = Callable[[int, bytes], None]
Row = dict[str, float]


def request(port: int, method: str, path: str, body: bytes = b"", kind: str = "application/json") -> bytes:
    connection = http.client.HTTPConnection(HOST, port, timeout=120)
    try:
        connection.request(method, path, body or None, {"Content-Type": kind} if body else {})
        response = connection.getresponse()
        found = response.read()
        if response.status != 200:
            raise RuntimeError(f"{path} returned {response.status}: {found[:200]!r}")
        return found
    finally:
        connection.close()


def predict_with_lesionlab(port: int, image: bytes) -> None:
    json.loads(request(port, "POST", "/v1/predict", image, "image/jpeg"))["result"]["probabilities"]


def predict_with_gradio(port: int, image: bytes) -> None:
    form = (
        b'--x\r\nContent-Disposition: form-data; name="files"; filename="lesion.jpg"\r\n\r\n' + image + b"\r\n--x--\r\n"
    )
    (path,) = json.loads(request(port, "POST", "/gradio_api/upload", form, "multipart/form-data; boundary=x"))
    call = json.dumps({"data": [{"path": path, "meta": {"_type": "gradio.FileData"}}]}).encode()
    event = json.loads(request(port, "POST", "/gradio_api/call/predict", call))["event_id"]
    result = request(port, "GET", f"/gradio_api/call/predict/{event}")
    if b"event: complete" not in result:
        raise RuntimeError(f"Gradio returned {result[:200]!r}")


def load_page(port: int, _image: bytes) -> None:
    request(port, "GET", "/")


@contextmanager
def started(command: list[str | Path], port: int, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    settings = os.environ | QUIET | environment | {"PORT": str(port)}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=settings) as process:
        try:
            yield process
        finally:
            process.kill()


def seconds_to_first(predict: Predict, port: int, image: bytes, process: subprocess.Popen[bytes]) -> float:
    began = time.perf_counter()
    while process.poll() is None and time.perf_counter() - began < 120:
        try:
            predict(port, image)
        except (OSError, RuntimeError):
            time.sleep(0.02)
        else:
            return time.perf_counter() - began
    raise SystemExit(f"{process.args!r} does not respond")


def measure_server(command: list[str | Path], predict: Predict, image: bytes, environment: dict[str, str]) -> Row:
    """Start a server and measure it with one client, then with several."""
    port = free_port()
    with started([str(part).replace("PORT", str(port)) for part in command], port, environment) as process:
        first = seconds_to_first(predict, port, image, process)
        seconds = []
        for _ in range(ONE_BY_ONE):
            began = time.perf_counter()
            predict(port, image)
            seconds.append(time.perf_counter() - began)
        whole = psutil.Process(process.pid)
        resident = sum(part.memory_info().rss for part in [whole, *whole.children(recursive=True)])
        began = time.perf_counter()
        with ThreadPoolExecutor(CLIENTS) as clients:
            list(clients.map(lambda _: predict(port, image), range(AT_ONCE)))
        rate = AT_ONCE / (time.perf_counter() - began)
    return row(first, resident / 2**20, seconds, rate)


def measure_streamlit(python: Path, image: bytes, folder: Path) -> Row:
    port = free_port()
    command: list[str | Path] = [
        python,
        "-m",
        "streamlit",
        "run",
        APPS / "streamlit_keras.py",
        "--server.port",
        str(port),
    ]
    command += ["--server.address", HOST, "--server.headless", "true", "--browser.gatherUsageStats", "false"]
    with started(command, port, {}) as process:
        page = seconds_to_first(load_page, port, image, process)
    (folder / "lesion.jpg").write_bytes(image)
    probe: list[str | Path] = [python, "-c", IN_PROCESS, APPS, folder / "lesion.jpg", str(ONE_BY_ONE), str(AT_ONCE)]
    began = time.perf_counter()
    settings = os.environ | QUIET
    with subprocess.Popen(probe, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=settings) as process:
        lines = iter(process.stdout or ())
        if not any(line == "FIRST\n" for line in lines):
            raise SystemExit("the prediction function of the Streamlit app fails")
        first = time.perf_counter() - began
        found = json.loads(next(lines))
    return row(first, found["resident"], found["seconds"], found["rate"]) | {"seconds_to_page": page}


def row(first: float, resident: float, seconds: list[float], rate: float) -> Row:
    return {
        "seconds_to_first_prediction": first,
        "resident_mib_after_20_predictions": resident,
        "milliseconds_p50": 1000 * statistics.median(seconds),
        "images_per_second": rate,
    }


def install(folder: Path, *what: str | Path) -> tuple[Path, dict[str, float]]:
    """Make an environment; return its Python, and the size of all its files except bytecode."""
    subprocess.run(["uv", "venv", "-q", "--python", sys.executable, folder], check=True)  # noqa: S607
    python = folder / "bin" / "python"
    subprocess.run(["uv", "pip", "install", "-q", "--python", python, *what], check=True)  # noqa: S607
    site = next(folder.glob("lib/python3*/site-packages"))
    sizes = {"install_mib": mebibytes(site)}
    sizes["install_mib_without_gpu_libraries"] = sizes["install_mib"] - sum(mebibytes(site / x) for x in GPU_LIBRARIES)
    compiling: list[str | Path] = [python, "-m", "compileall", "-q", "-j", "0", site]  # as pip does
    subprocess.run(compiling, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return python, sizes


def mebibytes(folder: Path) -> float:
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return sum(path.stat().st_size for path in files) / 2**20


def versions(python: Path, *names: str) -> dict[str, str]:
    code = "import sys, importlib.metadata as m; print(*map(m.version, sys.argv[1:]))"
    found = subprocess.run([python, "-c", code, *names], capture_output=True, text=True, check=True).stdout.split()
    return dict(zip(names, found, strict=True))


def free_port() -> int:
    with socket.socket() as any_socket:
        any_socket.bind((HOST, 0))
        return int(any_socket.getsockname()[1])


def main() -> None:
    arguments = options(__doc__, "rounds", "out", rounds=3).parse_args()
    buffer = io.BytesIO()
    phantom_image("mel", seed=1).save(buffer, "JPEG")
    image = buffer.getvalue()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        ours, our_size = install(folder / "ours", f"{ROOT}[app]", "-c", ROOT / "constraints.txt")
        torch, torch_size = install(folder / "torch", "torch", "torchvision", "gradio")
        keras, keras_size = install(folder / "keras", "tensorflow", "streamlit")
        uploads = {"GRADIO_TEMP_DIR": str(folder / "uploads")}
        serve: list[str | Path] = [ours.with_name("lesionlab"), "serve", "--port", "PORT"]
        measured: dict[str, Callable[[], Row]] = {
            "lesionlab serve": lambda: measure_server(serve, predict_with_lesionlab, image, {}),
            "Gradio, PyTorch ResNet-50": lambda: measure_server(
                [torch, APPS / "gradio_torch.py"], predict_with_gradio, image, uploads
            ),
            "Streamlit, Keras EfficientNet-B3": lambda: measure_streamlit(keras, image, folder),
        }
        rounds: dict[str, list[Row]] = {name: [] for name in measured}
        for _ in range(arguments.rounds + 1):  # the first round warms the file cache
            for name, measure in measured.items():
                rounds[name].append(measure())
        sizes = dict(zip(measured, (our_size, torch_size, keras_size), strict=True))
        result: dict[str, Any] = {
            "what": "lesionlab serve beside Gradio over PyTorch and Streamlit over Keras, one 600x450 JPEG",
            "command": " ".join(["python", *sys.argv]),
            "rounds": arguments.rounds,
            "clients_for_images_per_second": {"lesionlab serve": CLIENTS, "Gradio": CLIENTS, "Streamlit": "in process"},
            "systems": {
                name: {key: round(value, 1) for key, value in sizes[name].items()}
                | {key: round(statistics.median(row[key] for row in rows[1:]), 2) for key in rows[0]}
                for name, rows in rounds.items()
            },
            "environment": {
                "python": platform.python_version(),
                "cpus": os.cpu_count(),
                **versions(ours, "onnxruntime", "fastapi", "uvicorn"),
                **versions(torch, "torch", "torchvision", "gradio"),
                **versions(keras, "tensorflow", "keras", "streamlit"),
            },
        }
    write(arguments, result)


if __name__ == "__main__":
    main()

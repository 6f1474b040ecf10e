"""The static build in Chromium: bytes transferred, time to the first prediction, and time per image after it.

    python benchmarks/browser.py [--model BUNDLE] [--runs 5] [--images 20] [--out FILE]

Headless Chromium opens the static build from a local host that compresses files as common hosts do (gzip), with an
empty cache each time. The time to the first prediction runs from the request for the page, to which an image of 600x450
pixels is given as soon as it accepts one, until the result is on the page. It excludes the network, whose share
follows from the bytes. Needs the development environment and Chromium.
"""

import gzip
import os
import platform
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from common import options, write
from playwright.sync_api import Browser, sync_playwright

from lesionlab import RESEARCH_ONLY, __version__
from lesionlab.phantoms import phantom_image
from lesionlab.prediction import Predictor
from lesionlab.web import WebBuild, build_web

CHROMIUM = os.environ.get("LESIONLAB_CHROMIUM", "/usr/bin/chromium")
# Types that hosts compress; the runtime is compressed already, and weights hardly compress.
COMPRESSED = (".html", ".js", ".css", ".json", ".svg", ".wasm", ".webmanifest")
SIZES = {"224x224": (224, 224), "600x450": (600, 450), "3000x2000": (3000, 2000)}

_ALL_DONE = """
  (rows) => document.querySelector("table.results")?.getAttribute("aria-rowcount") === String(rows)
    && !document.querySelector(".batch-head progress")
"""


class Host(SimpleHTTPRequestHandler):
    """Sends compressed files and counts the bytes."""

    sent: dict[str, int] = {}  # noqa: RUF012 - shared by all connections

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        file = path / "index.html" if path.is_dir() else path
        if not file.is_file():
            self.send_error(404)
            return
        data, compressed = file.read_bytes(), file.suffix in COMPRESSED
        data = gzip.compress(data, 6) if compressed else data
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(file))
        self.send_header("Content-Length", str(len(data)))
        if compressed:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(data)
        self.sent[self.path] = len(data)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def hosted(folder: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Host, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def first_prediction(browser: Browser, address: str, image: Path) -> float:
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(120_000)
    began = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.locator("input[type=file][multiple]").set_input_files(image)
    page.locator("article.result[aria-busy='false']").wait_for(state="attached")
    seconds = time.perf_counter() - began
    context.close()
    return seconds


def later_predictions(browser: Browser, address: str, files: list[Path]) -> float:
    """Return the seconds per image of a list, after a first image."""
    page = browser.new_page()
    page.set_default_timeout(120_000)
    page.goto(address)
    add = page.locator("input[type=file][multiple]").first
    add.set_input_files(files[0])
    page.locator("article.result[aria-busy='false']").wait_for(state="attached")
    page.evaluate("location.hash = 'classify'")
    page.locator("table.results").wait_for()
    began = time.perf_counter()
    add.set_input_files(files)
    page.wait_for_function(_ALL_DONE, arg=len(files) + 2)  # the first image, and the heading
    seconds = (time.perf_counter() - began) / len(files)
    page.close()
    return seconds


def measure(build: WebBuild, folder: Path, runs: int, images: int) -> dict[str, object]:
    files = {}
    for name, size in SIZES.items():
        files[name] = [folder / f"{name}-{seed}.jpg" for seed in range(images)]
        for seed, file in enumerate(files[name]):
            phantom_image("mel", seed, size).save(file, quality=90)
    with sync_playwright() as playwright, hosted(build.path) as address:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        firsts = [first_prediction(browser, address, files["600x450"][0]) for _ in range(runs)]
        seconds = {name: later_predictions(browser, address, paths) for name, paths in files.items()}
        version = browser.version
        browser.close()
    # Without the service worker's revalidation, to which a host responds with "not modified".
    transferred = sum(Host.sent.values())
    model = sum(size for path, size in Host.sent.items() if path.startswith("/model/"))
    return {
        "build_mb": round(build.size / 1e6, 2),
        "transferred_mb": round(transferred / 1e6, 2),
        "transferred_mb_model": round(model / 1e6, 2),
        "transferred_mb_runtime": round(
            sum(size for path, size in Host.sent.items() if ".wasm" in path or "onnxruntime-web.js" in path) / 1e6, 2
        ),
        "first_prediction_seconds_median": round(statistics.median(firsts), 2),
        "first_prediction_seconds_all": [round(seconds, 2) for seconds in firsts],
        "image_milliseconds": {name: round(1e3 * each, 1) for name, each in seconds.items()},
        "browser": f"Chromium {version}, one thread",
    }


def main() -> None:
    parser = options(__doc__, "model", "images", "out", images=20)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        build = build_web(Path(folder) / "web", Predictor.load(arguments.model, threads=1))
        result = {
            "notice": RESEARCH_ONLY,
            "what": "static build in Chromium: bytes, cold load to first prediction, time per image after it",
            "command": " ".join(["python", *sys.argv]),
            "model": build.identity,
            "runs": arguments.runs,
            "images": arguments.images,
            **measure(build, Path(folder), arguments.runs, arguments.images),
            "environment": {
                "lesionlab": __version__,
                "python": platform.python_version(),
                "platform": f"{platform.system()} {platform.machine()}",
                "cpus": os.cpu_count(),
            },
        }
    write(arguments, result)


if __name__ == "__main__":
    main()

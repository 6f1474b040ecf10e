"""The page in Chromium, served by a real server with a small model or as a static build."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page, sync_playwright

from lesionlab.bundle import BundleInfo, FeatureSpace, ImageLimits, Reference, save_bundle
from lesionlab.bundle.features import ood_scores, signed_sqrt
from lesionlab.data import Manifest
from lesionlab.images import load_image
from lesionlab.phantoms import phantom_image
from lesionlab.prediction import Predictor
from lesionlab.web import build_web
from lesionlab.web.bundle import PAGE

CHROMIUM = os.environ.get("LESIONLAB_CHROMIUM", "/usr/bin/chromium")
DESKTOP, PHONE = (1280, 900), (390, 844)

# Playwright cannot read multipart forms.
_RECORD_FORMS = """
  window.sentForms = [];
  const send = window.fetch;
  window.fetch = (url, options = {}) => {
    if (options.body instanceof FormData) {
      const fields = [...options.body].map(([field, value]) => [field, value instanceof File ? value.name : value]);
      window.sentForms.push(Object.fromEntries(fields));
    }
    return send(url, options);
  };
"""

OpenPage = Callable[..., Page]
Serve = Callable[..., str]
Host = Callable[[Path], str]
# Below the root, as on most static hosts.
SUBFOLDER = "some/where"


# No longer than a file: while it lasts, Playwright's event loop counts as running, and no other test can run one.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if not Path(CHROMIUM).exists():
        pytest.skip(f"no browser at {CHROMIUM}; LESIONLAB_CHROMIUM names another one")
    with sync_playwright() as playwright:
        # Chromium has no sandbox for root; the tests open no other page.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Return a function that starts `lesionlab serve` with a model and returns its address; `stop` ends it."""
    started: dict[str, subprocess.Popen[bytes]] = {}

    def start(model: Path, *options: str, api_key: str = "") -> str:
        command = [sys.executable, "-m", "lesionlab", "serve", "--port", "0", "--threads", "1", "--model", str(model)]
        environment = os.environ | ({"LESIONLAB_API_KEY": api_key} if api_key else {})
        # A file: a full pipe would block the server.
        log = tmp_path_factory.mktemp("server") / "log.txt"
        with log.open("w") as stream:
            process = subprocess.Popen([*command, *options], env=environment, stdout=stream, stderr=stream)
        end = time.monotonic() + 30
        while not (found := re.search(r"http://\S+:\d+", log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.05)
        started[found[0]] = process
        return found[0]

    def stop(address: str) -> None:
        process = started.pop(address)
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)

    start.stop = stop  # type: ignore[attr-defined]
    yield start
    for address in tuple(started):
        stop(address)


class _Files(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def static_host(root: Path, handler: type[SimpleHTTPRequestHandler] = _Files) -> Iterator[str]:
    """Serve a folder as a static host does; yield the address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(root))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Return a function that puts the static build of a model on a static host and returns its address."""
    with ExitStack() as hosts:

        def hosted(bundle: Path) -> str:
            root = tmp_path_factory.mktemp("host")
            built = build_web(root / SUBFOLDER, Predictor.load(bundle, threads=1)).path
            # The tests import single modules, which a build has joined.
            for module in PAGE.rglob("*.js"):
                if not (target := built / "assets" / module.relative_to(PAGE)).exists():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(module, target)
            return f"{hosts.enter_context(static_host(root))}/{SUBFOLDER}"

        yield hosted


@pytest.fixture(scope="session")
def server(serve: Serve, tiny_whole_bundle: Path) -> str:
    """The address of a server whose model explains, abstains and has an evaluation."""
    return serve(tiny_whole_bundle)


@pytest.fixture
def open_page(chromium: Browser, server: str) -> Iterator[OpenPage]:
    """Return a function that opens the page; at the end, check that there were no errors and no other hosts."""
    errors: list[str] = []
    hosts: set[str] = set()
    contexts = []

    def opened(
        address: str = server,
        view: str = "",
        size: tuple[int, int] = DESKTOP,
        scheme: str = "light",
        *,
        still: bool = True,
    ) -> Page:
        phone = size == PHONE
        context = chromium.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if scheme == "dark" else "light",
            reduced_motion="reduce" if still else "no-preference",
            has_touch=phone,
            is_mobile=phone,
            accept_downloads=True,
        )
        contexts.append(context)
        context.add_init_script(_RECORD_FORMS)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
        page.goto(f"{address}/{view}")
        page.get_by_role("heading", level=1).first.wait_for()
        return page

    yield opened
    for context in contexts:
        context.close()
    # Tests provoke responses with other statuses than 200, and unreachable servers.
    assert [error for error in errors if not error.startswith("Failed to load resource")] == []
    assert {host.partition(":")[0] for host in hosts if host} <= {"127.0.0.1"}


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files by name: two lesions, a landscape, and files that are no images."""
    folder = tmp_path_factory.mktemp("images")
    phantom_image("mel", 1, (320, 240)).save(folder / "mole.jpg")
    phantom_image("nv", 0, (320, 240)).save(folder / "=nevus, left.png")
    landscape().save(folder / "landscape.jpg", quality=92)
    Image.new("RGB", (320, 240), (128, 128, 128)).save(folder / "grey.png")
    (folder / "damaged.jpg").write_bytes((folder / "mole.jpg").read_bytes()[:3000])
    (folder / "scan.dcm").write_bytes(bytes(128) + b"DICM" + bytes(64))
    (folder / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(64))
    (folder / "phone.avif").write_bytes(b"\0\0\0\x1cftypmif1\0\0\0\0avifmif1" + bytes(64))
    (folder / "scan.jp2").write_bytes(b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(64))
    (folder / "photo.jxl").write_bytes(b"\xff\x0a" + bytes(64))
    (folder / "words.jpg").write_text("not an image in spite of its name")
    return {path.name: path for path in folder.iterdir()}


def landscape() -> Image.Image:
    """Draw an image without a lesion: sky, sun, hills and a house."""
    rows = np.linspace(0, 1, 240)[:, None, None]
    sky = np.array([70, 130, 220]) * (1 - rows) + np.array([190, 220, 250]) * rows
    image = Image.fromarray(np.broadcast_to(sky, (240, 320, 3)).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    draw.ellipse((230, 20, 280, 70), fill=(255, 240, 120))
    draw.polygon([(0, 240), (0, 170), (120, 110), (230, 180), (320, 140), (320, 240)], fill=(40, 120, 50))
    draw.rectangle((90, 160, 150, 210), fill=(230, 230, 235))
    draw.polygon([(82, 160), (120, 128), (158, 160)], fill=(150, 40, 30))
    return image


@pytest.fixture(scope="session")
def ood_bundle(
    tiny_graph: bytes, tiny_info: BundleInfo, phantoms: Manifest, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A bundle that abstains from images unlike the phantoms."""
    import onnxruntime

    images = [tiny_info.preprocessing.apply(load_image(phantoms.root / r.path).image) for r in phantoms.records[:40]]
    session = onnxruntime.InferenceSession(tiny_graph)
    features = session.run(["feature_map"], {"image": np.stack(images)})[0].mean(axis=(2, 3))
    roots = signed_sqrt(features)
    _, _, directions = np.linalg.svd(roots - roots.mean(axis=0), full_matrices=False)
    space = FeatureSpace(roots.mean(axis=0), directions[:4], np.array(0, np.float32))
    space = replace(space, limit=np.array(1.2 * ood_scores(space, features).max(), np.float32))
    limits = ImageLimits(*(np.array(value, np.float32) for value in (20, 245, 2)))
    path = tmp_path_factory.mktemp("ood") / "ood"
    info = tiny_info.model_copy(update={"name": "ood"})
    save_bundle(path, info, tiny_graph, reference=Reference(image=limits, features=space))
    return path


def choose(page: Page, *files: Path) -> None:
    """Choose files as in the file dialog."""
    page.locator("input[type=file][multiple]").set_input_files([str(file) for file in files])


def accessibility_issues(page: Page) -> list[str]:
    """Return the serious and critical issues that axe-core finds."""
    found = Axe().run(page).response["violations"]
    return [
        f"{issue['id']}: {[node['target'] for node in issue['nodes']][:4]}"
        for issue in found
        if issue["impact"] in ("serious", "critical")
    ]


def content_width(page: Page) -> int:
    """Return the width of the page's content in pixels."""
    return int(page.evaluate("document.documentElement.scrollWidth"))

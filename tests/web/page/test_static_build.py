"""The static build: predictions in the browser, offline use, updates, accessibility."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from lesionlab.prediction import Predictor
from lesionlab.web import build_web
from tests.web.page.conftest import (
    DESKTOP,
    PHONE,
    SUBFOLDER,
    Host,
    OpenPage,
    accessibility_issues,
    choose,
    content_width,
    static_host,
)

pytestmark = pytest.mark.slow

STORED = "works offline"
REASONS = {
    "scan.dcm": "Export the image as PNG or JPEG",
    "phone.heic": "Export it as JPEG",
    "phone.avif": "AVIF image. Save it as JPEG or PNG",
    "scan.jp2": "JPEG 2000 image. Save it as JPEG or PNG",
    "photo.jxl": "use the command line with lesionlab[formats]",
    "words.jpg": "the file holds text",
    "damaged.jpg": "truncated",
}


@pytest.fixture(scope="module")
def address(host: Host, tiny_whole_bundle: Path) -> str:
    """The address of a static build whose model explains, abstains and has an evaluation."""
    return host(tiny_whole_bundle)


def classified(page: Page, *files: Path) -> None:
    choose(page, *files)
    page.locator(".heat canvas").wait_for()


def test_classification_sends_no_requests(open_page: OpenPage, address: str, images: dict[str, Path]) -> None:
    page = open_page(address)
    expect(page.locator("footer")).to_contain_text("Images never leave this device")
    expect(page.locator("footer")).to_contain_text(STORED)
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    classified(page, images["mole.jpg"])
    expect(page.locator(".decision-details")).to_contain_text("Risk level:")
    page.get_by_label("Heat map for", exact=True).select_option("vasc")
    expect(page.locator(".heat figcaption")).to_contain_text("Vascular lesion")
    # The browser may fetch the icon of the tab again.
    assert [url for url in requested if not url.startswith("blob:") and not url.endswith("/icon.svg")] == []


def test_the_page_does_not_mention_a_server(open_page: OpenPage, address: str, images: dict[str, Path]) -> None:
    page = open_page(address)
    classified(page, images["mole.jpg"])
    text = page.locator("body").inner_text().lower()
    assert "server" not in text
    assert "api key" not in text
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_patient_data_are_noted(open_page: OpenPage, address: str, images: dict[str, Path]) -> None:
    page = open_page(address)
    classified(page, images["mole.jpg"])
    page.get_by_text("Age, sex, site and prevalence").click()
    page.get_by_label("Age in years").fill("61")
    page.get_by_label("Site").select_option("lower extremity")
    expect(page.locator(".result-column .note")).to_contain_text("age and site ignored")


def test_unsupported_files_get_a_reason(open_page: OpenPage, address: str, images: dict[str, Path]) -> None:
    page = open_page(address)
    for name, words in REASONS.items():
        choose(page, images[name])
        expect(page.get_by_role("heading", name=name)).to_be_visible()
        expect(page.get_by_role("alert")).to_contain_text(words)
        expect(page.get_by_role("button", name="Try again")).to_have_count(0)


def test_several_images_are_shown_as_a_table(open_page: OpenPage, address: str, images: dict[str, Path]) -> None:
    page = open_page(address)
    choose(page, *(images[name] for name in ("mole.jpg", "=nevus, left.png", "grey.png", "damaged.jpg")))
    expect(page.get_by_role("button", name="Download as CSV")).to_be_enabled()
    rows = page.locator(".results tbody tr")
    expect(rows).to_have_count(4)
    expect(rows.filter(has_text="grey.png")).to_contain_text("No result: nearly uniform")
    expect(rows.filter(has_text="damaged.jpg")).to_contain_text("truncated")


def test_the_page_works_offline_after_the_first_visit(
    chromium: Browser, tiny_whole_bundle: Path, images: dict[str, Path], tmp_path: Path
) -> None:
    build_web(tmp_path / SUBFOLDER, Predictor.load(tiny_whole_bundle, threads=1))
    context = chromium.new_context()
    with static_host(tmp_path) as root:
        page = context.new_page()
        page.goto(f"{root}/{SUBFOLDER}/")
        expect(page.locator("footer")).to_contain_text(STORED, timeout=20_000)
        page.close()
    page = context.new_page()
    page.goto(f"{root}/{SUBFOLDER}/")
    classified(page, images["mole.jpg"])
    page.get_by_role("button", name="Remove this image").click()
    page.get_by_role("button", name="Synthetic vascular lesion").click()
    page.locator(".summary").wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the report").click()
    assert "<style>" in Path(download.value.path()).read_text(encoding="utf-8")
    page.get_by_role("link", name="Performance").click()
    page.get_by_role("heading", name="Missing information").wait_for()
    context.close()


def test_a_new_version_replaces_all_files_at_once(
    chromium: Browser, tiny_whole_bundle: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    build_web(tmp_path / SUBFOLDER, Predictor.load(tiny_whole_bundle, threads=1))
    context = chromium.new_context()
    with static_host(tmp_path) as root:
        page = context.new_page()
        page.goto(f"{root}/{SUBFOLDER}/#performance")
        expect(page.locator("footer")).to_contain_text(STORED, timeout=20_000)
        unmeasured = "no confusion matrix"
        expect(page.locator("main")).to_contain_text("Missing information")
        expect(page.locator("main")).not_to_contain_text(unmeasured)
        build_web(tmp_path / SUBFOLDER, Predictor.load(tiny_bundle, threads=1))
        later = time.time() + 10  # modification times have a resolution of one second
        for file in (tmp_path / SUBFOLDER).rglob("*"):
            os.utime(file, (later, later))
        page.reload()
        waiting = "async () => Boolean((await navigator.serviceWorker.getRegistration()).waiting)"
        deadline = time.monotonic() + 20
        while not page.evaluate(waiting):  # `wait_for_function` does not await the promise
            assert time.monotonic() < deadline, "the new version was not stored"
            time.sleep(0.2)
        # An open page keeps its version.
        expect(page.locator("main")).to_contain_text("Missing information")
        expect(page.locator("main")).not_to_contain_text(unmeasured)
        page.close()
        time.sleep(2)  # the browser activates the new version with a delay
        page = context.new_page()
        page.goto(f"{root}/{SUBFOLDER}/#performance")
        expect(page.locator("main")).to_contain_text(unmeasured)
    context.close()


@contextmanager
def another_host() -> Iterator[tuple[str, list[str]]]:
    """Serve every request; yield the address and the list of requested paths."""
    requested: list[str] = []

    class Open(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requested.append(self.path)
            self.send_response(200)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Open) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", requested
        finally:
            server.shutdown()
            thread.join()


def test_page_and_worker_cannot_reach_another_host(chromium: Browser, address: str) -> None:
    script = """
      async (other) => {
        const reach = `fetch("${other}/x").then(() => "reached", () => "stopped")`;
        const code = `${reach}.then((what) => postMessage(what))`;
        const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
        const worker = new Worker(url, { type: "module" });
        const inWorker = new Promise((resolve) => {
          worker.onmessage = ({ data }) => resolve(data);
          worker.onerror = () => resolve("no worker");
        });
        const inPage = fetch(`${other}/x`).then(() => "reached", () => "stopped");
        return [await inPage, await inWorker];
      }
    """
    page = chromium.new_page()
    with another_host() as (other, requested):
        page.goto(f"{address}/")
        assert page.evaluate(script, other) == ["stopped", "stopped"]
        assert requested == []
        page.goto(f"{address}/model/model.json")  # a document without a policy: the check can fail
        assert page.evaluate(script, other) == ["reached", "reached"]
    page.close()


def test_loading_the_model_can_be_repeated(
    open_page: OpenPage, tiny_whole_bundle: Path, images: dict[str, Path], tmp_path: Path
) -> None:
    build_web(tmp_path, Predictor.load(tiny_whole_bundle, threads=1))
    graph = tmp_path / "model/model.bin.gz"
    whole = graph.read_bytes()
    with static_host(tmp_path) as root:
        graph.unlink()
        page = open_page(root)
        expect(page.get_by_role("alert")).to_contain_text("the download of model.bin.gz failed")
        graph.write_bytes(whole[:-1] + b"?")
        os.utime(graph, (0, 0))  # an old file is cached without revalidation
        page.get_by_role("button", name="Try again").click()
        expect(page.get_by_role("alert")).to_contain_text("model.bin.gz is damaged or belongs to another version")
        graph.write_bytes(whole)
        os.utime(graph, (0, 0))
        page.get_by_role("button", name="Try again").click()
        classified(page, images["mole.jpg"])
        expect(page.get_by_role("alert")).to_have_count(0)


def test_the_loading_progress_is_shown(
    open_page: OpenPage, tiny_whole_bundle: Path, images: dict[str, Path], tmp_path: Path
) -> None:
    build_web(tmp_path, Predictor.load(tiny_whole_bundle, threads=1))
    go_on = threading.Event()

    class Halting(SimpleHTTPRequestHandler):
        def copyfile(self, source: Any, outputfile: Any) -> None:
            if self.path.endswith("wasm.gz"):
                outputfile.write(source.read(2_000_000))
                outputfile.flush()
                go_on.wait(timeout=30)
            super().copyfile(source, outputfile)

        def log_message(self, *_: object) -> None:
            pass

    with static_host(tmp_path, Halting) as root:
        page = open_page(root)
        choose(page, images["mole.jpg"])
        expect(page.locator(".result .progress")).to_contain_text("Loading the model: 5")
        go_on.set()
        page.locator(".summary").wait_for()


def test_a_binary_model_without_heat_maps_or_abstention(
    open_page: OpenPage, host: Host, tiny_binary_bundle: "object", images: dict[str, Path]
) -> None:
    page = open_page(host(tiny_binary_bundle("melanoma")))  # type: ignore[operator]
    choose(page, images["mole.jpg"])
    page.locator(".summary").wait_for()
    expect(page.locator(".summary")).to_contain_text("probability of melanoma")
    expect(page.get_by_text("This model has no heat map.")).to_be_visible()


@pytest.mark.parametrize(("size", "scheme"), [(PHONE, "dark"), (DESKTOP, "light")])
def test_all_views_are_accessible(
    open_page: OpenPage, address: str, images: dict[str, Path], tmp_path: Path, size: tuple[int, int], scheme: str
) -> None:
    page = open_page(address, size=size, scheme=scheme)
    expect(page.locator("footer")).to_contain_text(STORED)
    expect(page.get_by_text("Take a photograph")).to_be_visible(visible=size == PHONE)
    check(page, tmp_path / "welcome.png")
    classified(page, images["mole.jpg"])
    for summary in page.locator("summary:visible").all():
        summary.click()
    check(page, tmp_path / "result.png")
    choose(page, images["grey.png"])
    page.locator(".abstention").wait_for()
    check(page, tmp_path / "abstention.png")
    page.get_by_role("link", name="Performance").click()
    page.get_by_role("heading", name="Missing information").wait_for()
    check(page, tmp_path / "performance.png")


def check(page: Page, screenshot: Path) -> None:
    page.screenshot(path=screenshot, full_page=True)
    assert accessibility_issues(page) == []
    assert page.viewport_size
    assert content_width(page) == page.viewport_size["width"]

"""The page as a site of its own: without a server that answers, without a network, on a phone, for everyone."""

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
from tests.web.page.conftest import DESKTOP, PHONE, PLACE, Host, OpenPage, choose, faults, files_at_an_address, width_of

pytestmark = pytest.mark.slow

STORED = "works without a network"
REASONS = {
    "scan.dcm": "Export the picture as PNG or JPEG",
    "phone.heic": "Export it as JPEG",
    "words.jpg": "the file holds text",
    "damaged.jpg": "truncated",
}


@pytest.fixture(scope="module")
def address(host: Host, tiny_whole_bundle: Path) -> str:
    """The address of a site whose model explains and refuses and carries its evaluation."""
    return host(tiny_whole_bundle)


def judged(page: Page, *files: Path) -> None:
    choose(page, *files)
    page.locator(".heat canvas").wait_for()


def test_an_image_is_judged_and_leaves_no_trace_on_the_net(
    open_page: OpenPage, address: str, pictures: dict[str, Path]
) -> None:
    page = open_page(address)
    expect(page.locator("footer")).to_contain_text("Images never leave this device")
    expect(page.locator("footer")).to_contain_text(STORED)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    judged(page, pictures["mole.jpg"])
    expect(page.locator(".verdict")).to_contain_text("Risk level:")
    page.get_by_label("Heat map for", exact=True).select_option("vasc")
    expect(page.locator(".heat figcaption")).to_contain_text("Vascular lesion")
    assert [url for url in asked if not url.startswith("blob:")] == []


def test_nothing_of_a_server_is_said(open_page: OpenPage, address: str, pictures: dict[str, Path]) -> None:
    page = open_page(address)
    judged(page, pictures["mole.jpg"])
    said = page.locator("body").inner_text().lower()
    assert "server" not in said
    assert "api key" not in said
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_patient_data_change_the_note(open_page: OpenPage, address: str, pictures: dict[str, Path]) -> None:
    page = open_page(address)
    judged(page, pictures["mole.jpg"])
    page.get_by_text("Age, sex and site (optional)").click()
    page.get_by_label("Age in years").fill("61")
    page.get_by_label("Site").select_option("lower extremity")
    page.get_by_role("button", name="Judge again").click()
    expect(page.locator(".numbers .note")).to_contain_text("age and site given, but not read")


def test_bad_files_get_a_reason(open_page: OpenPage, address: str, pictures: dict[str, Path]) -> None:
    page = open_page(address)
    for name, words in REASONS.items():
        choose(page, pictures[name])
        expect(page.get_by_role("heading", name=name)).to_be_visible()
        expect(page.get_by_role("alert")).to_contain_text(words)
        expect(page.get_by_role("button", name="Try again")).to_have_count(0)


def test_many_images_become_a_table(open_page: OpenPage, address: str, pictures: dict[str, Path]) -> None:
    page = open_page(address)
    choose(page, *(pictures[name] for name in ("mole.jpg", "=nevus, left.png", "grey.png", "damaged.jpg")))
    expect(page.get_by_role("button", name="Download as CSV")).to_be_enabled()
    rows = page.locator(".answers tbody tr")
    expect(rows).to_have_count(4)
    expect(rows.filter(has_text="grey.png")).to_contain_text("not to be relied on")
    expect(rows.filter(has_text="damaged.jpg")).to_contain_text("truncated")


def test_after_the_first_visit_it_needs_no_network(
    chromium: Browser, tiny_whole_bundle: Path, pictures: dict[str, Path], tmp_path: Path
) -> None:
    build_web(tmp_path / PLACE, Predictor.load(tiny_whole_bundle, threads=1))
    context = chromium.new_context()
    with files_at_an_address(tmp_path) as root:
        page = context.new_page()
        page.goto(f"{root}/{PLACE}/")
        expect(page.locator("footer")).to_contain_text(STORED, timeout=20_000)
        page.close()
    page = context.new_page()
    page.goto(f"{root}/{PLACE}/")
    judged(page, pictures["mole.jpg"])
    page.get_by_role("button", name="Remove this image").click()
    page.get_by_role("button", name="Synthetic vascular lesion").click()
    page.locator(".verdict").wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the report").click()
    assert "<style>" in Path(download.value.path()).read_text(encoding="utf-8")
    page.get_by_role("link", name="How good is it").click()
    page.get_by_role("heading", name="What is not here").wait_for()
    context.close()


def test_a_new_version_takes_over_as_a_whole(
    chromium: Browser, tiny_whole_bundle: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    build_web(tmp_path / PLACE, Predictor.load(tiny_whole_bundle, threads=1))
    context = chromium.new_context()
    with files_at_an_address(tmp_path) as root:
        page = context.new_page()
        page.goto(f"{root}/{PLACE}/#quality")
        expect(page.locator("footer")).to_contain_text(STORED, timeout=20_000)
        unmeasured = "no confusion matrix"
        expect(page.locator("main")).to_contain_text("What is not here")
        expect(page.locator("main")).not_to_contain_text(unmeasured)
        build_web(tmp_path / PLACE, Predictor.load(tiny_bundle, threads=1))
        later = time.time() + 10  # a host tells changes by the second
        for file in (tmp_path / PLACE).rglob("*"):
            os.utime(file, (later, later))
        page.reload()
        waiting = "async () => Boolean((await navigator.serviceWorker.getRegistration()).waiting)"
        deadline = time.monotonic() + 20
        while not page.evaluate(waiting):  # `wait_for_function` takes the promise itself for an answer
            assert time.monotonic() < deadline, "the new version was not stored"
            time.sleep(0.2)
        # The page that is open goes on with the version that it began with.
        expect(page.locator("main")).to_contain_text("What is not here")
        expect(page.locator("main")).not_to_contain_text(unmeasured)
        page.close()
        time.sleep(2)  # until the browser has noticed that nobody uses the old version any more
        page = context.new_page()
        page.goto(f"{root}/{PLACE}/#quality")
        expect(page.locator("main")).to_contain_text(unmeasured)
    context.close()


@contextmanager
def another_host() -> Iterator[tuple[str, list[str]]]:
    """Serve anything to anyone; yield the address, and the list of what was asked for."""
    asked: list[str] = []

    class Open(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Open) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def test_neither_the_page_nor_its_worker_can_reach_another_host(chromium: Browser, address: str) -> None:
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
    with another_host() as (other, asked):
        page.goto(f"{address}/")
        assert page.evaluate(script, other) == ["stopped", "stopped"]
        assert asked == []
        page.goto(f"{address}/model/site.json")  # a document without a policy: the check can fail
        assert page.evaluate(script, other) == ["reached", "reached"]
    page.close()


def test_a_model_that_does_not_arrive_is_asked_for_again(
    open_page: OpenPage, tiny_whole_bundle: Path, pictures: dict[str, Path], tmp_path: Path
) -> None:
    build_web(tmp_path, Predictor.load(tiny_whole_bundle, threads=1))
    graph = tmp_path / "model/model.onnx"
    whole = graph.read_bytes()
    with files_at_an_address(tmp_path) as root:
        graph.unlink()
        page = open_page(root)
        expect(page.get_by_role("alert")).to_contain_text("model.onnx does not arrive. Is the network up?")
        graph.write_bytes(whole[:-1] + b"?")
        os.utime(graph, (0, 0))  # as old as it gets: the browser keeps it, and does not ask whether it has changed
        page.get_by_role("button", name="Try again").click()
        expect(page.get_by_role("alert")).to_contain_text("model.onnx arrived damaged, or from another version")
        graph.write_bytes(whole)
        os.utime(graph, (0, 0))
        page.get_by_role("button", name="Try again").click()
        judged(page, pictures["mole.jpg"])
        expect(page.get_by_role("alert")).to_have_count(0)


def test_how_far_the_model_is_loaded_is_told(
    open_page: OpenPage, tiny_whole_bundle: Path, pictures: dict[str, Path], tmp_path: Path
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

    with files_at_an_address(tmp_path, Halting) as root:
        page = open_page(root)
        choose(page, pictures["mole.jpg"])
        expect(page.locator(".answer .progress")).to_contain_text("Loading the model: 5")
        go_on.set()
        page.locator(".verdict").wait_for()


def test_a_model_without_maps_points_or_refusals(
    open_page: OpenPage, host: Host, tiny_binary_bundle: "object", pictures: dict[str, Path]
) -> None:
    page = open_page(host(tiny_binary_bundle("melanoma")))  # type: ignore[operator]
    choose(page, pictures["mole.jpg"])
    page.locator(".verdict").wait_for()
    expect(page.locator(".verdict")).to_contain_text("Probability of melanoma")
    expect(page.get_by_text("This model has no heat map.")).to_be_visible()


@pytest.mark.parametrize(("size", "scheme"), [(PHONE, "dark"), (DESKTOP, "light")])
def test_it_is_for_everyone(
    open_page: OpenPage, address: str, pictures: dict[str, Path], tmp_path: Path, size: tuple[int, int], scheme: str
) -> None:
    page = open_page(address, size=size, scheme=scheme)
    expect(page.locator("footer")).to_contain_text(STORED)
    expect(page.get_by_text("Take a photograph")).to_be_visible(visible=size == PHONE)
    check(page, tmp_path / "welcome.png")
    judged(page, pictures["mole.jpg"])
    for summary in page.locator("summary").all():
        summary.click()
    check(page, tmp_path / "answer.png")
    choose(page, pictures["grey.png"])
    page.locator(".refusal").wait_for()
    check(page, tmp_path / "refused.png")
    page.get_by_role("link", name="How good is it").click()
    page.get_by_role("heading", name="What is not here").wait_for()
    check(page, tmp_path / "quality.png")


def check(page: Page, picture: Path) -> None:
    page.screenshot(path=picture, full_page=True)
    assert faults(page) == []
    assert page.viewport_size
    assert width_of(page) == page.viewport_size["width"]

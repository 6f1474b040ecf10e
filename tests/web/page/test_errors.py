"""Errors: unsupported files, busy and unreachable servers, API keys."""

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Route, expect

from lesionlab.phantoms import phantom_image
from tests.images.dicom.files import dicom
from tests.web.page.conftest import OpenPage, Serve, choose

REASONS = {
    "phone.heic": "Export it as JPEG",
    "phone.avif": "AVIF image. Save it as JPEG or PNG",
    "scan.jp2": "JPEG 2000 image. Save it as JPEG or PNG",
    "photo.jxl": "use the command line with lesionlab[formats]",
    "words.jpg": "not an image",
    "damaged.jpg": "truncated",
}


@pytest.mark.slow
def test_unsupported_files_get_a_reason(open_page: OpenPage, images: dict[str, Path]) -> None:
    page = open_page()
    for name, words in REASONS.items():
        choose(page, images[name])
        expect(page.get_by_role("heading", name=name)).to_be_visible()
        expect(page.get_by_role("alert")).to_contain_text(words)
        expect(page.get_by_role("button", name="Try again")).to_have_count(0)


@pytest.mark.slow
def test_dicom_is_sent_to_a_server_that_reads_it(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page()
    (tmp_path / "lesion.dcm").write_bytes(dicom(np.asarray(phantom_image("mel", 1, (320, 240)))))
    choose(page, tmp_path / "lesion.dcm")
    expect(page.locator(".summary")).to_contain_text("probability of malignancy")


@pytest.mark.slow
def test_a_drop_outside_the_drop_area_does_not_replace_the_page(open_page: OpenPage) -> None:
    page = open_page(view="#performance")
    prevented = page.evaluate(
        """() => ["dragover", "drop"].map((kind) => {
          const event = new DragEvent(kind, { bubbles: true, cancelable: true });
          document.querySelector("main").dispatchEvent(event);
          return event.defaultPrevented;
        })"""
    )
    assert prevented == [True, True]


@pytest.mark.slow
def test_a_file_above_the_limit_is_not_sent(
    open_page: OpenPage, serve: Serve, tiny_bundle: Path, images: dict[str, Path]
) -> None:
    page = open_page(serve(tiny_bundle, "--max-megabytes", "0.002"))
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    choose(page, images["mole.jpg"])
    expect(page.get_by_role("alert")).to_contain_text("the limit is 0.0 MB")
    assert not [url for url in requested if "/v1/predict" in url or "/v1/explain" in url]


@pytest.mark.slow
def test_requests_are_repeated_while_the_server_is_busy(open_page: OpenPage, images: dict[str, Path]) -> None:
    page = open_page()
    rejected: list[str] = []

    def busy_once(route: Route) -> None:
        if rejected:
            route.continue_()
            return
        rejected.append(route.request.url)
        route.fulfill(status=503, headers={"Retry-After": "1"}, json={"title": "Service Unavailable", "status": 503})

    page.route("**/v1/explain", busy_once)
    choose(page, images["mole.jpg"])
    expect(page.locator(".result .progress")).to_contain_text(
        "The server is busy. Trying again in 1 s (attempt 2 of 6)"
    )
    page.locator(".summary").wait_for()
    assert len(rejected) == 1


@pytest.mark.slow
def test_results_are_kept_while_the_server_is_unreachable(
    open_page: OpenPage, serve: Serve, tiny_bundle: Path, images: dict[str, Path]
) -> None:
    address = serve(tiny_bundle)
    page = open_page(address)
    choose(page, images["mole.jpg"])
    page.locator(".summary").wait_for()
    serve.stop(address)  # type: ignore[attr-defined]
    choose(page, images["=nevus, left.png"])
    expect(page.get_by_role("alert")).to_contain_text("The server cannot be reached")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    page.get_by_role("button", name="All 2 images").click()
    expect(page.locator(".results tbody tr", has_text="mole.jpg").locator(".risk")).to_be_visible()
    back = serve(tiny_bundle, "--port", address.rpartition(":")[2])
    assert back == address
    page.get_by_role("button", name="Try 1 image again").click()
    expect(page.locator(".results .risk")).to_have_count(2)


@pytest.mark.slow
def test_the_key_is_requested_until_it_is_accepted(
    open_page: OpenPage, serve: Serve, tiny_bundle: Path, images: dict[str, Path]
) -> None:
    page = open_page(serve(tiny_bundle, api_key="a-long-enough-key-1234"))
    dialog = page.get_by_role("dialog")
    page.get_by_label("API key", exact=True).fill("wrong")
    page.keyboard.press("Enter")
    expect(dialog).to_contain_text("not accepted")
    page.get_by_label("API key", exact=True).fill("a-long-enough-key-1234")
    page.keyboard.press("Enter")
    expect(dialog).not_to_be_visible()
    expect(page.locator("footer")).to_contain_text("tiny@")
    choose(page, images["mole.jpg"])
    page.locator(".summary").wait_for()


@pytest.mark.slow
def test_images_are_kept_without_a_key(
    open_page: OpenPage, serve: Serve, tiny_bundle: Path, images: dict[str, Path]
) -> None:
    page = open_page(serve(tiny_bundle, api_key="a-long-enough-key-1234"))
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("alert")).to_contain_text("API key")
    choose(page, images["mole.jpg"])
    page.get_by_role("dialog").wait_for()
    page.keyboard.press("Escape")
    page.locator(".result").get_by_role("button", name="Try again").click()
    page.get_by_label("API key", exact=True).fill("a-long-enough-key-1234")
    page.get_by_role("button", name="Use this key").click()
    page.locator(".summary").wait_for()


@pytest.mark.slow
def test_a_binary_model_without_heat_maps_or_abstention(
    open_page: OpenPage, serve: Serve, tiny_binary_bundle: "object", images: dict[str, Path]
) -> None:
    page = open_page(serve(tiny_binary_bundle("melanoma")))  # type: ignore[operator]
    choose(page, images["mole.jpg"])
    page.locator(".summary").wait_for()
    expect(page.locator(".summary")).to_contain_text("probability of melanoma")
    expect(page.get_by_role("heading", name="Probabilities of both classes")).to_be_visible()
    expect(page.get_by_text("This model has no heat map.")).to_be_visible()
    expect(page.get_by_label("Opacity of the heat map")).to_have_count(0)

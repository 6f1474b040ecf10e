"""What goes wrong, in clear words and with nothing lost."""

from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from tests.web.page.conftest import OpenPage, Serve, choose

REASONS = {
    "scan.dcm": "Export the picture as PNG or JPEG",
    "phone.heic": "Export it as JPEG",
    "words.jpg": "not an image",
    "damaged.jpg": "truncated",
}


def test_a_bad_file_gets_a_reason(open_page: OpenPage, pictures: dict[str, Path]) -> None:
    page = open_page()
    for name, words in REASONS.items():
        choose(page, pictures[name])
        expect(page.get_by_role("heading", name=name)).to_be_visible()
        expect(page.get_by_role("alert")).to_contain_text(words)
        expect(page.get_by_role("button", name="Try again")).to_have_count(0)


def test_a_drop_beside_its_place_leaves_the_page_as_it_is(open_page: OpenPage) -> None:
    page = open_page(view="#quality")
    prevented = page.evaluate(
        """() => ["dragover", "drop"].map((kind) => {
          const event = new DragEvent(kind, { bubbles: true, cancelable: true });
          document.querySelector("main").dispatchEvent(event);
          return event.defaultPrevented;
        })"""
    )
    assert prevented == [True, True]


@pytest.mark.slow
def test_a_file_that_is_too_large_is_not_sent(
    open_page: OpenPage, serve: Serve, tiny_bundle: Path, pictures: dict[str, Path]
) -> None:
    page = open_page(serve(tiny_bundle, "--max-megabytes", "0.002"))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    choose(page, pictures["mole.jpg"])
    expect(page.get_by_role("alert")).to_contain_text("at most 0.0 MB")
    assert not [url for url in asked if url.endswith("/v1/predict")]


@pytest.mark.slow
def test_a_busy_server_is_asked_again(open_page: OpenPage, pictures: dict[str, Path]) -> None:
    page = open_page()
    refused: list[str] = []

    def busy_once(route: Route) -> None:
        if refused:
            route.continue_()
            return
        refused.append(route.request.url)
        route.fulfill(status=503, headers={"Retry-After": "1"}, json={"title": "Service Unavailable", "status": 503})

    page.route("**/v1/predict", busy_once)
    choose(page, pictures["mole.jpg"])
    expect(page.locator(".answer .progress")).to_contain_text("The server is busy. Trying again in 1 s (try 2 of 6)")
    page.locator(".verdict").wait_for()
    assert len(refused) == 1


@pytest.mark.slow
def test_a_server_that_is_gone_costs_nothing(
    open_page: OpenPage, serve: Serve, tiny_bundle: Path, pictures: dict[str, Path]
) -> None:
    address = serve(tiny_bundle)
    page = open_page(address)
    choose(page, pictures["mole.jpg"])
    page.locator(".verdict").wait_for()
    serve.stop(address)  # type: ignore[attr-defined]
    choose(page, pictures["=nevus, left.png"])
    expect(page.get_by_role("alert")).to_contain_text("The server does not answer")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    page.get_by_role("button", name="All 2 images").click()
    expect(page.locator(".answers tbody tr", has_text="mole.jpg").locator(".risk")).to_be_visible()
    back = serve(tiny_bundle, "--port", address.rpartition(":")[2])
    assert back == address
    page.get_by_role("button", name="Try 1 image again").click()
    expect(page.locator(".answers .risk")).to_have_count(2)


@pytest.mark.slow
def test_the_key_is_asked_for_until_it_is_right(
    open_page: OpenPage, serve: Serve, tiny_bundle: Path, pictures: dict[str, Path]
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
    choose(page, pictures["mole.jpg"])
    page.locator(".verdict").wait_for()


@pytest.mark.slow
def test_without_a_key_the_images_wait(
    open_page: OpenPage, serve: Serve, tiny_bundle: Path, pictures: dict[str, Path]
) -> None:
    page = open_page(serve(tiny_bundle, api_key="a-long-enough-key-1234"))
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("alert")).to_contain_text("API key")
    choose(page, pictures["mole.jpg"])
    page.get_by_role("dialog").wait_for()
    page.keyboard.press("Escape")
    page.locator(".answer").get_by_role("button", name="Try again").click()
    page.get_by_label("API key", exact=True).fill("a-long-enough-key-1234")
    page.get_by_role("button", name="Use this key").click()
    page.locator(".verdict").wait_for()


@pytest.mark.slow
def test_a_model_without_maps_points_or_refusals(
    open_page: OpenPage, serve: Serve, tiny_binary_bundle: "object", pictures: dict[str, Path]
) -> None:
    page = open_page(serve(tiny_binary_bundle("melanoma")))  # type: ignore[operator]
    choose(page, pictures["mole.jpg"])
    page.locator(".verdict").wait_for()
    expect(page.locator(".verdict")).to_contain_text("Probability of melanoma")
    expect(page.get_by_role("heading", name="Both answers")).to_be_visible()
    expect(page.get_by_text("This model has no heat map.")).to_be_visible()
    expect(page.get_by_label("Strength of the map")).to_have_count(0)

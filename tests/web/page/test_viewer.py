"""The image on the page: proportions, zoom, full screen and layers; the heat map follows the diagnosis."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from lesionlab import RESEARCH_ONLY
from lesionlab.phantoms import phantom_image
from tests.web.page.conftest import OpenPage, choose

pytestmark = pytest.mark.slow

SHAPES = {"landscape": (400, 300), "portrait": (240, 400), "square": (300, 300)}
VIEWPORTS = [(1280, 900), (1280, 600), (768, 1024), (390, 844), (844, 390)]


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("shapes")
    for name, size in SHAPES.items():
        phantom_image("mel", 1, size).save(folder / f"{name}.jpg", quality=90)
    return {name: folder / f"{name}.jpg" for name in SHAPES}


@pytest.fixture
def page(open_page: OpenPage, images: dict[str, Path]) -> Page:
    page = open_page()
    choose(page, images["mole.jpg"])
    page.locator(".heat canvas").wait_for()
    return page


def check_ratio(parts: Locator, ratio: float, height: float) -> None:
    for part in parts.all():
        box = part.bounding_box()
        assert box is not None
        assert box["width"] / box["height"] == pytest.approx(ratio, rel=0.01)
        assert 100 < box["height"] <= height
        natural = part.evaluate("(part) => part.naturalWidth && part.naturalWidth / part.naturalHeight")
        assert natural in (None, pytest.approx(ratio))


@pytest.mark.parametrize("size", VIEWPORTS)
def test_the_image_and_its_layers_keep_the_proportions(
    open_page: OpenPage, shapes: dict[str, Path], size: tuple[int, int]
) -> None:
    page = open_page(size=size)
    for name, path in shapes.items():
        choose(page, path)
        page.get_by_role("heading", name=path.name).wait_for()
        page.locator(".heat canvas").wait_for()
        ratio, parts = SHAPES[name][0] / SHAPES[name][1], page.locator(".stage img, .stage canvas")
        expect(parts).to_have_count(2)
        check_ratio(parts, ratio, max(size[1], 200))
        page.get_by_role("button", name="Side by side").click()
        expect(parts).to_have_count(3)
        check_ratio(parts, ratio, max(size[1], 200))
        page.get_by_role("button", name="Full screen", exact=True).click()
        page.get_by_role("button", name="Leave full screen").wait_for()
        check_ratio(parts, ratio, size[1])
        page.get_by_role("button", name="Leave full screen").click()
        page.get_by_role("button", name="Side by side").click()


def test_the_result_is_visible_without_scrolling_after_an_upload(open_page: OpenPage, images: dict[str, Path]) -> None:
    for size in VIEWPORTS:
        page = open_page(size=size)
        choose(page, images["mole.jpg"])
        page.locator(".heat canvas").wait_for()
        assert page.evaluate("scrollY") == 0
        expect(page.locator(".summary")).to_be_in_viewport(ratio=1)
        expect(page.locator(".summary .meaning")).to_contain_text(re.compile(r"of 1,?000?|not measured"))


def test_zoom_and_pan_by_button_wheel_mouse_and_keyboard(page: Page) -> None:
    image, level = page.locator(".stage img"), page.locator(".zoom-level")
    before = image.bounding_box()
    assert before is not None
    page.get_by_role("button", name="Zoom in").click()
    expect(level).to_have_text("150%")
    enlarged = image.bounding_box()
    assert enlarged is not None
    assert enlarged["width"] == pytest.approx(1.5 * before["width"], rel=0.01)
    x, y = before["x"] + before["width"] / 2, before["y"] + before["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 40, y + 30, steps=4)
    page.mouse.up()
    moved = image.bounding_box()
    assert moved is not None
    assert (moved["x"] - enlarged["x"], moved["y"] - enlarged["y"]) == pytest.approx((40, 30), abs=3)
    # The image is not moved out of its pane.
    page.mouse.down()
    page.mouse.move(x + 2000, y, steps=4)
    page.mouse.up()
    stopped = image.bounding_box()
    assert stopped is not None
    assert stopped["x"] == pytest.approx(before["x"], abs=1)
    page.locator(".panes").focus()
    page.keyboard.press("0")
    expect(level).to_have_text("100%")
    page.keyboard.press("+")
    page.keyboard.press("ArrowRight")
    right = image.bounding_box()
    assert right is not None
    assert right["x"] < before["x"] - 1
    page.keyboard.press("-")
    expect(level).to_have_text("100%")
    page.keyboard.down("Control")
    page.mouse.move(x, y)
    page.mouse.wheel(0, -100)
    page.keyboard.up("Control")
    expect(level).to_have_text("200%")
    assert page.evaluate("devicePixelRatio") == 1
    image.dblclick()
    expect(level).to_have_text("100%")


def test_the_wheel_scrolls_the_page(page: Page) -> None:
    page.locator(".panes").hover()
    before = page.locator(".summary").bounding_box()
    page.mouse.wheel(0, 120)
    page.wait_for_timeout(300)
    assert page.locator(".summary").bounding_box() != before
    expect(page.locator(".zoom-level")).to_have_text("100%")


def test_full_screen_states_the_notice_and_ends_with_escape(page: Page) -> None:
    page.locator(".panes").focus()
    page.keyboard.press("f")
    viewer = page.locator(".viewer.full")
    expect(viewer.locator(".research-notice")).to_have_text(RESEARCH_ONLY)
    expect(viewer.locator(".research-notice")).to_be_in_viewport(ratio=1)
    page.locator(".panes").hover()
    page.mouse.wheel(0, -250)
    expect(page.locator(".zoom-level")).to_have_text("200%")
    page.keyboard.press("f")
    expect(viewer).to_have_count(0)
    # A browser without full screen for elements.
    page.evaluate("delete Element.prototype.requestFullscreen")
    page.keyboard.press("f")
    expect(viewer).to_have_css("position", "fixed")
    page.keyboard.press("Escape")
    expect(viewer).to_have_count(0)


def test_layers_are_switched_by_button_and_key(page: Page) -> None:
    outline, heat = page.locator(".outline"), page.locator(".heat canvas")
    expect(outline.or_(heat).first).to_be_visible()
    page.get_by_role("button", name="Heat map", exact=True).click()
    expect(heat).to_have_count(0)
    expect(page.get_by_label("Opacity of the heat map")).to_have_count(0)
    page.locator(".panes").focus()
    page.keyboard.press("m")
    expect(heat).to_have_count(1)
    page.keyboard.press("s")
    expect(page.locator(".stage img")).to_have_count(2)
    expect(page.locator(".pane-label").first).to_have_text("Original")
    for name in ("Outline", "o"):
        shown = outline.count()
        page.get_by_role("button", name=name).click() if name == "Outline" else page.keyboard.press(name)
        expect(outline).to_have_count(1 - shown)
        page.locator(".panes").focus()


def test_a_failed_heat_map_is_fetched_again(open_page: OpenPage, images: dict[str, Path]) -> None:
    page = open_page()
    failures = iter([True, False])

    def fail_once(route: Route) -> None:
        if next(failures, False):
            route.abort()
        else:
            route.continue_()

    page.route("**/v1/explain*", fail_once)
    choose(page, images["mole.jpg"])
    expect(page.locator(".heat canvas")).to_be_visible()


def test_a_heat_map_that_keeps_failing_can_be_requested_again(open_page: OpenPage, images: dict[str, Path]) -> None:
    page = open_page()
    page.route("**/v1/explain*", lambda route: route.fulfill(status=500, json={"detail": "out of order"}))
    page.clock.install()
    choose(page, images["mole.jpg"])
    expect(page.locator(".heat figcaption")).to_contain_text("Loading the heat map")
    for _ in range(3):
        page.clock.run_for(5000)
        page.wait_for_timeout(50)
    failure = page.locator(".heat figcaption .problem")
    expect(failure).to_contain_text("out of order")
    page.unroute("**/v1/explain*")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".heat canvas")).to_be_visible()
    expect(failure).to_have_count(0)

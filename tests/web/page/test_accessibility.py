"""No serious accessibility issues and no horizontal scrolling, in light and dark, on phone and desktop."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from typer.testing import CliRunner

from lesionlab.cli.main import application
from lesionlab.data import Manifest
from tests.web.page.conftest import DESKTOP, PHONE, OpenPage, accessibility_issues, choose, content_width

OPEN_ALL = "document.querySelectorAll('details').forEach((details) => (details.open = true))"
LOOKS = [(PHONE, "dark"), (DESKTOP, "light"), (PHONE, "light"), (DESKTOP, "dark")]


@pytest.mark.slow
@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_all_views_are_accessible(
    open_page: OpenPage, images: dict[str, Path], tmp_path: Path, size: tuple[int, int], scheme: str
) -> None:
    page = open_page(size=size, scheme=scheme)
    expect(page.get_by_text("Take a photograph")).to_be_visible(visible=size == PHONE)
    check(page, tmp_path / "welcome.png")
    choose(page, images["mole.jpg"])
    page.locator(".heat canvas").wait_for()
    page.evaluate(OPEN_ALL)
    check(page, tmp_path / "result.png")
    choose(page, images["grey.png"])
    page.locator(".abstention").wait_for()
    check(page, tmp_path / "abstention.png")
    choose(page, images["=nevus, left.png"], images["damaged.jpg"])
    expect(page.get_by_role("button", name="Download as CSV")).to_be_enabled()
    check(page, tmp_path / "table.png")
    page.get_by_role("link", name="Performance").click()
    page.get_by_role("heading", name="Missing information").wait_for()
    page.evaluate(OPEN_ALL)
    check(page, tmp_path / "performance.png")
    page.get_by_role("link", name="Compare").click()
    page.get_by_label("Earlier: a classified image").select_option("mole.jpg")
    page.get_by_label("Later: a classified image").select_option("=nevus, left.png")
    expect(page.locator(".changes")).to_be_visible()
    check(page, tmp_path / "compare.png")


def check(page: Page, screenshot: Path) -> None:
    page.screenshot(path=screenshot, full_page=True)
    assert accessibility_issues(page) == []
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    expect(page.locator(".research-notice")).to_be_in_viewport(ratio=1)
    assert page.viewport_size
    assert content_width(page) == page.viewport_size["width"]


@pytest.mark.slow
def test_the_dark_theme_is_remembered(open_page: OpenPage) -> None:
    page = open_page()
    colour = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(colour)
    switch = page.get_by_role("button", name="Dark")
    expect(switch).to_have_attribute("aria-pressed", "false")
    switch.click()
    expect(switch).to_have_attribute("aria-pressed", "true")
    dark = page.evaluate(colour)
    assert dark != light
    page.reload()
    page.get_by_role("heading", level=1).wait_for()
    assert page.evaluate(colour) == dark


@pytest.mark.slow
def test_reduced_motion_is_respected(open_page: OpenPage) -> None:
    for still, name in ((True, "none"), (False, "turn")):
        page = open_page(still=still)
        page.evaluate("document.body.append(Object.assign(document.createElement('i'), { className: 'spinner' }))")
        assert page.evaluate("getComputedStyle(document.querySelector('.spinner')).animationName") == name


@pytest.mark.slow
def test_views_have_addresses_and_back_works(open_page: OpenPage) -> None:
    page = open_page(view="#performance")
    expect(page.get_by_role("link", name="Performance")).to_have_attribute("aria-current", "page")
    page.get_by_role("link", name="Compare").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Compare two images")
    expect(page.locator("main")).to_be_focused()
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Performance of")


@pytest.mark.slow
def test_pages_of_datasets_have_no_issues(chromium: Browser, phantoms: Manifest, tmp_path: Path) -> None:
    pytest.importorskip("cv2", reason="the extra duplicates is not installed")
    root = str(phantoms.root)
    for command, file in (
        (["data", "report", root, "--out", str(tmp_path / "report.html")], "report.html"),
        (["data", "duplicates", root, "--out", str(tmp_path / "pairs")], "pairs/pairs.html"),
    ):
        done = CliRunner().invoke(application(), command)
        assert done.exit_code == 0, done.output
        # The policy of the page permits no scripts, axe's included.
        page = chromium.new_context(bypass_csp=True, color_scheme="dark").new_page()
        page.goto((tmp_path / file).as_uri())
        assert [issue["id"] for issue in Axe().run(page).response["violations"]] == []
        page.screenshot(path=tmp_path / f"{command[1]}.png", full_page=True)
        page.context.close()

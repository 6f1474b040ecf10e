"""For everyone: no fault that axe-core calls serious, no sideways scrolling, light and dark, phone and desktop."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.web.page.conftest import DESKTOP, PHONE, OpenPage, choose, faults, width_of

LOOKS = [(PHONE, "dark"), (DESKTOP, "light"), (PHONE, "light"), (DESKTOP, "dark")]


@pytest.mark.slow
@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_every_view_is_for_everyone(
    open_page: OpenPage, pictures: dict[str, Path], tmp_path: Path, size: tuple[int, int], scheme: str
) -> None:
    page = open_page(size=size, scheme=scheme)
    expect(page.get_by_text("Take a photograph")).to_be_visible(visible=size == PHONE)
    check(page, tmp_path / "welcome.png")
    choose(page, pictures["mole.jpg"])
    page.locator(".heat canvas").wait_for()
    for summary in page.locator("summary").all():
        summary.click()
    check(page, tmp_path / "answer.png")
    choose(page, pictures["grey.png"])
    page.locator(".refusal").wait_for()
    check(page, tmp_path / "refused.png")
    choose(page, pictures["=nevus, left.png"], pictures["damaged.jpg"])
    expect(page.get_by_role("button", name="Download as CSV")).to_be_enabled()
    check(page, tmp_path / "many.png")
    page.get_by_role("link", name="How good is it").click()
    page.get_by_role("heading", name="What is not here").wait_for()
    for summary in page.locator("summary").all():
        summary.click()
    check(page, tmp_path / "quality.png")
    page.get_by_role("link", name="Side by side").click()
    page.get_by_label("Earlier: an image judged before").select_option("mole.jpg")
    page.get_by_label("Later: an image judged before").select_option("=nevus, left.png")
    expect(page.locator(".changes")).to_be_visible()
    check(page, tmp_path / "compare.png")


def check(page: Page, picture: Path) -> None:
    page.screenshot(path=picture, full_page=True)
    assert faults(page) == []
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    expect(page.locator(".research")).to_be_in_viewport(ratio=1)
    assert page.viewport_size
    assert width_of(page) == page.viewport_size["width"]


@pytest.mark.slow
def test_the_switch_turns_the_page_dark_and_is_remembered(open_page: OpenPage) -> None:
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
def test_nothing_moves_for_those_who_asked_for_rest(open_page: OpenPage) -> None:
    for still, name in ((True, "none"), (False, "turn")):
        page = open_page(still=still)
        page.evaluate("document.body.append(Object.assign(document.createElement('i'), { className: 'spinner' }))")
        assert page.evaluate("getComputedStyle(document.querySelector('.spinner')).animationName") == name


@pytest.mark.slow
def test_the_address_names_the_view_and_the_way_back_works(open_page: OpenPage) -> None:
    page = open_page(view="#quality")
    expect(page.get_by_role("link", name="How good is it")).to_have_attribute("aria-current", "page")
    page.get_by_role("link", name="Side by side").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Side by side")
    expect(page.locator("main")).to_be_focused()
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_contain_text("How good is")

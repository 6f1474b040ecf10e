from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.web.page.conftest import OpenPage, choose


@pytest.mark.slow
def test_two_images_stand_side_by_side_with_what_changed(open_page: OpenPage, pictures: dict[str, Path]) -> None:
    page = open_page(view="#compare")
    slots = page.locator(".slot")
    slots.nth(0).locator("input[type=file]").set_input_files(pictures["mole.jpg"])
    slots.nth(1).locator("input[type=file]").set_input_files(pictures["=nevus, left.png"])
    changes = page.locator(".changes")
    expect(changes).to_contain_text("The probability of malignancy went from")
    expect(slots.locator("canvas")).to_have_count(2)
    for row in changes.locator("tbody tr").all()[:8]:
        before, after, change = (text.strip("%").replace("\u2212", "-") for text in row.locator("td").all_inner_texts())
        if "<" not in before + after:
            assert abs(float(after) - float(before) - float(change)) < 0.11
    page.get_by_label("Strength of the map").fill("20")
    for canvas in slots.locator("canvas").all():
        expect(canvas).to_have_css("opacity", "0.2")


@pytest.mark.slow
def test_images_judged_before_can_be_taken(open_page: OpenPage, pictures: dict[str, Path]) -> None:
    page = open_page()
    choose(page, pictures["mole.jpg"], pictures["=nevus, left.png"])
    expect(page.locator(".answers tbody tr")).to_have_count(2)
    page.get_by_role("link", name="Side by side").click()
    page.get_by_label("Earlier: an image judged before").select_option("mole.jpg")
    page.get_by_label("Later: an image judged before").select_option("=nevus, left.png")
    expect(page.locator(".changes")).to_be_visible()
    page.get_by_role("link", name="Judge").click()
    page.get_by_role("button", name="mole.jpg").or_(page.locator(".answers")).first.wait_for()


@pytest.mark.slow
def test_the_synthetic_pair(open_page: OpenPage) -> None:
    page = open_page(view="#compare")
    page.get_by_role("button", name="two synthetic images").click()
    expect(page.locator(".changes")).to_be_visible()
    expect(page.locator(".slot").nth(0)).to_contain_text("synthetic melanoma")

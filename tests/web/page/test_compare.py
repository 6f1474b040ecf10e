from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.web.page.conftest import OpenPage, choose


@pytest.mark.slow
def test_two_images_are_compared(open_page: OpenPage, images: dict[str, Path]) -> None:
    page = open_page(view="#compare")
    slots = page.locator(".slot")
    slots.nth(0).locator("input[type=file]").set_input_files(images["mole.jpg"])
    slots.nth(1).locator("input[type=file]").set_input_files(images["=nevus, left.png"])
    changes = page.locator(".changes")
    expect(changes).to_contain_text("The probability of malignancy changed from")
    expect(slots.locator("canvas")).to_have_count(2)
    rows = changes.locator("tbody tr").filter(has_text="%").all()
    assert len(rows) == 8
    for row in rows:
        before, after, change = (text.strip("%").replace("\u2212", "-") for text in row.locator("td").all_inner_texts())
        if "<" not in before + after:
            assert abs(float(after) - float(before) - float(change)) < 0.11
    page.get_by_label("Opacity of the heat map").fill("20")
    for canvas in slots.locator("canvas").all():
        expect(canvas).to_have_css("opacity", "0.2")


@pytest.mark.slow
def test_classified_images_can_be_selected(open_page: OpenPage, images: dict[str, Path]) -> None:
    page = open_page()
    choose(page, images["mole.jpg"], images["=nevus, left.png"])
    expect(page.locator(".results tbody tr")).to_have_count(2)
    page.get_by_role("link", name="Compare").click()
    page.get_by_label("Earlier: a classified image").select_option("mole.jpg")
    page.get_by_label("Later: a classified image").select_option("=nevus, left.png")
    expect(page.locator(".changes")).to_be_visible()
    page.get_by_role("link", name="Classify", exact=True).click()
    page.get_by_role("button", name="mole.jpg").or_(page.locator(".results")).first.wait_for()


@pytest.mark.slow
def test_the_synthetic_pair_is_compared(open_page: OpenPage) -> None:
    page = open_page(view="#compare")
    page.get_by_role("button", name="two synthetic images").click()
    expect(page.locator(".changes")).to_be_visible()
    expect(page.locator(".slot").nth(0)).to_contain_text("synthetic melanoma")

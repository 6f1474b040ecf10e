"""Nothing is lost: addresses of images, the list as it was left, undo, reload, and consent to keep images."""

from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from lesionlab.phantoms import phantom_image
from tests.web.page.conftest import OpenPage, choose

pytestmark = pytest.mark.slow


def names(page: Page) -> list[str]:
    return page.locator(".results tbody th").all_inner_texts()


@pytest.fixture
def listed(open_page: OpenPage, images: dict[str, Path]) -> Page:
    page = open_page()
    choose(page, images["mole.jpg"], images["=nevus, left.png"], images["grey.png"])
    expect(page.get_by_role("button", name="Download as CSV")).to_be_enabled()
    return page


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("many")
    data = phantom_image("nv", 3, (64, 48))
    paths = [folder / f"lesion {number:03}.jpg" for number in range(150)]
    for number, path in enumerate(paths):
        # The model abstains on some, whose remark is longer than others.
        (Image.new("RGB", (64, 48)) if number % 5 == 0 else data).save(path)
    return paths


def test_each_image_has_an_address(listed: Page) -> None:
    listed.get_by_role("button", name="mole.jpg").click()
    expect(listed).to_have_title("mole.jpg · lesionlab")
    assert listed.url.endswith("#image/1")
    listed.get_by_role("link", name="Next").click()
    expect(listed.get_by_role("heading", name="=nevus, left.png")).to_be_focused()
    listed.get_by_role("link", name="Previous").click()
    expect(listed.get_by_role("heading", name="mole.jpg")).to_be_visible()
    listed.go_back()
    expect(listed.get_by_role("heading", name="=nevus, left.png")).to_be_visible()
    listed.go_back()
    listed.go_back()
    expect(listed.get_by_role("heading", name="3 images")).to_be_visible()
    listed.go_forward()
    expect(listed.get_by_role("heading", name="mole.jpg")).to_be_visible()


def test_an_address_without_an_image_says_so(open_page: OpenPage) -> None:
    page = open_page(view="#image/7")
    expect(page.get_by_text("no longer on this page")).to_be_visible()


def test_sort_and_filter_apply_to_next_and_are_kept(listed: Page) -> None:
    listed.get_by_role("columnheader", name="Image").get_by_role("button").click()
    listed.get_by_label("Search").fill("e")
    assert [name.strip() for name in names(listed)] == ["=nevus, left.png", "grey.png", "mole.jpg"]
    listed.get_by_label("Show").select_option("Abstained")
    assert [name.strip() for name in names(listed)] == ["grey.png"]
    listed.get_by_label("Show").select_option("All images")
    listed.get_by_role("button", name="=nevus").click()
    listed.get_by_role("link", name="Next").click()
    expect(listed.get_by_role("heading", name="grey.png")).to_be_visible()
    listed.get_by_role("button", name="All 3 images").click()
    expect(listed.get_by_label("Search")).to_have_value("e")
    assert [name.strip() for name in names(listed)] == ["=nevus, left.png", "grey.png", "mole.jpg"]


def test_removed_images_can_be_brought_back(listed: Page) -> None:
    listed.get_by_role("button", name="Remove all").click()
    expect(listed.get_by_text("3 images removed.")).to_be_visible()
    expect(listed.locator(".results")).to_have_count(0)
    listed.get_by_role("button", name="Undo").click()
    assert [name.strip() for name in names(listed)] == ["mole.jpg", "=nevus, left.png", "grey.png"]
    listed.get_by_role("button", name="=nevus").click()
    listed.get_by_role("button", name="Remove this image").click()
    expect(listed.get_by_role("heading", name="2 images")).to_be_visible()
    listed.get_by_role("button", name="Undo").click()
    assert [name.strip() for name in names(listed)] == ["mole.jpg", "=nevus, left.png", "grey.png"]


def test_a_reload_keeps_images_results_and_choices_in_the_tab(listed: Page) -> None:
    listed.get_by_role("button", name="mole.jpg").click()
    listed.get_by_text("Age, sex, site and prevalence").click()
    listed.get_by_label("Age in years").fill("61")
    listed.get_by_label("Prevalence of malignancy in percent").fill("2")
    expect(listed.locator(".summary")).to_contain_text("prevalence of 2.0%")
    requested: list[str] = []
    listed.on("request", lambda request: requested.append(request.url))
    listed.reload()
    expect(listed.get_by_role("heading", name="mole.jpg")).to_be_visible()
    expect(listed.locator(".summary")).to_contain_text("prevalence of 2.0%")
    expect(listed.locator(".result-column .note")).to_contain_text("age ignored")
    assert not [url for url in requested if "predict" in url]
    other = listed.context.new_page()
    other.goto(listed.url.partition("#")[0])
    expect(other.get_by_role("heading", name="Classify an image")).to_be_visible()
    other.close()


def test_images_are_kept_for_other_tabs_with_consent_only(listed: Page) -> None:
    address = listed.url.partition("#")[0]
    listed.get_by_label("Keep images and results in this browser").check()
    expect(listed.get_by_text("stay on this device")).to_be_visible()
    other = listed.context.new_page()
    other.goto(address)
    expect(other.get_by_role("heading", name="3 images")).to_be_visible()
    other.get_by_label("Keep images and results in this browser").uncheck()
    expect(other.get_by_text("as long as this tab is open")).to_be_visible()
    third = listed.context.new_page()
    third.goto(address)
    expect(third.get_by_role("heading", name="Classify an image")).to_be_visible()


def test_leaving_with_images_is_confirmed(listed: Page) -> None:
    kinds: list[str] = []

    def stay(dialog: object) -> None:
        kinds.append(dialog.type)  # type: ignore[attr-defined]
        dialog.dismiss()  # type: ignore[attr-defined]

    listed.on("dialog", stay)
    listed.locator("h1").click()
    listed.close(run_before_unload=True)
    expect(listed.get_by_role("heading", name="3 images")).to_be_visible()
    assert kinds == ["beforeunload"]


def test_selected_images_are_reported_and_downloaded(listed: Page, tmp_path: Path) -> None:
    listed.get_by_label("Select mole.jpg").check()
    listed.get_by_label("Select grey.png").check()
    with listed.expect_download() as download:
        listed.get_by_role("button", name="Download the selection as CSV").click()
    rows = download.value.path().read_text(encoding="utf-8").splitlines()
    assert [row.partition(",")[0] for row in rows] == ["image", "mole.jpg", "grey.png"]
    listed.get_by_role("link", name="Report on the selection").click()
    listed.get_by_label("Title of the report").fill("Patient 17")
    report = listed.locator(".report.selection")
    expect(report.get_by_role("heading", name="Patient 17")).to_be_visible()
    expect(report.locator("tbody tr")).to_have_count(2)
    expect(report).to_contain_text("2 images:")
    expect(report.locator("tbody tr").last).to_contain_text("nearly uniform")
    expect(report.locator("img")).to_have_count(2)
    listed.emulate_media(media="print")
    assert listed.pdf(prefer_css_page_size=True).count(b"/Type /Page\n") == 1
    listed.emulate_media(media="screen")
    with listed.expect_download() as download:
        listed.get_by_role("button", name="Download the report").click()
    text = download.value.path().read_text(encoding="utf-8")
    assert "Patient 17" in text
    assert "blob:" not in text
    assert "<script" not in text


def test_a_long_list_has_few_rows_in_the_document_and_keeps_its_place(open_page: OpenPage, many: list[Path]) -> None:
    page = open_page()
    choose(page, *many)
    expect(page.get_by_role("button", name="Download as CSV")).to_be_enabled(timeout=60_000)
    assert page.evaluate("document.querySelectorAll('*').length") < 1000
    expect(page.locator(".results")).to_have_attribute("aria-rowcount", "151")
    page.get_by_role("checkbox", name="Select lesion 000.jpg").wait_for()
    heights = "[...document.querySelectorAll('.results tbody tr:not(.spacer)')].map((row) => row.offsetHeight)"
    for width in (1280, 760, 390):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(200)
        assert len(set(page.evaluate(heights))) == 1, width
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
    page.set_viewport_size({"width": 1280, "height": 900})
    page.wait_for_timeout(200)
    page.evaluate("scrollTo(0, document.body.scrollHeight / 2)")
    row = page.get_by_role("button", name="lesion 075.jpg")
    row.wait_for()
    place = page.evaluate("scrollY")
    row.click()
    page.get_by_role("heading", name="lesion 075.jpg").wait_for()
    page.go_back()
    row.wait_for()
    # A click may scroll by a row.
    assert abs(page.evaluate("scrollY") - place) < 100
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.get_by_role("button", name="lesion 149.jpg").wait_for()

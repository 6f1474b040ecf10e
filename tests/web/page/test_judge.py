import csv
import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, Route, expect

from lesionlab import RESEARCH_ONLY
from lesionlab.data import Manifest
from lesionlab.taxonomy import DIAGNOSES
from tests.web.page.conftest import OpenPage, Serve, choose, faults

Draw = Callable[..., Image.Image]


def answered(page: Page, *files: Path) -> Page:
    choose(page, *files)
    page.locator(".verdict").wait_for()
    return page


def sent_fields(page: Page) -> list[dict[str, str]]:
    """Return the forms that the page has sent, files by their names."""
    fields: list[dict[str, str]] = page.evaluate("sentForms")
    return fields


def test_one_image_gets_risk_probabilities_and_meaning(open_page: OpenPage, pictures: dict[str, Path]) -> None:
    page = answered(open_page(), pictures["mole.jpg"])
    for diagnosis in DIAGNOSES:
        expect(page.locator(".numbers .card .bars")).to_contain_text(diagnosis.name)
    shares = [float(text.strip("<>%")) for text in page.locator(".numbers .card .bars .value").all_inner_texts()]
    assert len(shares) == 7
    assert abs(sum(shares) - 100) < 1
    assert shares == sorted(shares, reverse=True)
    expect(page.locator(".numbers .card .bars .rank")).to_have_count(3)
    expect(page.locator(".verdict")).to_contain_text("Risk level:")
    expect(page.locator(".threshold")).to_contain_text("sensitivity 0.951")
    expect(page.locator(".threshold")).to_contain_text("Measured on the validation images")
    expect(page.get_by_text("of 100 images that get 30%")).to_be_visible()
    expect(page.locator(".research")).to_have_text(RESEARCH_ONLY)
    expect(page.locator("[role=status]")).to_contain_text("malignant: ")


def test_slider_and_diagnosis_change_the_heat_map(open_page: OpenPage, pictures: dict[str, Path]) -> None:
    page = answered(open_page(), pictures["mole.jpg"])
    heat = page.locator(".heat canvas")
    heat.wait_for()
    expect(heat).to_have_css("opacity", "0.5")
    page.get_by_label("Strength of the map").fill("80")
    expect(heat).to_have_css("opacity", "0.8")
    expect(page.locator(".slider output")).to_have_text("80%")
    drawn = "document.querySelector('.heat canvas').toDataURL()"
    first = page.evaluate(drawn)
    page.get_by_label("Heat map for", exact=True).select_option("vasc")
    expect(page.locator(".heat figcaption")).to_contain_text("Vascular lesion")
    expect(heat).to_have_attribute("aria-label", re.compile("^Heat map for Vascular lesion: strongest in the"))
    assert page.evaluate(drawn) != first


@pytest.mark.slow
def test_the_lesion_in_numbers_and_similar_cases_stand_beside_the_map(
    open_page: OpenPage, serve: Serve, tiny_indexed_bundle: Path, tiny_segmentation: Path, spot: Draw, tmp_path: Path
) -> None:
    spot(0.5, 0.5, 0.25).save(tmp_path / "spot.png")
    Image.new("RGB", (160, 120), (226, 180, 160)).save(tmp_path / "skin.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LESIONLAB_SEGMENTATION", str(tiny_segmentation))
        page = open_page(serve(tiny_indexed_bundle))
    answered(page, tmp_path / "spot.png")
    numbers = page.get_by_role("region", name="The lesion in numbers")
    expect(numbers).to_contain_text(re.compile(r"Size1\d% of the picture, (3|4)\d% of its longer side\s+across"))
    expect(numbers).to_contain_text("Coloursdark brown")
    expect(numbers).to_contain_text("not a second diagnosis")
    cases = page.get_by_role("region", name="Most similar training cases")
    rows = cases.locator("tbody tr").all_inner_texts()
    assert len(rows) == 5
    assert all(re.fullmatch(r"PHANTOM\w+\t[A-Z][^\t]+\t[01]\.\d\d", row) for row in rows), rows
    page.get_by_label("Heat map for", exact=True).select_option("vasc")
    expect(page.locator(".heat figcaption")).to_contain_text("Vascular lesion")
    assert cases.locator("tbody tr").all_inner_texts() == rows
    assert faults(page) == []
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the report").click()
    report = Path(download.value.path()).read_text("utf-8")
    assert rows[0].partition("\t")[0] in report
    assert "find no partner" in report
    page.locator("input[type=file][multiple]").set_input_files(str(tmp_path / "skin.png"))
    page.get_by_role("heading", name="skin.png").wait_for()
    page.get_by_text("Show the numbers all the same").click()
    expect(numbers).to_contain_text("No lesion was found")


@pytest.mark.slow
def test_a_training_image_is_told_to_be_one(
    open_page: OpenPage, serve: Serve, tiny_indexed_bundle: Path, phantoms: Manifest
) -> None:
    record = next(iter(phantoms))
    page = answered(open_page(serve(tiny_indexed_bundle)), Path(phantoms.location(record)))
    cases = page.get_by_role("region", name="Most similar training cases")
    expect(cases.locator("tbody tr").first).to_contain_text(record.image_id)
    expect(cases).to_contain_text("its answer proves nothing")


def test_an_example_is_marked_as_synthetic(open_page: OpenPage) -> None:
    page = open_page()
    page.get_by_role("button", name="Synthetic vascular lesion").click()
    page.locator(".verdict").wait_for()
    expect(page.locator(".answer .note").first).to_contain_text("drawn by a program")


@pytest.mark.slow
def test_patient_data_are_sent_and_answered(open_page: OpenPage, pictures: dict[str, Path]) -> None:
    page = answered(open_page(), pictures["mole.jpg"])
    page.get_by_text("Age, sex and site (optional)").click()
    page.get_by_label("Age in years").fill("61")
    page.get_by_label("Site").select_option("lower extremity")
    page.get_by_role("button", name="Judge again").click()
    expect(page.locator(".numbers .note")).to_contain_text("age and site given, but not read")
    assert {"file": "image", "age": "61", "site": "lower extremity"} in sent_fields(page)


@pytest.mark.slow
def test_what_is_typed_outlasts_a_map_that_comes_late(open_page: OpenPage, pictures: dict[str, Path]) -> None:
    page = open_page()
    late: list[Route] = []
    page.route("**/v1/explain*", lambda route: late.append(route))  # noqa: PLW0108 - Playwright wants a function
    answered(page, pictures["mole.jpg"])
    page.get_by_text("Age, sex and site (optional)").click()
    page.get_by_label("Age in years").fill("61")
    page.get_by_label("Sex", exact=True).select_option("female")
    expect(page.locator(".heat canvas")).to_have_count(0)
    for route in late:
        route.continue_()
    page.locator(".heat canvas").wait_for()
    expect(page.get_by_label("Age in years")).to_have_value("61")
    expect(page.get_by_label("Sex", exact=True)).to_have_value("female")


def test_the_name_of_a_file_stays_in_the_browser(open_page: OpenPage, pictures: dict[str, Path]) -> None:
    page = answered(open_page(), pictures["mole.jpg"])
    page.locator(".heat canvas").wait_for()
    assert [fields["file"] for fields in sent_fields(page)] == ["image", "image"]


@pytest.mark.slow
def test_pasted_and_dropped_images_are_judged(open_page: OpenPage, pictures: dict[str, Path]) -> None:
    page = open_page()
    page.evaluate(
        """async (bytes) => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([new Uint8Array(bytes)], "pasted.jpg", { type: "image/jpeg" }));
          window.dispatchEvent(new ClipboardEvent("paste", { clipboardData: transfer }));
          const again = new DataTransfer();
          again.items.add(new File([new Uint8Array(bytes)], "dropped.jpg", { type: "image/jpeg" }));
          window.dispatchEvent(new DragEvent("drop", { dataTransfer: again }));
        }""",
        list(pictures["mole.jpg"].read_bytes()),
    )
    page.get_by_role("button", name="All 2 images").click()
    expect(page.locator(".answers tbody tr")).to_have_count(2)
    expect(page.locator(".answers")).to_contain_text("pasted.jpg")
    expect(page.locator(".answers")).to_contain_text("dropped.jpg")


@pytest.mark.slow
def test_a_picture_that_is_no_lesion_is_refused_first(
    open_page: OpenPage, serve: Serve, wary_bundle: Path, pictures: dict[str, Path]
) -> None:
    page = open_page(serve(wary_bundle))
    choose(page, pictures["landscape.jpg"])
    refusal = page.locator(".refusal")
    expect(refusal).to_contain_text("should not be relied on")
    expect(refusal).to_contain_text("unlike the images that the model was trained on")
    expect(page.locator(".verdict")).not_to_be_visible()
    page.get_by_text("Show the numbers all the same").click()
    expect(page.locator(".verdict")).to_be_visible()
    above = page.evaluate(
        """() => document.querySelector(".refusal").compareDocumentPosition(document.querySelector(".answer-grid"))
          & Node.DOCUMENT_POSITION_FOLLOWING"""
    )
    assert above
    choose(page, pictures["mole.jpg"])
    page.locator(".verdict").wait_for()
    expect(page.locator(".refusal")).to_have_count(0)


@pytest.fixture
def batch(open_page: OpenPage, pictures: dict[str, Path]) -> Page:
    page = open_page()
    names = ("mole.jpg", "=nevus, left.png", "grey.png", "damaged.jpg", "scan.dcm")
    choose(page, *(pictures[name] for name in names))
    expect(page.get_by_role("button", name="Download as CSV")).to_be_enabled()
    return page


def test_many_images_become_a_table(batch: Page) -> None:
    table = batch.locator(".answers")
    expect(table.locator("tbody tr")).to_have_count(5)
    expect(table.locator("tbody tr", has_text="grey.png")).to_contain_text("not to be relied on")
    expect(table.locator("tbody tr", has_text="grey.png").locator(".risk-cell")).to_have_text("refused")
    expect(table.locator("tbody tr", has_text="scan.dcm")).to_contain_text("DICOM")
    expect(table.locator("tbody tr", has_text="damaged.jpg").locator(".alarm")).not_to_be_empty()
    expect(batch.locator("[role=status]")).to_contain_text("3 of 5 images judged")
    header = batch.get_by_role("columnheader", name="Image")
    header.get_by_role("button").click()
    expect(header).to_have_attribute("aria-sort", "ascending")
    first = table.locator("tbody tr").first
    expect(first).to_contain_text("=nevus, left.png")
    header.get_by_role("button").click()
    expect(table.locator("tbody tr").first).to_contain_text("scan.dcm")
    batch.get_by_role("button", name="mole.jpg").click()
    expect(batch.get_by_role("heading", name="mole.jpg")).to_be_focused()
    batch.get_by_role("button", name="All 5 images").click()
    expect(batch.get_by_role("heading", name="5 images")).to_be_focused()


@pytest.mark.slow
def test_csv_holds_every_image_and_no_formula(batch: Page) -> None:
    with batch.expect_download() as download:
        batch.get_by_role("button", name="Download as CSV").click()
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_text(encoding="utf-8"))))
    assert [row["image"] for row in rows] == ["mole.jpg", "'=nevus, left.png", "grey.png", "damaged.jpg", "scan.dcm"]
    assert {row["notice"] for row in rows} == {RESEARCH_ONLY}
    judged = rows[0]
    total = sum(float(judged[f"p_{diagnosis.code}"]) for diagnosis in DIAGNOSES)
    assert abs(total - 1) < 1e-4
    assert judged["bundle"].startswith("tiny@")
    assert judged["operating_point"] == "sensitivity_95"
    assert judged["suspicious"] == ("true" if float(judged["malignant"]) >= 0.08 else "false")
    assert rows[2]["refusal"]
    assert "DICOM" in rows[4]["problem"]
    assert rows[4]["diagnosis"] == ""


@pytest.mark.slow
def test_report_is_one_file_that_loads_nothing(open_page: OpenPage, pictures: dict[str, Path], tmp_path: Path) -> None:
    page = answered(open_page(), pictures["mole.jpg"])
    page.locator(".on-paper img").nth(1).wait_for(state="attached")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the report").click()
    text = download.value.path().read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    assert "<script" not in text
    assert "blob:" not in text
    saved = tmp_path / "report.html"
    saved.write_text(text, encoding="utf-8")
    report = page.context.new_page()
    requested: list[str] = []
    report.on("request", lambda request: requested.append(request.url))
    report.goto(saved.as_uri())
    expect(report.locator(".report-notice")).to_have_text(RESEARCH_ONLY)
    expect(report.locator(".bars tbody tr")).to_have_count(7)
    widths = report.evaluate("[...document.images].map((image) => image.naturalWidth)")
    assert widths == [320, 320]
    assert not [url for url in requested if not url.startswith(("file:", "data:"))]
    report.screenshot(path=tmp_path / "report.png", full_page=True)


@pytest.mark.slow
def test_the_report_is_what_goes_on_paper_on_one_page(
    open_page: OpenPage, pictures: dict[str, Path], tmp_path: Path
) -> None:
    page = answered(open_page(), pictures["mole.jpg"])
    page.locator(".on-paper img").nth(1).wait_for(state="attached")
    page.emulate_media(media="print")
    expect(page.locator(".report")).to_be_visible()
    expect(page.locator(".picture")).not_to_be_visible()
    expect(page.locator("header.top")).not_to_be_visible()
    pdf = page.pdf(path=tmp_path / "report.pdf", prefer_css_page_size=True)
    assert pdf.count(b"/Type /Page\n") == 1


def test_keyboard_alone_suffices(open_page: OpenPage) -> None:
    page = open_page()
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to the content")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    for _ in range(12):
        page.keyboard.press("Tab")
        if "vascular" in page.locator(":focus").inner_text():
            break
    page.keyboard.press("Enter")
    page.locator(".verdict").wait_for()
    page.locator(".heat canvas").wait_for()
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.locator(":focus").get_attribute("id") == "opacity":
            break
    page.keyboard.press("ArrowRight")
    expect(page.locator(".slider output")).to_have_text("55%")
    expect(page.locator(".heat canvas")).to_have_css("opacity", "0.55")

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
from lesionlab.prediction import Predictor
from lesionlab.prediction.io.writers import csv_columns
from lesionlab.taxonomy import DIAGNOSIS
from tests.web.page.conftest import OpenPage, Serve, accessibility_issues, choose

Draw = Callable[..., Image.Image]


def classified(page: Page, *files: Path) -> Page:
    choose(page, *files)
    page.locator(".summary").wait_for()
    return page


def sent_fields(page: Page) -> list[dict[str, str]]:
    """Return the forms that the page has sent, with the names of files."""
    fields: list[dict[str, str]] = page.evaluate("sentForms")
    return fields


@pytest.mark.slow
def test_one_image_shows_headline_decision_set_risk_and_probabilities(
    open_page: OpenPage, images: dict[str, Path], tiny_whole_bundle: Path
) -> None:
    page = classified(open_page(), images["mole.jpg"])
    for name in DIAGNOSIS.names:
        expect(page.locator(".result-column .card .bars")).to_contain_text(name)
    shares = [float(text.strip("<>%")) for text in page.locator(".result-column .card .bars .value").all_inner_texts()]
    assert len(shares) == 7
    assert abs(sum(shares) - 100) < 1
    assert shares == sorted(shares, reverse=True)
    expect(page.locator(".result-column .card .bars .top")).to_have_count(3)
    prediction = Predictor.load(tiny_whole_bundle, threads=1).predict(images["mole.jpg"])
    assert prediction.p_malignant is not None
    summary = page.locator(".summary")
    expect(summary).to_contain_text("probability of malignancy")
    expect(summary).to_contain_text(f"{prediction.p_malignant:.1%}")
    expect(summary).to_contain_text("Positive" if prediction.positive else "Negative")
    expect(summary).to_contain_text("at 95% sensitivity for malignancy")
    expect(page.locator(".decision-details")).to_contain_text("Risk level:")
    expect(page.locator(".operating-point")).to_contain_text("sensitivity 0.951")
    expect(page.locator(".operating-point")).to_contain_text("Measured on the validation images")
    page.get_by_text("How reliable are these probabilities?").click()
    expect(page.get_by_text("Expected calibration error on the")).to_be_visible()
    expect(page.locator(".research-notice")).to_have_text(RESEARCH_ONLY)
    expect(page.locator("[role=status]")).to_contain_text(prediction.headline)


@pytest.mark.slow
def test_slider_and_diagnosis_change_the_heat_map(open_page: OpenPage, images: dict[str, Path]) -> None:
    page = classified(open_page(), images["mole.jpg"])
    heat = page.locator(".heat canvas")
    heat.wait_for()
    expect(heat).to_have_css("opacity", "0.5")
    page.get_by_label("Opacity of the heat map").fill("80")
    expect(heat).to_have_css("opacity", "0.8")
    expect(page.locator(".slider output")).to_have_text("80%")
    drawn = "document.querySelector('.heat canvas').toDataURL()"
    first = page.evaluate(drawn)
    page.get_by_label("Heat map for", exact=True).select_option("vasc")
    expect(page.locator(".heat figcaption")).to_contain_text("Vascular lesion")
    expect(heat).to_have_attribute("aria-label", re.compile("^Heat map for Vascular lesion: strongest in the"))
    assert page.evaluate(drawn) != first


@pytest.mark.slow
def test_lesion_measures_and_nearest_training_images_are_shown(
    open_page: OpenPage, serve: Serve, tiny_indexed_bundle: Path, tiny_segmentation: Path, spot: Draw, tmp_path: Path
) -> None:
    spot(0.5, 0.5, 0.25).save(tmp_path / "spot.png")
    Image.linear_gradient("L").point(lambda grey: 170 + grey // 4).convert("RGB").save(tmp_path / "skin.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LESIONLAB_SEGMENTATION", str(tiny_segmentation))
        page = open_page(serve(tiny_indexed_bundle))
    classified(page, tmp_path / "spot.png")
    expect(page.get_by_role("img", name="Outline of the lesion")).to_be_visible()
    page.locator("summary", has_text="Lesion measures").click()
    page.locator("summary", has_text="Nearest training images").click()
    measures = page.get_by_role("region", name="Lesion measures")
    expect(measures).to_contain_text(re.compile(r"Size1\d% of the image, (3|4)\d% of its longer\s+side"))
    expect(measures).to_contain_text("Coloursdark brown")
    expect(measures).to_contain_text("not part of the prediction")
    nearest = page.get_by_role("region", name="Nearest training images")
    rows = nearest.locator("tbody tr").all_inner_texts()
    assert len(rows) == 5
    assert all(re.fullmatch(r"PHANTOM\w+\t[A-Z][^\t]+\t[01]\.\d\d", row) for row in rows), rows
    page.get_by_label("Heat map for", exact=True).select_option("vasc")
    expect(page.locator(".heat figcaption")).to_contain_text("Vascular lesion")
    assert nearest.locator("tbody tr").all_inner_texts() == rows
    assert accessibility_issues(page) == []
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the report").click()
    report = Path(download.value.path()).read_text("utf-8")
    assert rows[0].partition("\t")[0] in report
    assert "no counterpart across" in report
    page.locator("input[type=file][multiple]").set_input_files(str(tmp_path / "skin.png"))
    page.get_by_role("heading", name="skin.png").wait_for()
    page.locator("summary", has_text="Lesion measures").click()
    expect(page.get_by_role("img", name="Outline of the lesion")).to_have_count(0)
    expect(measures).to_contain_text("No lesion was found")


@pytest.mark.slow
def test_a_training_image_is_identified(
    open_page: OpenPage, serve: Serve, tiny_indexed_bundle: Path, phantoms: Manifest
) -> None:
    record = next(iter(phantoms))
    page = classified(open_page(serve(tiny_indexed_bundle)), Path(phantoms.location(record)))
    page.locator("summary", has_text="Nearest training images").click()
    nearest = page.get_by_role("region", name="Nearest training images")
    expect(nearest.locator("tbody tr").first).to_contain_text(record.image_id)
    expect(nearest).to_contain_text("has the same features")


@pytest.mark.slow
def test_an_example_is_marked_as_synthetic(open_page: OpenPage) -> None:
    page = open_page()
    page.get_by_role("button", name="Synthetic vascular lesion").click()
    page.locator(".summary").wait_for()
    expect(page.locator(".result .note").first).to_contain_text("computer-generated drawing")


@pytest.mark.slow
def test_patient_data_are_noted_and_not_sent(open_page: OpenPage, images: dict[str, Path]) -> None:
    page = classified(open_page(), images["mole.jpg"])
    page.get_by_text("Age, sex, site and prevalence").click()
    page.get_by_label("Age in years").fill("61")
    page.get_by_label("Site").select_option("lower extremity")
    expect(page.locator(".result-column .note")).to_contain_text("age and site ignored")
    page.get_by_label("Age in years").fill("161")
    expect(page.locator(".result-column .note")).to_contain_text("age and site ignored")
    assert sent_fields(page) == [{"file": "image"}]


@pytest.mark.slow
def test_patient_fields_survive_a_late_heat_map(open_page: OpenPage, images: dict[str, Path]) -> None:
    late: list[Route] = []
    page = classified(open_page(), images["mole.jpg"])
    page.locator(".heat canvas").wait_for()
    page.route("**/v1/explain*", lambda route: late.append(route))  # noqa: PLW0108 - Playwright wants a function
    page.get_by_label("Heat map for", exact=True).select_option("vasc")
    page.get_by_text("Age, sex, site and prevalence").click()
    page.get_by_label("Age in years").fill("61")
    page.get_by_label("Sex", exact=True).select_option("female")
    expect(page.locator(".heat canvas")).to_have_count(0)
    for route in late:
        route.continue_()
    page.locator(".heat canvas").wait_for()
    expect(page.get_by_label("Age in years")).to_have_value("61")
    expect(page.get_by_label("Sex", exact=True)).to_have_value("female")


@pytest.mark.slow
def test_file_names_are_not_sent(open_page: OpenPage, images: dict[str, Path]) -> None:
    page = classified(open_page(), images["mole.jpg"])
    page.locator(".heat canvas").wait_for()
    assert [fields["file"] for fields in sent_fields(page)] == ["image"]


@pytest.mark.slow
def test_pasted_and_dropped_images_are_classified(open_page: OpenPage, images: dict[str, Path]) -> None:
    page = open_page()
    page.evaluate(
        """async (bytes) => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([new Uint8Array(bytes)], "pasted.jpg", { type: "image/jpeg" }));
          window.dispatchEvent(new ClipboardEvent("paste", { clipboardData: transfer }));
          const second = new DataTransfer();
          second.items.add(new File([new Uint8Array(bytes)], "dropped.jpg", { type: "image/jpeg" }));
          window.dispatchEvent(new DragEvent("drop", { dataTransfer: second }));
        }""",
        list(images["mole.jpg"].read_bytes()),
    )
    page.get_by_role("button", name="All 2 images").click()
    expect(page.locator(".results tbody tr")).to_have_count(2)
    expect(page.locator(".results")).to_contain_text("pasted.jpg")
    expect(page.locator(".results")).to_contain_text("dropped.jpg")


@pytest.mark.slow
def test_an_abstention_shows_reasons_and_no_diagnosis(
    open_page: OpenPage, serve: Serve, ood_bundle: Path, images: dict[str, Path]
) -> None:
    page = open_page(serve(ood_bundle))
    choose(page, images["landscape.jpg"])
    headline = Predictor.load(ood_bundle, threads=1).predict(images["landscape.jpg"]).headline
    assert "out of distribution" in headline
    abstention = page.locator(".abstention")
    expect(abstention).to_contain_text("The model abstained")
    expect(abstention.locator(".reasons")).to_contain_text("Out of distribution")
    expect(page.locator("[role=status]")).to_contain_text(headline)
    for part in (".summary", ".bars", ".risk", ".decision", ".heat canvas", ".heat-controls"):
        expect(page.locator(f".result {part}")).to_have_count(0)
    shown = page.locator("main").inner_text()
    assert not [name for name in DIAGNOSIS.names if name in shown]
    above = page.evaluate(
        """() => document.querySelector(".abstention").compareDocumentPosition(document.querySelector(".result-grid"))
          & Node.DOCUMENT_POSITION_FOLLOWING"""
    )
    assert above
    assert len(sent_fields(page)) == 1
    choose(page, images["mole.jpg"])
    page.locator(".summary").wait_for()
    expect(page.locator(".abstention")).to_have_count(0)


@pytest.fixture
def batch(open_page: OpenPage, images: dict[str, Path]) -> Page:
    page = open_page()
    names = ("mole.jpg", "=nevus, left.png", "grey.png", "damaged.jpg", "scan.dcm")
    choose(page, *(images[name] for name in names))
    expect(page.get_by_role("button", name="Download as CSV")).to_be_enabled()
    return page


@pytest.mark.slow
def test_several_images_are_shown_as_a_table(batch: Page) -> None:
    table = batch.locator(".results")
    expect(table.locator("tbody tr")).to_have_count(5)
    expect(table.locator("tbody tr", has_text="grey.png")).to_contain_text("No result: nearly uniform")
    expect(table.locator("tbody tr", has_text="grey.png").locator(".risk-cell")).to_have_text("abstained")
    expect(table.locator("tbody tr", has_text="scan.dcm")).to_contain_text("DICOM")
    expect(table.locator("tbody tr", has_text="damaged.jpg").locator(".alarm")).not_to_be_empty()
    expect(batch.locator("[role=status]")).to_contain_text("3 of 5 images classified")
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
def test_csv_has_the_columns_of_the_command_line_and_no_formula(batch: Page) -> None:
    with batch.expect_download() as download:
        batch.get_by_role("button", name="Download as CSV").click()
    reader = csv.DictReader(io.StringIO(download.value.path().read_text(encoding="utf-8")))
    rows = list(reader)
    assert tuple(reader.fieldnames or ()) == (*csv_columns(DIAGNOSIS), "error", "notice")
    assert [row["image"] for row in rows] == ["mole.jpg", "./=nevus, left.png", "grey.png", "damaged.jpg", "scan.dcm"]
    assert {row["notice"] for row in rows} == {RESEARCH_ONLY}
    first, _, abstained, _, failed = rows
    total = sum(float(first[f"p_{code}"]) for code in DIAGNOSIS.classes)
    assert abs(total - 1) < 1e-4
    assert first["status"] == "ok"
    assert first["model"].startswith("tiny@")
    assert first["positive"] == ("true" if float(first["p_malignant"]) >= 0.08 else "false")
    assert abstained["status"] == "abstained"
    assert abstained["abstain_reasons"].startswith("uniform: ")
    assert (abstained["diagnosis"], abstained["risk"], abstained["positive"]) == ("", "", "")
    assert "DICOM" in failed["error"]
    assert failed["diagnosis"] == ""


@pytest.mark.slow
def test_report_is_a_self_contained_file(open_page: OpenPage, images: dict[str, Path], tmp_path: Path) -> None:
    page = classified(open_page(), images["mole.jpg"])
    page.locator(".print-only img").nth(1).wait_for(state="attached")
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
def test_only_the_report_is_printed_on_one_page(open_page: OpenPage, images: dict[str, Path], tmp_path: Path) -> None:
    page = classified(open_page(), images["mole.jpg"])
    page.locator(".print-only img").nth(1).wait_for(state="attached")
    page.emulate_media(media="print")
    expect(page.locator(".report")).to_be_visible()
    expect(page.locator(".image-column")).not_to_be_visible()
    expect(page.locator("header.top")).not_to_be_visible()
    pdf = page.pdf(path=tmp_path / "report.pdf", prefer_css_page_size=True)
    assert pdf.count(b"/Type /Page\n") == 1


@pytest.mark.slow
def test_the_page_works_with_the_keyboard_alone(open_page: OpenPage) -> None:
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
    page.locator(".summary").wait_for()
    page.locator(".heat canvas").wait_for()
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.locator(":focus").get_attribute("id") == "opacity":
            break
    page.keyboard.press("ArrowRight")
    expect(page.locator(".slider output")).to_have_text("55%")
    expect(page.locator(".heat canvas")).to_have_css("opacity", "0.55")

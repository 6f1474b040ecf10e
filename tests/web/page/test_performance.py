from pathlib import Path

import pytest
from playwright.sync_api import expect

from lesionlab.bundle import (
    Bundle,
    BundleInfo,
    EvaluationSummary,
    ExternalFigures,
    Subgroup,
    save_bundle,
)
from tests.web.page.conftest import PHONE, OpenPage, Serve, accessibility_issues, content_width


@pytest.mark.slow
def test_the_evaluation_is_shown(open_page: OpenPage, tiny_whole_bundle: Path) -> None:
    evaluation = Bundle.load(tiny_whole_bundle).evaluation
    assert evaluation is not None
    page = open_page(view="#performance")
    page.get_by_role("heading", name="Confusion matrix").wait_for()
    cells = page.locator(".matrix tbody td")
    counts = [int(text.split()[0]) for text in cells.all_inner_texts()]
    assert counts == [count for row in evaluation.confusion_matrix for count in row]
    value = evaluation.overall["balanced_accuracy"].value
    assert value is not None
    expect(page.locator(".tile", has_text="Balanced accuracy")).to_contain_text(f"{value:.3f}")
    expect(page.locator(".banner")).to_contain_text("between images of one source")
    by_source = page.get_by_role("region", name="Performance by source")
    expect(by_source.get_by_role("row", name="clinic A")).to_contain_text("0.500 0.400 to 0.600")
    expect(page.get_by_role("region", name="Performance by confirmation")).to_contain_text("histopathology")
    for name in ("ROC curves", "Calibration", "Operating points", "Model card", "Missing information"):
        expect(page.get_by_role("heading", name=name)).to_be_visible()
    expect(page.get_by_role("img", name="ROC curve, Malignant against benign")).to_be_visible()
    page.get_by_label("Curve", exact=True).select_option("mel")
    expect(page.get_by_role("img", name="ROC curve, Melanoma")).to_be_visible()
    expect(page.locator(".leaky")).to_have_count(0)


@pytest.fixture(scope="module")
def measured_elsewhere(serve: Serve, tiny_whole_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a server whose model was measured on another dataset, and by skin tone there."""
    bundle = Bundle.load(tiny_whole_bundle)
    evaluation = bundle.evaluation
    assert evaluation is not None
    estimate = evaluation.by_source[0].auc
    tones = tuple(
        Subgroup(
            group="skin_tone", value=value, n_images=9, n_lesions=9, balanced_accuracy=estimate, malignant_auc=estimate
        )
        for value in ("1", "5")
    )
    other = ExternalFigures(
        dataset="clinic elsewhere",
        date="2026-01-02",
        target="malignant",
        figures=evaluation.by_source[0].model_copy(update={"value": "clinic elsewhere"}),
        skin_tone=tones,
    )
    without = tuple(row for row in evaluation.subgroups if row.group != "skin_tone")
    evaluation = EvaluationSummary.model_validate(
        evaluation.model_copy(update={"external": (other,), "subgroups": without}).model_dump()
    )
    path = tmp_path_factory.mktemp("elsewhere") / "bundle"
    save_bundle(path, bundle.info, bundle.graph, reference=bundle.reference, evaluation=evaluation)
    return serve(path)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_other_datasets_and_skin_tones_are_shown_and_fit_a_phone(
    open_page: OpenPage, measured_elsewhere: str, scheme: str
) -> None:
    page = open_page(measured_elsewhere, "#performance", size=PHONE, scheme=scheme)
    elsewhere = page.get_by_role("region", name="Other datasets, malignancy")
    expect(elsewhere.get_by_role("row", name="clinic elsewhere")).to_contain_text("0.500 0.400 to 0.600")
    expect(elsewhere.get_by_role("row", name="test set")).to_be_visible()
    missing = page.locator("section", has=page.get_by_role("heading", name="Missing information"))
    expect(missing).not_to_contain_text("External validation")
    expect(missing).not_to_contain_text("skin tone")
    assert page.evaluate("document.documentElement.scrollHeight") < 5 * PHONE[1]
    for summary in page.locator("summary").all():
        summary.click()
    expect(page.get_by_role("region", name="Subgroups")).to_contain_text("Skin tone in clinic elsewhere")
    expect(page.get_by_role("region", name="Subgroups")).not_to_contain_text("was not measured")
    expect(page.get_by_text("AUC for malignancy 0.500 (clinic elsewhere)")).to_be_visible()
    for table in page.locator(".figures").all():
        assert table.evaluate("(table) => table.scrollWidth <= table.parentElement.clientWidth")
    assert content_width(page) == PHONE[0]
    assert accessibility_issues(page) == []


@pytest.mark.slow
def test_predictive_values_follow_the_prevalence(open_page: OpenPage) -> None:
    page = open_page(view="#performance")
    row = page.locator("section", has=page.get_by_role("heading", name="Operating points")).locator("tbody td")
    ppv_before = row.nth(3).inner_text()
    page.get_by_label("Prevalence of malignancy, %").fill("50")
    page.keyboard.press("Tab")
    expect(row.nth(3)).not_to_have_text(ppv_before)
    sensitivity, specificity, ppv, npv = (float(text) for text in row.all_inner_texts()[1:])
    assert abs(ppv - sensitivity / (sensitivity + 1 - specificity)) < 2e-3
    assert abs(npv - specificity / (specificity + 1 - sensitivity)) < 2e-3


@pytest.mark.slow
def test_missing_information_and_leaky_figures_are_marked(
    open_page: OpenPage, serve: Serve, tiny_graph: bytes, tiny_info: BundleInfo, tmp_path: Path
) -> None:
    data = tiny_info.training_data.model_copy(update={"leaky": True})
    save_bundle(tmp_path / "leaky", tiny_info.model_copy(update={"training_data": data}), tiny_graph)
    page = open_page(serve(tmp_path / "leaky"), "#performance")
    expect(page.locator(".banner")).to_contain_text("Leaky")
    missing = page.locator("section", has=page.get_by_role("heading", name="Missing information"))
    expect(missing).to_contain_text("no confusion matrix")
    expect(missing).to_contain_text("Heat maps.")
    expect(missing).to_contain_text("Abstention from unsuitable images")
    for value in page.locator(".tile .value").all():
        expect(value.locator(".leaky")).to_have_count(1)
    expect(page.locator("section", has_text="Operating points").locator("td .leaky")).to_have_count(4)

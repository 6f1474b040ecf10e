"""A model with a decision rule for rare diagnoses, prediction sets and patient data."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from lesionlab.bundle import BundleInfo, DecisionRule, PatientEffects, PredictionSets, Reference, save_bundle
from lesionlab.prediction import Predictor
from lesionlab.taxonomy import BY_CODE, CODES


@pytest.fixture(scope="module")
def rare_class_bundle(
    tiny_info: BundleInfo,
    tiny_graph: bytes,
    tiny_reference: Reference,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A bundle whose decision rule always gives `vasc`, with prediction sets and an effect of age on melanoma."""
    path = tmp_path_factory.mktemp("rare") / "bundle"
    weights = tuple(1e6 if code == "vasc" else 1.0 for code in CODES)
    sets = PredictionSets(
        coverage=0.9,
        marginal=0.95,
        class_conditional={code: None if code == "df" else 0.9 for code in CODES},
        lesions=dict.fromkeys(CODES, 20),
    )
    effects = PatientEffects(
        ages=(0, 100),
        age=((0.0,) * 7, (3.0, *(0.0,) * 6)),
        sex={},
        site={},
        strength=1,
        images=9,
        nll_without=1,
        nll_with=0.9,
    )
    changes = {
        "decision_rule": DecisionRule(exponent=1, weights=weights),
        "prediction_sets": sets,
        "patient_effects": effects,
    }
    save_bundle(path, tiny_info.model_copy(update=changes), tiny_graph, reference=tiny_reference)
    return path


@pytest.fixture(scope="module")
def address(serve: Callable[..., str], rare_class_bundle: Path) -> str:
    return serve(rare_class_bundle)


@pytest.mark.slow
def test_the_most_probable_diagnosis_and_the_prediction_set_are_shown(
    open_page: Callable[..., Page], address: str, rare_class_bundle: Path, images: dict[str, Path]
) -> None:
    page = open_page(address)
    page.set_input_files("input[type=file]", os.fspath(images["mole.jpg"]))
    page.locator(".summary").wait_for()
    expected = Predictor.load(rare_class_bundle).predict(images["mole.jpg"])
    assert expected.balanced_prediction == "vasc"
    assert expected.top[0].code != "vasc"
    expect(page.locator("[role=status]")).to_contain_text(expected.headline)
    expect(page.locator(".bars .top").first).to_contain_text(expected.top[0].name)
    assert expected.prediction_set is not None
    names = ", ".join(BY_CODE[code].name for code in expected.prediction_set.codes)
    shown = page.locator(".prediction-set").first
    expect(shown).to_contain_text(f"Cannot be ruled out: {names}.")
    expect(shown).to_contain_text("90% coverage")


@pytest.mark.slow
def test_age_changes_the_probabilities_and_the_heat_map(
    open_page: Callable[..., Page], address: str, images: dict[str, Path]
) -> None:
    page = open_page(address)
    page.set_input_files("input[type=file]", os.fspath(images["mole.jpg"]))
    row = page.locator(".result-column .card .bars tr", has_text="Melanoma").first
    before = row.locator(".value").inner_text()
    page.get_by_label("Heat map for", exact=True).select_option("vasc")
    expect(page.locator(".heat figcaption")).to_have_text("Evidence for Vascular lesion")
    page.get_by_text("Age, sex, site and prevalence").click()
    page.get_by_label("Age in years").fill("90")
    expect(row.locator(".value")).not_to_have_text(before)
    expect(page.get_by_text("age taken into account").first).to_be_visible()
    # The heat map explains the new most probable diagnosis.
    expect(page.locator(".bars .top").first).to_contain_text("Melanoma")
    expect(page.locator(".heat figcaption")).to_have_text("Evidence for Melanoma")

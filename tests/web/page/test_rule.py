"""A model whose rule lifts rare diagnoses, with prediction sets and patient data: the page says what it did."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

playwright = pytest.importorskip("playwright.sync_api")
from playwright.sync_api import Page, expect  # noqa: E402

from lesionlab.bundle import BundleInfo, DecisionRule, PatientEffects, PredictionSets, Reference, save_bundle  # noqa: E402
from lesionlab.prediction import Predictor
from lesionlab.taxonomy import BY_CODE, CODES  # noqa: E402


@pytest.fixture(scope="module")
def lifting(
    tiny_info: BundleInfo,
    tiny_graph: bytes,
    tiny_reference: Reference,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A bundle that answers `vasc` whatever it sees, rules out `nv` by no means, and knows what age means."""
    place = tmp_path_factory.mktemp("lifting") / "bundle"
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
    save_bundle(place, tiny_info.model_copy(update=changes), tiny_graph, reference=tiny_reference)
    return place


@pytest.fixture(scope="module")
def address(serve: Callable[..., str], lifting: Path) -> str:
    return serve(lifting)


@pytest.mark.slow
def test_a_lifted_answer_is_explained_and_sets_are_named(
    open_page: Callable[..., Page], address: str, lifting: Path, pictures: dict[str, Path]
) -> None:
    page = open_page(address)
    page.set_input_files("input[type=file]", os.fspath(pictures["mole.jpg"]))
    page.locator(".verdict").wait_for()
    expected = Predictor.load(lifting).predict(pictures["mole.jpg"])
    likeliest = max(expected.probabilities, key=expected.probabilities.__getitem__)
    assert likeliest != "vasc"
    expect(page.locator(".verdict .best strong")).to_have_text("Vascular lesion")
    expect(page.locator(".verdict")).to_contain_text(f"{BY_CODE[likeliest].name} is more probable")
    assert expected.prediction_set is not None
    said = page.locator(".not-ruled-out").first
    for code in expected.prediction_set.by_class:
        expect(said).to_contain_text(BY_CODE[code].name)
    expect(said).to_contain_text("90 of 100")


@pytest.mark.slow
def test_age_moves_the_answer_and_is_said_to(
    open_page: Callable[..., Page], address: str, pictures: dict[str, Path]
) -> None:
    page = open_page(address)
    page.set_input_files("input[type=file]", os.fspath(pictures["mole.jpg"]))
    row = page.locator(".numbers .card .bars tr", has_text="Melanoma").first
    before = row.locator(".value").inner_text()
    page.get_by_text("Age, sex and site (optional)").click()
    page.get_by_label("Age in years").fill("90")
    page.get_by_role("button", name="Judge again").click()
    expect(row.locator(".value")).not_to_have_text(before)
    expect(page.get_by_text("age taken into account").first).to_be_visible()

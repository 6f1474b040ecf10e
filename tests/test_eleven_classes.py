"""A model of eleven classes from training to every result."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lesionlab.bundle import Bundle
from lesionlab.data import Manifest
from lesionlab.evaluation import evaluate_run, evaluate_subset
from lesionlab.evaluation.card import render_card
from lesionlab.prediction import Predictor
from lesionlab.recipes import Recipe
from lesionlab.results import Prediction
from lesionlab.taxonomy import DIAGNOSIS, DIAGNOSIS_11, Risk


@pytest.mark.slow
def test_a_network_is_trained_exported_and_evaluated(
    phantoms_of_eleven: Manifest, phantoms: Manifest, make_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    from lesionlab.export import export_run
    from lesionlab.training import train_recipe

    run = train_recipe(make_recipe("task=diagnosis-11", "training.epochs=1"), phantoms_of_eleven, tmp_path / "run")
    bundle = export_run(run)
    assert (bundle.info.task, bundle.info.classes) == ("diagnosis-11", DIAGNOSIS_11.classes)
    assert bundle.info.training_data.classes["scc"] > 0
    assert {point.target for point in bundle.info.operating_points} == {"malignant", "melanoma"}
    own = evaluate_run(run, resamples=10)
    assert own.evaluated.task is DIAGNOSIS_11
    stored = Bundle.load(run.bundle)
    assert stored.evaluation is not None
    assert stored.evaluation.classes == DIAGNOSIS_11.classes
    written = json.loads((run.evaluation / "test" / "metrics.json").read_text(encoding="utf-8"))
    assert written["support"]["scc"] > 0
    assert "Squamous cell carcinoma / keratoacanthoma" in render_card(stored)
    of_seven = evaluate_subset(Predictor.load(stored), phantoms, subset="all", unseen=True, resamples=10)
    assert of_seven.evaluated.task is DIAGNOSIS


def test_an_invasive_carcinoma_has_a_name_and_is_malignant(tiny_bundle_of_eleven: Path, phantoms: Manifest) -> None:
    predictor = Predictor.load(tiny_bundle_of_eleven, threads=1)
    predictions = [predictor.predict(phantoms.location(record)) for record in phantoms.records[:8]]
    for prediction in predictions:
        malignant = sum(prediction.probabilities[code] for code in ("mel", "bcc", "akiec", "scc", "mal_oth"))
        assert prediction.p_malignant == pytest.approx(malignant)
    fields = dict(predictions[0]) | {"operating_points": (), "prediction_set": None}
    of_scc = dict.fromkeys(DIAGNOSIS_11.classes, 0.0) | {"scc": 1.0}
    top = ({"code": "scc", "name": DIAGNOSIS_11.name_of("scc"), "probability": 1.0},)
    changed = {"probabilities": of_scc, "top": top, "p_malignant": 1.0, "balanced_prediction": "scc"}
    shown = Prediction.model_validate(fields | changed | {"risk": Risk.HIGH})
    assert "Squamous cell carcinoma / keratoacanthoma 100.0%" in shown.headline
    with pytest.raises(ValueError, match="low risk beside the malignant diagnosis scc"):
        Prediction.model_validate(fields | changed | {"risk": Risk.LOW})


def test_prevalence_of_malignancy_covers_all_malignant_classes(tiny_bundle_of_eleven: Path, phantoms: Manifest) -> None:
    image = phantoms.location(phantoms.records[0])
    plain = Predictor.load(tiny_bundle_of_eleven, threads=1).predict(image)
    rare = Predictor.load(tiny_bundle_of_eleven, threads=1, prevalence={"malignant": 0.01}).predict(image)
    assert plain.p_malignant is not None
    assert rare.p_malignant is not None
    assert rare.p_malignant < plain.p_malignant
    for group in (DIAGNOSIS_11.malignant, tuple(set(DIAGNOSIS_11.classes) - set(DIAGNOSIS_11.malignant))):
        first, *others = group
        for code in others:  # proportions within a group do not change
            before = plain.probabilities[code] * rare.probabilities[first]
            assert rare.probabilities[code] * plain.probabilities[first] == pytest.approx(before)


def test_each_class_has_an_explanation(tiny_bundle_of_eleven: Path, phantoms: Manifest) -> None:
    predictor = Predictor.load(tiny_bundle_of_eleven, threads=1)
    explained = predictor.explain(phantoms.location(phantoms.records[0]), "scc").explanation
    assert explained is not None
    assert (explained.code, explained.name) == ("scc", "Squamous cell carcinoma / keratoacanthoma")

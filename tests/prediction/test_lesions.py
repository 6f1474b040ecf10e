"""Predictions for lesions with several images, dermoscopic, clinical or both."""

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lesionlab.bundle import (
    Bundle,
    ClinicalFusion,
    FittedValues,
    LesionFusion,
    Patient,
    save_bundle,
)
from lesionlab.errors import BundleError, ImageError, UsageError
from lesionlab.prediction import Lesion, Predictor
from lesionlab.prediction.decision.risk import RiskRule
from lesionlab.results import Failure, Prediction

DARK = np.zeros((40, 40, 3), np.uint8)


@pytest.fixture(scope="module")
def arrays() -> list[np.ndarray]:
    draw = np.random.default_rng(1)
    return [draw.integers(0, 256, (48, 64, 3), dtype=np.uint8) for _ in range(4)]


@pytest.fixture(scope="module")
def predictor(tiny_whole_bundle: Path) -> Predictor:
    return Predictor.load(tiny_whole_bundle)


@pytest.fixture(scope="module")
def combined_path(tiny_whole_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of two networks with a temperature and a threshold of its own for each kind of input."""
    bundle = Bundle.load(tiny_whole_bundle)
    info = bundle.info

    def fitted(temperature: float, threshold: float) -> FittedValues:
        point = info.operating_points[0].model_copy(update={"threshold": threshold})
        calibration = info.calibration.model_copy(update={"temperature": temperature})
        return FittedValues(calibration=calibration, operating_points=(point,))

    recipe = {"name": "tiny", "data": {"image_type": "clinical"}}
    second = info.fitted_for(fitted(3.0, 0.2)).model_copy(update={"recipe": recipe})
    clinical = replace(bundle, info=second, evaluation=None)
    both = ClinicalFusion(
        graph_sha256=info.graph_sha256,
        weights={"dermoscopic": 0.8, "clinical": 0.5},
        fitted=fitted(1.0, 0.4),
        lesions=50,
    )
    fusion = LesionFusion(correlation=0.5, lesions=40, clinical=both)
    path = tmp_path_factory.mktemp("combined") / "combined"
    save_bundle(
        path,
        info.model_copy(update={"fusion": fusion, "name": "pair"}),
        bundle.graph,
        reference=bundle.reference,
        clinical=clinical,
    )
    return path


@pytest.fixture(scope="module")
def combined(combined_path: Path) -> Predictor:
    return Predictor.load(combined_path)


def vector(prediction: Prediction) -> np.ndarray:
    return np.array(list(prediction.probabilities.values()))


def test_a_lesion_with_one_image_has_the_prediction_of_that_image(
    predictor: Predictor, arrays: list[np.ndarray]
) -> None:
    alone = predictor.predict(arrays[0])
    lesion = predictor.predict_lesion([arrays[0]], name="L1", patient=Patient(age=50))
    assert lesion.model_copy(update={"image": alone.image, "images": (), "notes": ()}) == alone
    (image,) = lesion.images
    assert (lesion.image, image.image, image.image_type, image.used) == ("L1", "image 0", "dermoscopic", True)
    assert image.p_malignant == alone.p_malignant
    assert lesion.notes == ("age ignored: this model uses the image alone",)


def test_images_of_a_lesion_are_averaged_in_log_probability(predictor: Predictor, arrays: list[np.ndarray]) -> None:
    rows = np.array([vector(predictor.predict(array)) for array in arrays])
    expected = np.exp(np.log(rows).mean(axis=0))
    lesion = predictor.predict_lesion(arrays)
    np.testing.assert_allclose(vector(lesion), expected / expected.sum(), atol=1e-6)
    assert [image.image for image in lesion.images] == [f"image {index}" for index in range(4)]


def test_an_image_that_the_model_abstains_from_is_not_used(predictor: Predictor, arrays: list[np.ndarray]) -> None:
    with_dark = predictor.predict_lesion([arrays[0], DARK, arrays[1]])
    without = predictor.predict_lesion([arrays[0], arrays[1]])
    assert with_dark.probabilities == pytest.approx(without.probabilities)
    assert [image.used for image in with_dark.images] == [True, False, True]
    assert {reason.code for reason in with_dark.images[1].abstain_reasons} >= {"too_dark"}
    assert with_dark.notes == ("1 of 3 images not used: the model abstains on them",)
    assert not with_dark.abstained


def test_the_model_abstains_from_a_lesion_without_usable_image(predictor: Predictor) -> None:
    lesion = predictor.predict_lesion([DARK, DARK])
    assert lesion.abstained
    codes = [reason.code for reason in lesion.abstain_reasons]
    assert len(codes) == len(set(codes)), "each reason once"
    assert (lesion.top, lesion.risk, lesion.notes) == ((), None, ())


def test_many_lesions_keep_their_order_and_a_bad_image_fails_its_lesion(
    predictor: Predictor, arrays: list[np.ndarray], tmp_path: Path
) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no image")
    lesions = [Lesion(f"L{index}", (arrays[index % 4], arrays[(index + 1) % 4])) for index in range(20)]
    lesions[3] = Lesion("L3", (arrays[0], str(bad)))
    found = list(predictor.predict_lesions(lesions))
    assert [one.image for one in found] == [lesion.name for lesion in lesions]
    assert isinstance(found[3], Failure)
    assert str(bad) in found[3].error
    assert [index for index, one in enumerate(found) if isinstance(one, Failure)] == [3]
    with pytest.raises(ImageError, match=r"bad\.jpg"):
        predictor.predict_lesion([bad])


@pytest.mark.parametrize(("given", "message"), [({}, "has no image"), ({"clinical": [DARK]}, "takes dermoscopic")])
def test_lesions_that_a_model_does_not_take(predictor: Predictor, given: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        predictor.predict_lesion(**given)


def test_each_kind_of_input_has_its_own_calibration_and_threshold(
    combined: Predictor, predictor: Predictor, arrays: list[np.ndarray]
) -> None:
    assert combined.image_types == ("dermoscopic", "clinical")
    dermoscopic, clinical, both = (
        combined.predict_lesion(arrays[:1]),
        combined.predict_lesion(clinical=arrays[:1]),
        combined.predict_lesion(arrays[:1], arrays[1:2]),
    )
    thresholds = [found.operating_points[0].threshold for found in (dermoscopic, clinical, both)]
    assert thresholds == [0.08, 0.2, 0.4]
    assert vector(dermoscopic) == pytest.approx(vector(predictor.predict(arrays[0])))
    softer = np.sqrt(vector(dermoscopic))  # a temperature of 3 in place of 1.5
    np.testing.assert_allclose(vector(clinical), softer / softer.sum(), atol=1e-6)
    frequencies = np.array(combined.info.class_frequencies)
    second = vector(combined.predict_lesion(clinical=arrays[1:2]))
    logits = np.log(frequencies) + 0.8 * np.log(vector(dermoscopic) / frequencies) + 0.5 * np.log(second / frequencies)
    expected = np.exp(logits - logits.max())
    np.testing.assert_allclose(vector(both), expected / expected.sum(), atol=1e-6)
    assert {found.model for found in (dermoscopic, clinical, both)} == {combined.info.identity}
    assert combined.info.identity.count(combined.info.graph_sha256[:12]) == 2, "it names both graphs"
    assert [image.image_type for image in both.images] == ["dermoscopic", "clinical"]


def test_without_its_usable_clinical_image_a_lesion_is_that_of_its_dermoscopic_one(
    combined: Predictor, arrays: list[np.ndarray]
) -> None:
    found = combined.predict_lesion(arrays[:1], [DARK])
    alone = combined.predict_lesion(arrays[:1])
    assert (found.probabilities, found.operating_points) == (alone.probabilities, alone.operating_points)
    assert [image.used for image in found.images] == [True, False]


def test_prevalence_and_risk_apply_to_every_kind_of_input(combined_path: Path, arrays: list[np.ndarray]) -> None:
    rare = Predictor.load(combined_path, prevalence={"malignant": 0.001}, risk="cost=20")
    one, other = arrays[:1], arrays[1:]
    cases: list[dict[str, Any]] = [{"dermoscopic": one}, {"clinical": one}, {"dermoscopic": one, "clinical": other}]
    for given in cases:
        found, usual = rare.predict_lesion(**given), Predictor.load(combined_path).predict_lesion(**given)
        assert found.p_malignant is not None
        assert usual.p_malignant is not None
        assert found.p_malignant < usual.p_malignant
        assert found.operating_points[0].name == "cost=20"
        predictor = Predictor.load(combined_path)
        settings = predictor.lesions.settings({"malignant": 0.001}, RiskRule.parse("cost=20"))
        lesion = Lesion("lesion", tuple(given.get("dermoscopic", ())), tuple(given.get("clinical", ())))
        prepared = predictor.lesions.prepare(lesion)
        assert predictor.lesions.predict(replace(prepared, settings=settings)) == found


def test_a_combined_model_is_pickled_and_zipped(combined_path: Path, arrays: list[np.ndarray], tmp_path: Path) -> None:
    bundle = Bundle.load(combined_path)
    path = tmp_path / "combined.zip"
    save_bundle(path, bundle.info, bundle.graph, reference=bundle.reference, clinical=bundle.clinical)
    expected = Predictor.load(combined_path).predict_lesion(arrays[:1], arrays[1:2])
    assert Predictor.load(path).predict_lesion(arrays[:1], arrays[1:2]) == expected
    copy = pickle.loads(pickle.dumps(Predictor.load(path)))  # noqa: S301 - our own bytes
    assert copy.predict_lesion(arrays[:1], arrays[1:2]) == expected


def test_the_clinical_network_must_be_the_one_that_was_combined(combined_path: Path, tmp_path: Path) -> None:
    bundle = Bundle.load(combined_path)
    fusion = bundle.info.fusion
    assert fusion is not None
    assert fusion.clinical is not None
    other = fusion.model_copy(update={"clinical": fusion.clinical.model_copy(update={"graph_sha256": "f" * 64})})
    info = bundle.info.model_copy(update={"fusion": other})
    save_bundle(tmp_path / "other", info, bundle.graph, reference=bundle.reference, clinical=bundle.clinical)
    with pytest.raises(BundleError, match="holds another network"):
        Bundle.load(tmp_path / "other")


def test_a_result_for_a_lesion_is_json(combined: Predictor, arrays: list[np.ndarray]) -> None:
    found = combined.predict_lesion(arrays[:2], arrays[2:])
    assert Prediction.model_validate(json.loads(found.model_dump_json())) == found


def test_images_are_named_by_their_paths(
    predictor: Predictor, photograph: Image.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png"):
        photograph.save(name)
    assert [image.image for image in predictor.predict_lesion(["a.png", "b.png"]).images] == ["a.png", "b.png"]

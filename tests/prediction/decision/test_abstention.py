"""The model abstains from unsuitable images, with the reason."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from lesionlab.bundle import Bundle, BundleInfo, DecisionRule, FeatureSpace, Reference, SharpnessLimit
from lesionlab.bundle.features import ood_scores, signed_sqrt
from lesionlab.errors import BundleError
from lesionlab.images.quality import brightness_and_contrast, sharpness
from lesionlab.prediction import Predictor
from lesionlab.prediction.decision.abstention import image_reasons
from lesionlab.prediction.inference.preprocessing import PreparedImage
from lesionlab.prediction.io.writers import ResultFormat, result_writer
from lesionlab.results import Prediction


@pytest.fixture(scope="module")
def predictor(tiny_whole_bundle: Path) -> Predictor:
    return Predictor.load(tiny_whole_bundle)


def codes(prediction: Prediction) -> set[str]:
    assert prediction.abstained == bool(prediction.abstain_reasons)
    return {reason.code for reason in prediction.abstain_reasons}


def space_around(features: np.ndarray, kept: int, limit: float) -> FeatureSpace:
    rooted = signed_sqrt(features)
    directions = np.linalg.eigh(np.cov(rooted, rowvar=False))[1]
    basis = directions[:, ::-1][:, :kept].T
    return FeatureSpace(rooted.mean(axis=0), basis.astype(np.float32), np.array(limit, np.float32))


def test_there_is_a_prediction_for_a_lesion(predictor: Predictor, photograph: Image.Image) -> None:
    assert predictor.abstains
    assert predictor.predict(photograph).status == "ok"


@pytest.mark.parametrize(
    ("level", "expected"),
    [(0, {"too_dark", "uniform"}), (255, {"too_bright", "uniform"}), (128, {"uniform"})],
)
def test_the_model_abstains_from_a_blank_image(predictor: Predictor, level: int, expected: set[str]) -> None:
    prediction = predictor.predict(np.full((48, 64, 3), level, np.uint8))
    assert codes(prediction) == expected
    assert all("training images" in reason.message for reason in prediction.abstain_reasons)


@pytest.mark.parametrize(("factor", "expected"), [(0.15, {"too_dark"}), (1.0, set()), (3.0, {"too_bright"})])
def test_exposure_is_checked(predictor: Predictor, photograph: Image.Image, factor: float, expected: set[str]) -> None:
    exposed = photograph.point(lambda value: min(255, round(value * factor)))
    assert codes(predictor.predict(exposed)) - {"uniform"} == expected


def test_abstentions_are_the_same_alone_and_in_a_batch(predictor: Predictor, photograph: Image.Image) -> None:
    images = [photograph, Image.new("RGB", (64, 64)), photograph.rotate(90), Image.new("RGB", (64, 64), "white")]
    together = predictor.pipeline.predict([predictor.pipeline.prepare(image) for image in images])
    assert [prediction.abstain_reasons for prediction in together] == [
        predictor.predict(image).abstain_reasons for image in images
    ]
    assert [prediction.abstained for prediction in together] == [False, True, False, True]


def test_brightness_and_contrast() -> None:
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[:2] = (200, 100, 0)
    assert brightness_and_contrast(pixels) == (50, 50)
    assert brightness_and_contrast(np.full((4, 4, 3), 7, np.uint8)) == (7, 0)
    # Colour alone is not contrast.
    assert brightness_and_contrast(np.tile(np.array([255, 0, 0], np.uint8), (4, 4, 1)))[1] == 0


def test_signed_square_roots() -> None:
    np.testing.assert_allclose(signed_sqrt(np.array([[-4.0, -0.0, 0.0, 0.25, 9.0]])), [[-2, 0, 0, 0.5, 3]])


@given(seed=st.integers(0, 10_000), kept=st.integers(1, 5))
def test_the_ood_score_is_the_residual_of_the_principal_directions(seed: int, kept: int) -> None:
    draw = np.random.default_rng(seed)
    features = draw.gamma(2, size=(60, 6)).astype(np.float32)
    space = space_around(features, kept, limit=1.0)
    point = draw.gamma(2, size=(1, 6)) * 10
    _, _, directions = np.linalg.svd(np.sqrt(features) - np.sqrt(features).mean(axis=0), full_matrices=False)
    centred = np.sqrt(point) - np.sqrt(features).mean(axis=0)
    expected = np.linalg.norm(centred @ directions[kept:].T)
    assert ood_scores(space, point)[0] == pytest.approx(expected, rel=1e-3, abs=1e-4)
    # Movement along a principal direction does not change the score.
    moved = signed_sqrt(point) + 3 * space.basis[:1]
    assert ood_scores(space, moved * np.abs(moved))[0] == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_features_far_from_the_training_images_are_out_of_distribution() -> None:
    draw = np.random.default_rng(0)
    features = draw.gamma(2, size=(500, 20)).astype(np.float32)
    space = space_around(features, 5, limit=4.0)
    reference = Reference(features=space)
    pixels = np.zeros((4, 4, 3), np.uint8)
    image = PreparedImage("image", pixels, ())
    near, far = (float(d) for d in ood_scores(space, np.stack([features[0], features[0] + 100 * draw.random(20)])))
    assert image_reasons(reference, image, near) == []
    assert image_reasons(reference, image, None) == []
    (reason,) = image_reasons(reference, image, far)
    assert reason.code == "out_of_distribution"
    assert reason.message.startswith("out of distribution: unlike the training images, ")


@pytest.mark.parametrize(("large", "at_most"), [(448, 0.5), (672, 0.5), (300, 1.0)])
def test_enlarging_hardly_changes_the_sharpness(photograph: Image.Image, large: int, at_most: float) -> None:
    small = photograph.resize((224, 224), Image.Resampling.BILINEAR)
    was = sharpness(np.asarray(small))
    becomes = sharpness(np.asarray(small.resize((large, large), Image.Resampling.BILINEAR)))
    assert 1 - at_most < becomes / was < 1 + at_most


def test_the_model_abstains_from_a_blurred_image(photograph: Image.Image) -> None:
    sharp, soft = (
        np.asarray(image.resize((64, 64))) for image in (photograph, photograph.filter(ImageFilter.GaussianBlur(12)))
    )
    assert sharpness(sharp) > sharpness(soft)
    assert sharpness(np.full((8, 8, 3), 9, np.uint8)) == 0
    reference = Reference(sharpness=SharpnessLimit(np.array((sharpness(sharp) + sharpness(soft)) / 2, np.float32)))
    assert image_reasons(reference, PreparedImage("sharp", sharp, ()), None) == []
    (reason,) = image_reasons(reference, PreparedImage("soft", soft, ()), None)
    assert reason.code == "blurred"
    assert "training images have at least" in reason.message


def test_a_tiny_image_is_too_small(predictor: Predictor, photograph: Image.Image) -> None:
    side = predictor.info.preprocessing.size
    assert "too_small" in codes(predictor.predict(photograph.resize((side, side // 4 - 1))))
    assert "too_small" not in codes(predictor.predict(photograph.resize((side, side // 4 + 1))))


def test_the_model_abstains_at_low_confidence(
    tiny_info: BundleInfo, tiny_graph: bytes, photograph: Image.Image
) -> None:
    def abstained(limit: float) -> set[str]:
        info = tiny_info.model_copy(update={"decision_rule": DecisionRule(min_confidence=limit)})
        return codes(Predictor(Bundle(info, tiny_graph, Path("tiny"))).predict(photograph))

    highest = max(Predictor(Bundle(tiny_info, tiny_graph, Path("tiny"))).predict(photograph).probabilities.values())
    assert abstained(highest - 1e-6) == set()
    assert abstained(highest + 1e-6) == {"low_confidence"}


def test_statistics_of_another_graph_are_an_error(tiny_whole_bundle: Path) -> None:
    features = np.random.default_rng(0).normal(size=(50, 9))
    whole = Bundle.load(tiny_whole_bundle)
    with pytest.raises(BundleError, match=r"reference\.npz is not that of this graph"):
        Predictor.load(replace(whole, reference=Reference(features=space_around(features, 3, 1.0))))


def test_an_abstention_keeps_its_probabilities(tiny_whole_bundle: Path, photograph: Image.Image) -> None:
    whole = Bundle.load(tiny_whole_bundle)
    assert whole.reference is not None
    features = np.random.default_rng(0).normal(size=(50, 8))
    near, far = (
        Predictor.load(
            replace(whole, reference=replace(whole.reference, features=space_around(features, 3, limit)))
        ).predict(photograph)
        for limit in (1e9, 0.0)
    )
    assert near.status == "ok"
    assert codes(far) == {"out_of_distribution"}
    assert (
        near.probabilities == far.probabilities == Predictor.load(tiny_whole_bundle).predict(photograph).probabilities
    )


def test_result_files_hold_the_reasons(predictor: Predictor, photograph: Image.Image, tmp_path: Path) -> None:
    blank = predictor.predict(np.zeros((64, 64, 3), np.uint8))
    assert blank.abstained
    expected = [f"{reason.code}: {reason.message}" for reason in blank.abstain_reasons]
    for result_format in (ResultFormat.CSV, ResultFormat.JSONL, ResultFormat.PARQUET):
        if result_format is ResultFormat.PARQUET:
            pytest.importorskip("pyarrow")
        with result_writer(result_format, tmp_path / result_format.value) as write:
            write(blank)
            write(predictor.predict(photograph))
    rows = list(csv.DictReader(io.StringIO((tmp_path / "csv").read_text(encoding="utf-8"))))
    assert [row["abstain_reasons"] for row in rows] == ["; ".join(expected), ""]
    lines = (tmp_path / "jsonl").read_text(encoding="utf-8").splitlines()
    assert type(blank).model_validate_json(lines[0]) == blank
    assert '"abstain_reasons": []' in lines[1]
    parquet = pytest.importorskip("pyarrow.parquet")
    assert parquet.read_table(tmp_path / "parquet").column("abstain_reasons").to_pylist() == [expected, []]

"""An image that the model cannot judge is refused, with the reason; any other is not."""

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
from lesionlab.prediction import Predictor, Refusal
from lesionlab.prediction.decision.abstention import quality_reasons
from lesionlab.prediction.inference.preprocessing import PreparedImage
from lesionlab.prediction.io.writers import ResultFormat, result_writer


@pytest.fixture(scope="module")
def predictor(tiny_whole_bundle: Path) -> Predictor:
    return Predictor.load(tiny_whole_bundle)


def codes(refusal: Refusal | None) -> set[str]:
    return {reason.code for reason in refusal.reasons} if refusal else set()


def space_around(features: np.ndarray, kept: int, limit: float) -> FeatureSpace:
    rooted = signed_sqrt(features)
    directions = np.linalg.eigh(np.cov(rooted, rowvar=False))[1]
    basis = directions[:, ::-1][:, :kept].T
    return FeatureSpace(rooted.mean(axis=0), basis.astype(np.float32), np.array(limit, np.float32))


def test_a_picture_of_a_lesion_is_judged(predictor: Predictor, photograph: Image.Image) -> None:
    assert predictor.abstains
    assert predictor.predict(photograph).status == "ok"


@pytest.mark.parametrize(
    ("level", "expected"),
    [(0, {"too_dark", "uniform"}), (255, {"too_bright", "uniform"}), (128, {"uniform"})],
)
def test_a_blank_picture_is_refused(predictor: Predictor, level: int, expected: set[str]) -> None:
    refusal = predictor.predict(np.full((48, 64, 3), level, np.uint8)).refusal
    assert codes(refusal) == expected
    assert refusal is not None
    assert all("training images" in reason.message for reason in refusal.reasons)


@pytest.mark.parametrize(("factor", "expected"), [(0.15, {"too_dark"}), (1.0, set()), (3.0, {"too_bright"})])
def test_exposure_is_judged(predictor: Predictor, photograph: Image.Image, factor: float, expected: set[str]) -> None:
    exposed = photograph.point(lambda value: min(255, round(value * factor)))
    assert codes(predictor.predict(exposed).refusal) - {"uniform"} == expected


def test_an_image_is_refused_alone_as_in_a_batch(predictor: Predictor, photograph: Image.Image) -> None:
    images = [photograph, Image.new("RGB", (64, 64)), photograph.rotate(90), Image.new("RGB", (64, 64), "white")]
    together = predictor.pipeline.predict([predictor.pipeline.prepare(image) for image in images])
    assert [prediction.refusal for prediction in together] == [predictor.predict(image).refusal for image in images]
    assert [bool(prediction.refusal) for prediction in together] == [False, True, False, True]


def test_brightness_and_contrast_are_what_they_are_called() -> None:
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[:2] = (200, 100, 0)
    assert brightness_and_contrast(pixels) == (50, 50)
    assert brightness_and_contrast(np.full((4, 4, 3), 7, np.uint8)) == (7, 0)
    # Colours alone are no contrast: a red wall is as blank as a grey one.
    assert brightness_and_contrast(np.tile(np.array([255, 0, 0], np.uint8), (4, 4, 1)))[1] == 0


def test_roots_keep_the_sign_and_the_order() -> None:
    np.testing.assert_allclose(signed_sqrt(np.array([[-4.0, -0.0, 0.0, 0.25, 9.0]])), [[-2, 0, 0, 0.5, 3]])


@given(seed=st.integers(0, 10_000), kept=st.integers(1, 5))
def test_the_distance_is_what_the_principal_directions_leave(seed: int, kept: int) -> None:
    draw = np.random.default_rng(seed)
    features = draw.gamma(2, size=(60, 6)).astype(np.float32)
    space = space_around(features, kept, limit=1.0)
    point = draw.gamma(2, size=(1, 6)) * 10
    _, _, directions = np.linalg.svd(np.sqrt(features) - np.sqrt(features).mean(axis=0), full_matrices=False)
    centred = np.sqrt(point) - np.sqrt(features).mean(axis=0)
    expected = np.linalg.norm(centred @ directions[kept:].T)
    assert ood_scores(space, point)[0] == pytest.approx(expected, rel=1e-3, abs=1e-4)
    # Along the principal directions no distance is too far, across them every one counts in full.
    moved = signed_sqrt(point) + 3 * space.basis[:1]
    assert ood_scores(space, moved * np.abs(moved))[0] == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_what_is_far_from_the_training_images_is_unfamiliar() -> None:
    draw = np.random.default_rng(0)
    features = draw.gamma(2, size=(500, 20)).astype(np.float32)
    space = space_around(features, 5, limit=4.0)
    reference = Reference(features=space)
    pixels = np.zeros((4, 4, 3), np.uint8)
    image = PreparedImage("image", pixels, ())
    near, far = (float(d) for d in ood_scores(space, np.stack([features[0], features[0] + 100 * draw.random(20)])))
    assert quality_reasons(reference, image, near) == []
    assert quality_reasons(reference, image, None) == []
    (reason,) = quality_reasons(reference, image, far)
    assert reason.code == "unfamiliar"
    assert reason.message.startswith("unlike the images that the model was trained on: ")


@pytest.mark.parametrize(("large", "at_most"), [(448, 0.5), (672, 0.5), (300, 1.0)])
def test_a_small_file_that_was_enlarged_is_about_as_sharp_as_it_was(
    photograph: Image.Image, large: int, at_most: float
) -> None:
    small = photograph.resize((224, 224), Image.Resampling.BILINEAR)
    was = sharpness(np.asarray(small))
    becomes = sharpness(np.asarray(small.resize((large, large), Image.Resampling.BILINEAR)))
    assert 1 - at_most < becomes / was < 1 + at_most


def test_a_blurred_picture_is_refused_where_training_images_were_sharp(photograph: Image.Image) -> None:
    sharp, soft = (
        np.asarray(image.resize((64, 64))) for image in (photograph, photograph.filter(ImageFilter.GaussianBlur(12)))
    )
    assert sharpness(sharp) > sharpness(soft)
    assert sharpness(np.full((8, 8, 3), 9, np.uint8)) == 0
    reference = Reference(sharpness=SharpnessLimit(np.array((sharpness(sharp) + sharpness(soft)) / 2, np.float32)))
    assert quality_reasons(reference, PreparedImage("sharp", sharp, ()), None) == []
    (reason,) = quality_reasons(reference, PreparedImage("soft", soft, ()), None)
    assert reason.code == "blurred"
    assert "training images have at least" in reason.message


def test_a_stamp_is_too_small(predictor: Predictor, photograph: Image.Image) -> None:
    side = predictor.info.preprocessing.size
    assert "too_small" in codes(predictor.predict(photograph.resize((side, side // 4 - 1))).refusal)
    assert "too_small" not in codes(predictor.predict(photograph.resize((side, side // 4 + 1))).refusal)


def test_an_answer_without_a_favourite_is_refused(
    tiny_info: BundleInfo, tiny_graph: bytes, photograph: Image.Image
) -> None:
    def refused(limit: float) -> set[str]:
        info = tiny_info.model_copy(update={"decision_rule": DecisionRule(min_confidence=limit)})
        return codes(Predictor(Bundle(info, tiny_graph, Path("tiny"))).predict(photograph).refusal)

    highest = max(Predictor(Bundle(tiny_info, tiny_graph, Path("tiny"))).predict(photograph).probabilities.values())
    assert refused(highest - 1e-6) == set()
    assert refused(highest + 1e-6) == {"uncertain"}


def test_a_graph_that_gives_other_features_is_refused(tiny_whole_bundle: Path) -> None:
    features = np.random.default_rng(0).normal(size=(50, 9))
    whole = Bundle.load(tiny_whole_bundle)
    with pytest.raises(BundleError, match=r"reference\.npz is not that of this graph"):
        Predictor.load(replace(whole, reference=Reference(features=space_around(features, 3, 1.0))))


def test_the_same_run_of_the_graph_serves_answer_and_refusal(tiny_whole_bundle: Path, photograph: Image.Image) -> None:
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
    assert codes(far.refusal) == {"unfamiliar"}
    assert (
        near.probabilities == far.probabilities == Predictor.load(tiny_whole_bundle).predict(photograph).probabilities
    )


def test_files_carry_the_reasons(predictor: Predictor, photograph: Image.Image, tmp_path: Path) -> None:
    blank = predictor.predict(np.zeros((64, 64, 3), np.uint8))
    assert blank.abstained
    expected = [f"{reason.code}: {reason.message}" for reason in blank.refusal.reasons]
    for result_format in (ResultFormat.CSV, ResultFormat.JSONL, ResultFormat.PARQUET):
        if result_format is ResultFormat.PARQUET:
            pytest.importorskip("pyarrow")
        with result_writer(result_format, tmp_path / result_format.value) as write:
            write(blank)
            write(predictor.predict(photograph))
    rows = list(csv.DictReader(io.StringIO((tmp_path / "csv").read_text(encoding="utf-8"))))
    assert [row["refusal"] for row in rows] == ["; ".join(expected), ""]
    lines = (tmp_path / "jsonl").read_text(encoding="utf-8").splitlines()
    assert type(blank).model_validate_json(lines[0]) == blank
    assert '"refusal": null' in lines[1]
    parquet = pytest.importorskip("pyarrow.parquet")
    assert parquet.read_table(tmp_path / "parquet").column("refusal").to_pylist() == [expected, []]

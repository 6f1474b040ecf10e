"""Stability of predictions under perturbations that keep the lesion."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lesionlab.attribution.stability import measure_stability
from lesionlab.errors import ImageError
from lesionlab.prediction import Predictor


@pytest.fixture(scope="module")
def predictor(tiny_whole_bundle: Path) -> Predictor:
    return Predictor.load(tiny_whole_bundle)


def test_a_uniform_image_is_invariant_to_geometry(predictor: Predictor) -> None:
    found = measure_stability(predictor, np.full((90, 120, 3), (200, 150, 140), np.uint8))
    assert Counter(v.kind for v in found.variants) == {"rotation": 7, "scale": 4, "crop": 4, "brightness": 4}
    for variant in found.variants:
        same = variant.probability == pytest.approx(found.probability, abs=1e-5)
        assert same == (variant.kind != "brightness"), variant.amount
    assert found.hair == 0


def test_the_most_probable_or_the_given_class_is_followed(predictor: Predictor, photograph: Image.Image) -> None:
    found = measure_stability(predictor, photograph)
    prediction = predictor.predict(photograph)
    assert found.original.probabilities == prediction.probabilities
    assert (found.code, found.probability) == (prediction.top[0].code, prediction.top[0].probability)
    assert found.lowest <= found.probability <= found.highest
    assert found.lowest == min(found.probability, *(v.probability for v in found.variants))
    assert {v.prediction.top[0].code for v in found.changed} <= set(prediction.probabilities) - {found.code}
    named = measure_stability(predictor, photograph, "df")
    assert (named.code, named.name) == ("df", "Dermatofibroma")
    assert named.probability == prediction.probabilities["df"]


def test_rotation_by_180_degrees(predictor: Predictor, photograph: Image.Image) -> None:
    rotated = next(v for v in measure_stability(predictor, photograph).variants if v.amount == "180°")
    expected = predictor.pipeline.prepare(photograph.rotate(180)).pixels
    np.testing.assert_array_equal(rotated.pixels, expected)


def test_hair_removal_adds_a_variant(predictor: Predictor) -> None:
    hairy = np.full((120, 120, 3), (200, 150, 140), np.uint8)
    hairy[:, 60:62] = 20
    found = measure_stability(predictor, hairy)
    bare = found.variants[-1]
    assert bare.kind == "hair removed"
    assert found.hair > 0
    assert bare.amount == f"{found.hair:.1%} of the image filled in"
    assert np.abs(bare.pixels.astype(int) - (200, 150, 140)).max() <= 2


def test_one_pixel_and_a_missing_file(predictor: Predictor, tmp_path: Path) -> None:
    assert len(measure_stability(predictor, np.zeros((1, 1, 3), np.uint8)).variants) == 19
    with pytest.raises(ImageError):
        measure_stability(predictor, str(tmp_path / "none.png"))

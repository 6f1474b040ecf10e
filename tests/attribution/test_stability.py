"""How an answer moves under changes that keep the lesion."""

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


def test_a_picture_of_one_colour_is_the_same_turned_scaled_and_cropped(predictor: Predictor) -> None:
    found = measure_stability(predictor, np.full((90, 120, 3), (200, 150, 140), np.uint8))
    assert Counter(v.kind for v in found.variants) == {"rotation": 7, "scale": 4, "crop": 4, "brightness": 4}
    for variant in found.variants:
        same = variant.probability == pytest.approx(found.probability, abs=1e-5)
        assert same == (variant.kind != "brightness"), variant.amount
    assert found.hair == 0


def test_the_answer_is_followed_or_the_class_that_is_named(predictor: Predictor, photograph: Image.Image) -> None:
    found = measure_stability(predictor, photograph)
    answer = predictor.predict(photograph)
    assert found.original.probabilities == answer.probabilities
    assert (found.diagnosis, found.probability) == (answer.top[0].code, answer.top[0].probability)
    assert found.lowest <= found.probability <= found.highest
    assert found.lowest == min(found.probability, *(v.probability for v in found.variants))
    assert {v.prediction.top[0].code for v in found.others} <= set(answer.probabilities) - {found.diagnosis}
    named = measure_stability(predictor, photograph, "df")
    assert (named.diagnosis, named.name) == ("df", "Dermatofibroma")
    assert named.probability == answer.probabilities["df"]


def test_a_half_turn_is_a_half_turn(predictor: Predictor, photograph: Image.Image) -> None:
    turned = next(v for v in measure_stability(predictor, photograph).variants if v.amount == "180°")
    expected = predictor.pipeline.prepare(photograph.rotate(180)).pixels
    np.testing.assert_array_equal(turned.pixels, expected)


def test_without_hair_there_is_one_more(predictor: Predictor) -> None:
    haired = np.full((120, 120, 3), (200, 150, 140), np.uint8)
    haired[:, 60:62] = 20
    found = measure_stability(predictor, haired)
    bare = found.variants[-1]
    assert bare.kind == "hair removed"
    assert found.hair > 0
    assert bare.amount == f"{found.hair:.1%} of the picture filled"
    assert np.abs(bare.pixels.astype(int) - (200, 150, 140)).max() <= 2


def test_one_pixel_and_no_image(predictor: Predictor, tmp_path: Path) -> None:
    assert len(measure_stability(predictor, np.zeros((1, 1, 3), np.uint8)).variants) == 19
    with pytest.raises(ImageError):
        measure_stability(predictor, str(tmp_path / "none.png"))

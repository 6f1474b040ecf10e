"""Test-time augmentation: the mean over four mirror images."""

from pathlib import Path

import numpy as np
import pytest

from lesionlab.bundle import Bundle
from lesionlab.prediction import Predictor


@pytest.fixture(scope="module")
def pixels(tiny_bundle: Path) -> np.ndarray:
    side = Bundle.load(tiny_bundle).info.preprocessing.size
    return np.random.default_rng(3).integers(0, 256, (side, side, 3), dtype=np.uint8)


def test_logits_are_the_mean_over_four_mirror_images(tiny_bundle: Path, pixels: np.ndarray) -> None:
    views = [pixels, pixels[:, ::-1], pixels[::-1], pixels[::-1, ::-1]]
    single = Predictor.load(tiny_bundle).predict_logits([np.ascontiguousarray(view) for view in views])
    mirrored = Predictor.load(tiny_bundle, tta="flips").predict_logits([pixels])
    np.testing.assert_allclose(mirrored[0], single.mean(axis=0), rtol=1e-5)


def test_a_mirror_image_has_the_same_probabilities(tiny_bundle: Path, pixels: np.ndarray) -> None:
    predictor = Predictor.load(tiny_bundle, tta="flips")
    first, second = (predictor.predict(np.ascontiguousarray(view)) for view in (pixels, pixels[:, ::-1]))
    for code, probability in first.probabilities.items():
        assert second.probabilities[code] == pytest.approx(probability, abs=1e-6)


def test_the_map_is_mirrored_with_the_image(tiny_whole_bundle: Path, pixels: np.ndarray) -> None:
    predictor = Predictor.load(tiny_whole_bundle, tta="flips")
    assert predictor.explainable
    images = [predictor.pipeline.prepare(image) for image in (pixels, np.ascontiguousarray(pixels[::-1]))]
    first, second = (
        one.explanation.values for one in predictor.pipeline.explain(images, ["mel"] * 2) if one.explanation
    )
    np.testing.assert_allclose(second, first[::-1], atol=1e-4)

"""Explanations of a network with a lesion crop."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from lesionlab.attribution.controls import uniform_map
from lesionlab.attribution.methods import METHODS
from lesionlab.attribution.randomisation import STAGES, randomised
from lesionlab.attribution.trained import open_trained
from lesionlab.prediction import Predictor
from lesionlab.prediction.explanation.class_activation import scaled
from lesionlab.runs import RunFolder


@pytest.mark.slow
def test_maps_equal_those_of_the_bundle(cropping_run: RunFolder, spot: Callable[..., Image.Image]) -> None:
    model = open_trained(cropping_run)
    prepared = model.predictor.pipeline.prepare(np.asarray(spot(0.4, 0.55, 0.15)))
    bundle = model.predictor.bundle
    assert bundle.reference is not None
    # An abstention has no map: without its limits the model does not abstain.
    without_limits = replace(bundle.reference, image=None, sharpness=None, features=None)
    predictor = Predictor.load(replace(bundle, reference=without_limits, training_images=None))
    (found,) = predictor.pipeline.explain([prepared], ["mel"])
    assert found.explanation is not None
    values = METHODS["grad-cam"].attribute(model.network, prepared.pixels, 0)
    np.testing.assert_allclose(scaled(values), found.explanation.values, atol=1e-4)
    gradients = METHODS["integrated-gradients"].attribute(model.network, prepared.pixels, 0)
    assert np.isfinite(gradients).all()
    # Pixels outside the crop have no attribution.
    assert np.abs(gradients[-4:]).max() < 1e-6 < np.abs(gradients).max()


@pytest.mark.slow
def test_a_randomised_network_uses_the_same_crop(cropping_run: RunFolder, spot: Callable[..., Image.Image]) -> None:
    model = open_trained(cropping_run)
    pixels = model.predictor.pipeline.prepare(np.asarray(spot(0.4, 0.55, 0.15))).pixels
    trained = METHODS["grad-cam"].attribute(model.network, pixels, 0)
    maps = [METHODS["grad-cam"].attribute(network, pixels, 0) for _, network in randomised(model.network, seed=0)]
    assert len(maps) == len(STAGES)
    # The maps are zero outside the crop.
    outside = trained == 0
    assert outside.any()
    uniform = uniform_map(model.network, pixels)
    np.testing.assert_array_equal(uniform > 0, ~outside)
    assert np.ptp(uniform[~outside]) < 1e-6
    for values in maps:
        assert (values[outside] == 0).all()

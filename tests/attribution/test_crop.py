"""Explanations of a network that looks at a part of the picture."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from lesionlab.attribution.methods import METHODS
from lesionlab.attribution.randomisation import STAGES, randomised
from lesionlab.attribution.trained import open_trained
from lesionlab.prediction.explanation.class_activation import scaled
from lesionlab.runs import RunFolder


@pytest.mark.slow
def test_they_lie_where_the_bundles_map_lies(cropping_run: RunFolder, spot: Callable[..., Image.Image]) -> None:
    model = open_trained(cropping_run)
    prepared = model.predictor.pipeline.prepare(np.asarray(spot(0.4, 0.55, 0.15)))
    (found,) = model.predictor.pipeline.explain([prepared], ["mel"])
    values = METHODS["grad-cam"].attribute(model.network, prepared.pixels, 0)
    np.testing.assert_allclose(scaled(values), found.explanation.values, atol=1e-4)
    gradients = METHODS["integrated-gradients"].attribute(model.network, prepared.pixels, 0)
    assert np.isfinite(gradients).all()
    # Far from the square there is nothing that could speak for anything.
    assert np.abs(gradients[-4:]).max() < 1e-6 < np.abs(gradients).max()


@pytest.mark.slow
def test_a_shuffled_network_looks_at_the_same_square(cropping_run: RunFolder, spot: Callable[..., Image.Image]) -> None:
    model = open_trained(cropping_run)
    pixels = model.predictor.pipeline.prepare(np.asarray(spot(0.4, 0.55, 0.15))).pixels
    trained = METHODS["grad-cam"].attribute(model.network, pixels, 0)
    maps = [METHODS["grad-cam"].attribute(network, pixels, 0) for _, network in randomised(model.network, seed=0)]
    assert len(maps) == len(STAGES)
    # Where the trained network sees nothing, outside the square, the others do not either.
    outside = trained == 0
    assert outside.any()
    for values in maps:
        assert (values[outside] == 0).all()

"""The loss's weights and the schedule."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from lesionlab.recipes import LossSettings, Recipe
from lesionlab.training.module import LesionModule, class_weights
from lesionlab.training.network import LesionNetwork

counts_of_seven = st.lists(st.integers(0, 7000), min_size=7, max_size=7).filter(any).map(np.array)
HAM10000 = np.array([1113, 6705, 514, 327, 1099, 115, 142])


@given(counts_of_seven, st.sampled_from(["none", "sqrt_balanced", "balanced"]))
def test_the_mean_weight_of_the_training_images_is_one(counts: np.ndarray, kind: str) -> None:
    weights = class_weights(counts, LossSettings.model_validate({"class_weights": kind}))
    assert (weights * counts).sum() / counts.sum() == pytest.approx(1)
    assert ((weights == 0) == (counts == 0)).all()
    assert np.isfinite(weights).all()
    present = counts > 0
    if kind == "none":
        np.testing.assert_allclose(weights[present], 1)
    else:
        assert (np.diff(weights[present][np.argsort(counts[present], kind="stable")]) <= 1e-12).all()


def test_balanced_weights_are_inverse_frequencies() -> None:
    labels = np.repeat(np.arange(7), HAM10000)
    expected = compute_class_weight("balanced", classes=np.arange(7), y=labels)
    np.testing.assert_allclose(class_weights(HAM10000, LossSettings(class_weights="balanced")), expected)
    root = class_weights(HAM10000, LossSettings(class_weights="sqrt_balanced"))
    assert root[5] / root[1] == pytest.approx(np.sqrt(6705 / 115))


def test_the_average_is_shipped_where_the_recipe_keeps_one(make_recipe: Callable[..., Recipe]) -> None:
    for decay in (0.0, 0.9):
        recipe = make_recipe(f"training.ema_decay={decay}")
        module = LesionModule(LesionNetwork(recipe.model, recipe.input), recipe, np.ones(7))
        assert (module.shipped is module.network) == (decay == 0)
        names = set(module.state_dict())
        assert any(name.startswith("average.module.") for name in names) == (decay > 0)
        assert "class_weights" not in names
        pixels = torch.randint(0, 256, (2, 32, 32, 3), dtype=torch.uint8)
        module.eval()
        torch.testing.assert_close(
            module.shipped(pixels.permute(0, 3, 1, 2) / 255), module.network(pixels.permute(0, 3, 1, 2) / 255)
        )

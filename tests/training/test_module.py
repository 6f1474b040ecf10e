"""The Lightning module: exported network and progressive resizing."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from lesionlab.recipes import Recipe
from lesionlab.training.module import LesionModule, Stage
from lesionlab.training.network import LesionNetwork


def test_the_moving_average_is_exported_if_the_recipe_has_one(make_recipe: Callable[..., Recipe]) -> None:
    for decay in (0.0, 0.9):
        recipe = make_recipe(f"training.ema_decay={decay}")
        module = LesionModule(LesionNetwork(recipe), recipe, np.ones(7, dtype=np.int64), Stage(1, 2, 1e-3))
        assert (module.shipped is module.network) == (decay == 0)
        names = set(module.state_dict())
        assert any(name.startswith("average.module.") for name in names) == (decay > 0)
        assert not any(name.startswith("loss.") for name in names)
        pixels = torch.randint(0, 256, (2, 32, 32, 3), dtype=torch.uint8)
        module.eval()
        torch.testing.assert_close(
            module.shipped(pixels.permute(0, 3, 1, 2) / 255), module.network(pixels.permute(0, 3, 1, 2) / 255)
        )


def test_progressive_resizing_increases_the_image_size(
    make_recipe: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_recipe("training.epochs=4", "training.sizes=[32,48]", "input.size=48")
    module = LesionModule(LesionNetwork(recipe), recipe, np.ones(7, dtype=np.int64), Stage(1, 4, 1e-3))
    seen: list[int] = []

    def logits(images: torch.Tensor) -> torch.Tensor:
        seen.append(images.shape[2])
        output: torch.Tensor = module.network(images)
        return output

    monkeypatch.setattr(module, "_logits", logits)
    batch = torch.randint(0, 256, (2, 48, 48, 3), dtype=torch.uint8), torch.tensor([0, 1])
    for epoch in range(4):
        monkeypatch.setattr(LesionModule, "current_epoch", epoch)
        module.training_step(batch, 0)
    assert seen == [32, 32, 48, 48]

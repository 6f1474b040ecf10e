"""Small untrained networks with non-trivial outputs."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from lesionlab.attribution.network import ExplainedNetwork
from lesionlab.recipes import Recipe
from lesionlab.training.network import LesionNetwork

SIZE = 64
Make = Callable[..., ExplainedNetwork]


@pytest.fixture(scope="session")
def make_network() -> Make:
    """Return a function that creates a network to explain."""

    def make(
        backbone: str = "test_efficientnet", *, size: int = SIZE, layer: str | None = None, **tables: Any
    ) -> ExplainedNetwork:
        torch.manual_seed(3)
        model = {"backbone": backbone, "pretrained": False} | tables.pop("model", {})
        fixed = {"name": "small", "description": "A network.", "input": {"size": size}, "model": model}
        recipe = Recipe.model_validate(fixed | tables)
        network = LesionNetwork(recipe).train()
        with torch.no_grad():
            for _ in range(3):  # gives the batch normalisation non-trivial statistics
                network(torch.rand(8, 3, size, size))
        torch.nn.init.normal_(network.head.classifier.weight, std=0.5)
        return ExplainedNetwork(network, recipe, layer)

    return make


@pytest.fixture(scope="session")
def images() -> list[np.ndarray]:
    """Three images of 16x16 blocks, uint8 [64, 64, 3]."""
    coarse = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 3), dtype=np.uint8)
    return [np.kron(blocks, np.ones((16, 16, 1), np.uint8)) for blocks in coarse]

"""Unfolding of batch normalisation statistics."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from lesionlab.recipes import Recipe
from lesionlab.training.batch_norm import unfold_batch_norm
from lesionlab.training.network import LesionNetwork


def folded_network() -> LesionNetwork:
    """Return a network with means of 0 and variances of 1, whose layers have other statistics."""
    torch.manual_seed(0)
    model = {"backbone": "test_efficientnet", "pretrained": False, "dropout": 0.0}
    fixed = {"name": "small", "description": "A network.", "input": {"size": 64}, "model": model}
    network = LesionNetwork(Recipe.model_validate(fixed))
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.mul_(torch.rand(len(module.weight), 1, 1, 1) * 4)
            elif isinstance(module, nn.BatchNorm2d):
                module.bias.add_(torch.randn(module.num_features) * 0.3)
    return network.double().eval()


def correlation(one: torch.Tensor, other: torch.Tensor) -> float:
    return float(np.corrcoef(one.flatten().numpy(), other.flatten().numpy())[0, 1])


@pytest.mark.slow
@torch.no_grad()
def test_the_output_stays_the_same_and_training_mode_resembles_it() -> None:
    network = folded_network()
    images = torch.rand(96, 3, 64, 64).double() * torch.rand(96, 3, 1, 1).double()
    expected = network.feature_map(images)
    folded = correlation(copy.deepcopy(network).train().feature_map(images), expected)
    unfold_batch_norm(network, torch.split(images, 32))
    found = network.feature_map(images)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)
    unfolded = correlation(copy.deepcopy(network).train().feature_map(images), expected)
    assert unfolded > 0.99 > folded
    layer = next(module for module in network.modules() if isinstance(module, nn.BatchNorm2d))
    assert layer.running_var is not None
    assert (layer.running_var - 1).abs().max() > 0.1
    assert not any(module._forward_pre_hooks for module in network.modules())

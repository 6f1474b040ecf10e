"""Depthwise convolutions in float32: the same function, and gradients of float32's precision under autocast."""

import copy

import pytest
import torch
from torch import nn

from lesionlab.training.depthwise import compute_in_float32


def make_network(stride: int, kernel: int, groups: int = 8) -> nn.Sequential:
    torch.manual_seed(0)
    convolution = nn.Conv2d(8, 8, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(nn.Conv2d(3, 8, 1), convolution)


def kernel_gradient(network: nn.Sequential, *, autocast: bool) -> torch.Tensor:
    images = torch.rand(4, 3, 20, 20, generator=torch.Generator().manual_seed(1))
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        output = network(images)
    assert output.dtype == (torch.bfloat16 if autocast else torch.float32)
    network.zero_grad()
    output.float().square().mean().backward()
    gradient = network.get_parameter("1.weight").grad
    assert gradient is not None
    return gradient.clone()


@pytest.mark.parametrize(("stride", "kernel"), [(2, 3), (1, 5), (2, 5)])
def test_the_function_is_the_same(stride: int, kernel: int) -> None:
    plain = make_network(stride, kernel)
    changed = copy.deepcopy(plain)
    compute_in_float32(changed)
    torch.testing.assert_close(
        kernel_gradient(changed, autocast=False), kernel_gradient(plain, autocast=False), rtol=0, atol=0
    )
    torch.testing.assert_close(
        kernel_gradient(changed, autocast=True), kernel_gradient(plain, autocast=False), rtol=0.05, atol=1e-3
    )
    assert changed.state_dict().keys() == plain.state_dict().keys()


def test_a_copy_computes_with_its_own_weights() -> None:
    network = make_network(2, 3)
    compute_in_float32(network)
    other = copy.deepcopy(network)
    with torch.no_grad():
        other.get_parameter("1.weight").zero_()
    images = torch.rand(1, 3, 20, 20)
    assert other(images).abs().max() == 0
    assert network(images).abs().max() > 0


@pytest.mark.parametrize(("stride", "kernel", "groups"), [(1, 3, 8), (2, 5, 1), (2, 5, 4)])
def test_other_convolutions_keep_the_precision_of_the_autocast(stride: int, kernel: int, groups: int) -> None:
    network = make_network(stride, kernel, groups)
    compute_in_float32(network)
    seen: list[torch.dtype] = []

    def saved(tensor: torch.Tensor) -> torch.Tensor:
        seen.append(tensor.dtype)
        return tensor

    with torch.autocast("cpu", torch.bfloat16), torch.autograd.graph.saved_tensors_hooks(saved, lambda tensor: tensor):
        network[1](torch.rand(1, 8, 20, 20))
    assert torch.bfloat16 in seen

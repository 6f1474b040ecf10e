"""Depthwise convolutions in float32 where the CPU's kernels for bfloat16 are slow."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn


def compute_in_float32(network: nn.Module) -> None:
    """Compute depthwise convolutions with a stride or a kernel above 3 in float32 under autocast on a CPU.

    oneDNN computes their gradients in bfloat16 so slowly that they take most of a training step of an EfficientNet; see
    `benchmarks/depthwise.py`. All other operations keep the precision of the autocast.
    """
    for module in network.modules():
        if not isinstance(module, nn.Conv2d) or module.groups != module.in_channels or module.groups == 1:
            continue
        if module.stride[0] > 1 or module.kernel_size[0] > 3:
            module.forward = partial(_in_float32, module.forward)  # type: ignore[method-assign]


def _in_float32(forward: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    if images.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
        return forward(images)
    with torch.autocast("cpu", enabled=False):
        return forward(images.float()).to(images.dtype)

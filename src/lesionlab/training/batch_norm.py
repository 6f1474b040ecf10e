"""Batch normalisation of pretrained weights whose statistics were folded into the convolutions.

Such weights have a running mean of 0 and a variance of 1 in every layer. In evaluation mode they are exact. In training
mode batch statistics replace the folded ones, and the features no longer resemble those of the pretrained network.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


@torch.no_grad()
def unfold_batch_norm(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Set the running statistics of every batch normalisation to those of its inputs; the output stays the same.

    With the mean mu and standard deviation sigma of a layer's inputs, the weight is multiplied by sigma and mu is added
    to the bias, so that evaluation mode computes the same function and training mode approximates it.

    Args:
        network: The network; it is changed, and left in evaluation mode.
        batches: Its inputs, at least one batch.
    """
    layers = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    sums: dict[nn.Module, Tensor] = {layer: torch.zeros(3, layer.num_features, dtype=torch.float64) for layer in layers}

    def add(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        values = inputs[0].double().transpose(0, 1).flatten(1)
        count = torch.full_like(values[:, 0], values.shape[1])
        sums[layer] += torch.stack([count, values.sum(1), values.square().sum(1)]).cpu()

    hooks = [layer.register_forward_pre_hook(add) for layer in layers]
    network.eval()
    try:
        for batch in batches:
            network(batch)
    finally:
        for hook in hooks:
            hook.remove()
    for layer in layers:
        count, total, squares = sums[layer]
        if not count.all() or layer.running_mean is None or layer.running_var is None:
            continue  # not part of the forward pass, or without running statistics
        mean = total / count
        variance = (squares / count - mean.square()).clamp(min=0)
        scale = layer.weight.double() / (layer.running_var.double() + layer.eps).sqrt()
        layer.bias.add_(scale * (mean.to(scale.device) - layer.running_mean.double()))
        layer.weight.copy_(scale * (variance.to(scale.device) + layer.eps).sqrt())
        layer.running_mean.copy_(mean)
        layer.running_var.copy_(variance)

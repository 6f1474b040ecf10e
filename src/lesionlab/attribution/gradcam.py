"""Grad-CAM, Grad-CAM++ and the contrast map: channels of a feature map, weighted by the gradient of a class's score.

The feature map is detached from the graph, so the backward pass covers only the layers after it.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from lesionlab.attribution.network import ExplainedNetwork, gradients
from lesionlab.errors import UsageError
from lesionlab.prediction.explanation.class_activation import placed

_ChannelWeights = Callable[[Tensor, Tensor], Tensor]
_Score = Callable[[Tensor, int], Tensor]


def grad_cam(network: ExplainedNetwork, image: Tensor, index: int) -> Tensor:
    """Return Grad-CAM [h, w] without the final ReLU. It equals the class activation map if the head is linear.

    The weight of a channel is the sum, not the mean, of its gradient over the map, so that with a linear head the mean
    of the map is the score without its bias. The map of a network with a lesion crop is placed in the whole image.
    Source: Selvaraju et al., Grad-CAM, ICCV 2017.

    Args:
        network: The network.
        image: [3, size, size], pixels in [0, 1].
        index: Index of the class.

    Raises:
        UsageError: The chosen layer has no feature map, or the score does not depend on it.
    """
    return _mean_over_views(network, image, index, _gradient_sums)


def contrast_map(network: ExplainedNetwork, image: Tensor, index: int) -> Tensor:
    """Return Grad-CAM [h, w] of a class minus the mean of Grad-CAM over all classes.

    A softmax does not identify the logits: adding the same map to all classes changes no probability, but every
    Grad-CAM. The contrast map has no such part. With a linear head it is (w_c - mean w) times the feature map. For two
    classes with one output it equals Grad-CAM.

    Args:
        network: The network.
        image: [3, size, size], pixels in [0, 1].
        index: Index of the class.

    Raises:
        UsageError: See `grad_cam`.
    """
    return _mean_over_views(network, image, index, _gradient_sums, _contrast)


def grad_cam_plus_plus(network: ExplainedNetwork, image: Tensor, index: int) -> Tensor:
    """Return Grad-CAM++ [h, w]: positive gradients, each place with its own weight.

    It is designed to cover several objects where Grad-CAM covers the largest. Source: Chattopadhay et al., Grad-CAM++,
    WACV 2018, with the weights for the exponential of the score.

    Args:
        network: The network.
        image: [3, size, size], pixels in [0, 1].
        index: Index of the class.

    Raises:
        UsageError: See `grad_cam`.
    """
    return _mean_over_views(network, image, index, _positive_weights)


def _logit(scores: Tensor, index: int) -> Tensor:
    return scores[index]


def _contrast(scores: Tensor, index: int) -> Tensor:
    return scores[index] - scores.mean()


def _gradient_sums(_feature_map: Tensor, gradient: Tensor) -> Tensor:
    return gradient.sum(dim=(1, 2))


def _positive_weights(feature_map: Tensor, gradient: Tensor) -> Tensor:
    # The paper's g^2 / (2 g^2 + g^3 sum(A)) without the common factor g^2, which underflows for small gradients.
    # The paper assumes maps after a ReLU; negative values could make the denominator 0.
    total = feature_map.clamp(min=0).sum(dim=(1, 2), keepdim=True)
    rising = gradient.clamp(min=0)
    return (rising / (2 + rising * total)).sum(dim=(1, 2))


def _mean_over_views(
    network: ExplainedNetwork, image: Tensor, index: int, channel_weights: _ChannelWeights, score: _Score = _logit
) -> Tensor:
    """Return the mean of the maps over the test-time augmentation, each flipped back."""
    maps = []
    for axes in network.views:
        view = image[None].flip(axes)
        feature_map, gradient = _map_and_gradient(network, view, index, score)
        weights = channel_weights(feature_map, gradient)
        of_view = torch.tensordot(weights, feature_map, dims=1)
        if network.finder is not None:
            of_view = torch.from_numpy(placed(of_view.numpy(), network.finder.boxes(view)[0].numpy()))
        maps.append(of_view.flip([axis - 2 for axis in axes]))
    return torch.stack(maps).mean(dim=0)


def _map_and_gradient(
    network: ExplainedNetwork, images: Tensor, index: int, score: _Score = _logit
) -> tuple[Tensor, Tensor]:
    """Return the layer's map [D, h, w] of one image [1, 3, size, size], and the gradient of the score to it."""
    kept: list[Tensor] = []

    def detach(_module: nn.Module, _inputs: tuple[Tensor, ...], output: object) -> Tensor:
        if not isinstance(output, Tensor) or output.ndim != 4:
            raise UsageError(f"{network.layer_name} is not a feature map [channels, rows, columns]; name another layer")
        if output.shape[2:].numel() == 1:
            raise UsageError(f"{network.layer_name} is a feature map of 1x1 cells; name another layer")
        if kept:
            raise UsageError(f"{network.layer_name} is used several times in the network; name another layer")
        kept.append(output.detach().requires_grad_())
        # Later layers may work in place, which is not allowed on a leaf tensor.
        return kept[0].clone()

    hook = network.layer.register_forward_hook(detach)
    try:
        with gradients():
            explained = score(network.scores_of_view(images)[0], index)
            if not kept:
                raise UsageError(f"{network.layer_name} is not part of the prediction; name another layer")
            (gradient,) = torch.autograd.grad(explained, kept)
    finally:
        hook.remove()
    return kept[0].detach()[0], gradient[0]

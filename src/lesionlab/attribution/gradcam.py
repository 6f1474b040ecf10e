"""Grad-CAM and Grad-CAM++: the channels of a feature map, weighed by what a class's score does with them.

The map is cut out of the computation where it arises, so that a gradient is computed from there on and no further:
one pass forward, and a short way back.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from lesionlab.attribution.network import ExplainedNetwork, gradients
from lesionlab.errors import UsageError
from lesionlab.prediction.explanation.class_activation import placed

_Weigh = Callable[[Tensor, Tensor], Tensor]


def grad_cam(network: ExplainedNetwork, image: Tensor, index: int) -> Tensor:
    """Return Grad-CAM [h, w] before anything is cut off: the class activation map, where the head is linear.

    Of a network that looks at a part of the picture it is placed there.

    Each channel counts by the mean of its gradient, here times the number of places, so that the mean of the map of
    such a network is the score less its bias. Source: Selvaraju et al., Grad-CAM, ICCV 2017.

    Args:
        network: The network.
        image: [3, size, size], pixels in [0, 1].
        index: Index of the class.

    Raises:
        UsageError: The network's chosen layer has no map, or the score does not depend on it.
    """
    return _over_views(network, image, index, lambda _map, gradient: gradient.sum(dim=(1, 2)))


def grad_cam_plus_plus(network: ExplainedNetwork, image: Tensor, index: int) -> Tensor:
    """Return Grad-CAM++ [h, w]: places whose gradient is positive count, each by a weight of its own.

    It is meant to mark all of several objects where Grad-CAM marks the largest. Source: Chattopadhay et al.,
    Grad-CAM++, WACV 2018, with the weights for the exponential of the score.

    Args:
        network: The network.
        image: [3, size, size], pixels in [0, 1].
        index: Index of the class.

    Raises:
        UsageError: See `grad_cam`.
    """
    return _over_views(network, image, index, _positive_weights)


def _positive_weights(feature_map: Tensor, gradient: Tensor) -> Tensor:
    # The paper's g^2 / (2 g^2 + g^3 sum(A)), less a common factor that vanishes in float32 where gradients are small.
    # It takes maps after a ReLU; where others go below 0 the denominator could be 0.
    total = feature_map.clamp(min=0).sum(dim=(1, 2), keepdim=True)
    rising = gradient.clamp(min=0)
    return (rising / (2 + rising * total)).sum(dim=(1, 2))


def _over_views(network: ExplainedNetwork, image: Tensor, index: int, weigh: _Weigh) -> Tensor:
    """Return the mean of the maps of a network's views, each turned back."""
    maps = []
    for axes in network.views:
        view = image[None].flip(axes)
        feature_map, gradient = _map_and_gradient(network, view, index)
        weights = weigh(feature_map, gradient)
        of_view = torch.tensordot(weights, feature_map, dims=1)
        if network.finder is not None:
            of_view = torch.from_numpy(placed(of_view.numpy(), network.finder.boxes(view)[0].numpy()))
        maps.append(of_view.flip([axis - 2 for axis in axes]))
    return torch.stack(maps).mean(dim=0)


def _map_and_gradient(network: ExplainedNetwork, images: Tensor, index: int) -> tuple[Tensor, Tensor]:
    """Return the layer's map [D, h, w] of one image [1, 3, size, size], and the gradient of the score by it."""
    kept: list[Tensor] = []

    def cut(_module: nn.Module, _inputs: tuple[Tensor, ...], output: object) -> Tensor:
        if not isinstance(output, Tensor) or output.ndim != 4:
            raise UsageError(f"{network.layer_name} is no map [channels, rows, columns]; name another layer")
        if output.shape[2:].numel() == 1:
            raise UsageError(
                f"{network.layer_name} has a single place, which says nothing of where; name another layer"
            )
        if kept:
            raise UsageError(f"{network.layer_name} stands in several places of the network; name another layer")
        kept.append(output.detach().requires_grad_())
        # What follows may work in place, which a leaf does not allow.
        return kept[0].clone()

    hook = network.layer.register_forward_hook(cut)
    try:
        with gradients():
            score = network.scores_of_view(images)[0, index]
            if not kept:
                raise UsageError(f"{network.layer_name} is not part of the answer; name another layer")
            (gradient,) = torch.autograd.grad(score, kept)
    finally:
        hook.remove()
    return kept[0].detach()[0], gradient[0]

"""Methods that ask a network about changed pictures, all through Captum: what is taken away gives way to plain skin."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from captum._utils.models.linear_model import SkLearnRidge
from captum.attr import IntegratedGradients, KernelShap, Lime, Occlusion
from skimage.segmentation import slic
from torch import Tensor

from lesionlab.attribution.network import ExplainedNetwork, gradients

_STEPS = 24  # of integrated gradients, from plain skin to the picture
_AT_ONCE = 16  # pictures per run of the network
_WINDOW, _STRIDE = 7, 10  # parts of the side: what occlusion covers, and how far it goes on
_SQUARES = 6  # along a side
_SEGMENTS = 30
_SAMPLES = 128
_KERNEL_WIDTH = 0.25
_SEED = 0


def plain_skin(image: Tensor) -> Tensor:
    """Return a picture [3, H, W] without anything in it: the median colour of its margin, everywhere.

    It is the state without evidence that attribution starts from. Black would be a signal of its own: in dermoscopy it
    is a corner, or a melanoma.
    """
    margin = max(1, round(0.05 * image.shape[-1]))
    inner = torch.ones(image.shape[1:], dtype=torch.bool)
    inner[margin:-margin, margin:-margin] = False
    colour = image[:, inner if inner.any() else torch.ones_like(inner)].median(dim=1).values
    return colour[:, None, None].expand_as(image).clone()


def integrated_gradients(network: ExplainedNetwork, image: Tensor, index: int) -> Tensor:
    """Return integrated gradients [size, size], summed over the colours.

    Summed over the picture they give the score's difference between the picture and plain skin. Source: Sundararajan
    et al., Axiomatic Attribution for Deep Networks, ICML 2017.

    Args:
        network: The network.
        image: [3, size, size], pixels in [0, 1].
        index: Index of the class.
    """
    with gradients():
        found: Tensor = IntegratedGradients(network).attribute(
            image[None].clone(),
            plain_skin(image)[None],
            target=index,
            n_steps=_STEPS,
            method="gausslegendre",
            internal_batch_size=_AT_ONCE,
        )
    return found.detach().sum(dim=1)[0]


def occlusion(network: ExplainedNetwork, image: Tensor, index: int) -> Tensor:
    """Return how much the score falls where a window of plain skin covers the picture, [size, size].

    Source: Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014.

    Args:
        network: The network.
        image: [3, size, size], pixels in [0, 1].
        index: Index of the class.
    """
    window, stride = max(1, network.size // _WINDOW), max(1, network.size // _STRIDE)
    with torch.no_grad():
        found: Tensor = Occlusion(network).attribute(
            image[None],
            sliding_window_shapes=(3, window, window),
            strides=(3, stride, stride),
            baselines=plain_skin(image)[None],
            target=index,
            perturbations_per_eval=_AT_ONCE,
        )
    return found.mean(dim=1)[0]


def lime(network: ExplainedNetwork, image: Tensor, index: int) -> Tensor:
    """Return the weight of each superpixel in a linear model of the score nearby, [size, size].

    Source: Ribeiro et al., "Why Should I Trust You?", KDD 2016, with its kernel over the share of what is kept.

    Args:
        network: The network.
        image: [3, size, size], pixels in [0, 1].
        index: Index of the class.
    """
    method = Lime(network, interpretable_model=SkLearnRidge(alpha=1.0), similarity_func=_nearness)
    return _by_superpixel(method, image, index)


def shap(network: ExplainedNetwork, image: Tensor, index: int) -> Tensor:
    """Return Shapley values of superpixels, estimated by kernel SHAP, [size, size].

    They share out the score's difference between the picture and plain skin. Source: Lundberg and Lee, A Unified
    Approach to Interpreting Model Predictions, NeurIPS 2017.

    Args:
        network: The network.
        image: [3, size, size], pixels in [0, 1].
        index: Index of the class.
    """
    return _by_superpixel(KernelShap(network), image, index)


def superpixels(image: Tensor) -> Tensor:
    """Return the number of the superpixel that each pixel belongs to, from 0, int64 [H, W].

    A picture without regions, such as noise, is divided into squares. Source: Achanta et al., SLIC Superpixels, PAMI
    2012.
    """
    numbers = slic(image.permute(1, 2, 0).double().numpy(), n_segments=_SEGMENTS, compactness=10.0, start_label=0)
    if np.ptp(numbers) == 0:
        rows, columns = (np.arange(side) * _SQUARES // side for side in numbers.shape)
        numbers = rows[:, None] * _SQUARES + columns
    return torch.from_numpy(np.unique(numbers, return_inverse=True)[1].reshape(numbers.shape))


def _by_superpixel(method: Lime, image: Tensor, index: int) -> Tensor:
    with torch.no_grad(), _repeatable():
        found: Tensor = method.attribute(
            image[None],
            baselines=plain_skin(image)[None],
            target=index,
            feature_mask=superpixels(image)[None, None],
            n_samples=_SAMPLES,
            perturbations_per_eval=_AT_ONCE,
        )
    return found[0, 0]


def _nearness(_original: Tensor, _perturbed: Tensor, kept: Tensor, **_options: object) -> float:
    # The cosine between what is kept, ones and zeros, and all ones.
    away = 1 - float(kept.float().mean().sqrt())
    return float(np.exp(-(away**2) / _KERNEL_WIDTH**2))


@contextmanager
def _repeatable() -> Iterator[None]:
    """Draw the same samples each time, without a trace in the caller's random numbers."""
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # libraries that use each other's older names
        torch.manual_seed(_SEED)
        yield

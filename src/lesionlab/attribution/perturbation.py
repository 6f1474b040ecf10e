"""Attribution by perturbed images, computed by Captum. Removed pixels have the skin baseline."""

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

_STEPS = 24  # of integrated gradients
_BATCH = 16
_WINDOW, _STRIDE = 7, 10  # window and stride of occlusion, as divisors of the side
_SQUARES = 6  # per side
_SEGMENTS = 30
_SAMPLES = 128
_KERNEL_WIDTH = 0.25
_SEED = 0


def skin_baseline(image: Tensor) -> Tensor:
    """Return the baseline of an image, [3, H, W]: the median colour of its margin at every pixel.

    Black would not be neutral: in dermoscopy it occurs as vignette and in melanomas.
    """
    margin = max(1, round(0.05 * image.shape[-1]))
    inner = torch.ones(image.shape[1:], dtype=torch.bool)
    inner[margin:-margin, margin:-margin] = False
    colour = image[:, inner if inner.any() else torch.ones_like(inner)].median(dim=1).values
    return colour[:, None, None].expand_as(image).clone()


def integrated_gradients(network: ExplainedNetwork, image: Tensor, index: int) -> Tensor:
    """Return integrated gradients [size, size], summed over the colour channels.

    Their sum over the image is the difference of the score between image and baseline. Source: Sundararajan et al.,
    Axiomatic Attribution for Deep Networks, ICML 2017.

    Args:
        network: The network.
        image: [3, size, size], pixels in [0, 1].
        index: Index of the class.
    """
    with gradients():
        found: Tensor = IntegratedGradients(network).attribute(
            image[None].clone(),
            skin_baseline(image)[None],
            target=index,
            n_steps=_STEPS,
            method="gausslegendre",
            internal_batch_size=_BATCH,
        )
    return found.detach().sum(dim=1)[0]


def occlusion(network: ExplainedNetwork, image: Tensor, index: int) -> Tensor:
    """Return the decrease of the score when a window of the baseline covers each place, [size, size].

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
            baselines=skin_baseline(image)[None],
            target=index,
            perturbations_per_eval=_BATCH,
        )
    return found.mean(dim=1)[0]


def lime(network: ExplainedNetwork, image: Tensor, index: int) -> Tensor:
    """Return the weight of each superpixel in a local linear model of the score, [size, size].

    Source: Ribeiro et al., "Why Should I Trust You?", KDD 2016, with its kernel over the share of kept superpixels.

    Args:
        network: The network.
        image: [3, size, size], pixels in [0, 1].
        index: Index of the class.
    """
    method = Lime(network, interpretable_model=SkLearnRidge(alpha=1.0), similarity_func=_kernel)
    return _by_superpixel(method, image, index)


def shap(network: ExplainedNetwork, image: Tensor, index: int) -> Tensor:
    """Return Shapley values of superpixels, estimated by kernel SHAP, [size, size].

    Their sum is the difference of the score between image and baseline. Source: Lundberg and Lee, A Unified Approach
    to Interpreting Model Predictions, NeurIPS 2017.

    Args:
        network: The network.
        image: [3, size, size], pixels in [0, 1].
        index: Index of the class.
    """
    return _by_superpixel(KernelShap(network), image, index)


def superpixels(image: Tensor) -> Tensor:
    """Return the index of each pixel's superpixel, from 0, int64 [H, W].

    An image without regions, such as noise, is divided into squares. Source: Achanta et al., SLIC Superpixels, PAMI
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
            baselines=skin_baseline(image)[None],
            target=index,
            feature_mask=superpixels(image)[None, None],
            n_samples=_SAMPLES,
            perturbations_per_eval=_BATCH,
        )
    return found[0, 0]


def _kernel(_original: Tensor, _perturbed: Tensor, kept: Tensor, **_options: object) -> float:
    # Cosine distance between the binary vector of kept superpixels and the vector of ones.
    distance = 1 - float(kept.float().mean().sqrt())
    return float(np.exp(-(distance**2) / _KERNEL_WIDTH**2))


@contextmanager
def _repeatable() -> Iterator[None]:
    """Seed torch's generator, and restore the caller's state afterwards."""
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecation warnings inside Captum and scikit-learn
        torch.manual_seed(_SEED)
        yield

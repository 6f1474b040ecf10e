"""Whether a map depends on what was learned: it has to change when weights are put at random.

Source: Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018: the cascade, from the answer down to the pixels.
A map that stays alike shows edges of the picture, or a habit of the architecture, and explains nothing.
"""

import copy
import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity
from torch import nn

from lesionlab.attribution.localisation import enlarged
from lesionlab.attribution.network import ExplainedNetwork
from lesionlab.prediction.explanation.class_activation import scaled

# How many of the layers are at random, from the top; a layer is a module with weights of its own.
STAGES = {"head": 0.0, "half": 0.5, "all": 1.0}
_SIDE = 56  # pixels at which structures are compared


def randomised(network: ExplainedNetwork, seed: int) -> Iterator[tuple[str, ExplainedNetwork]]:
    """Yield a copy of a network at each of `STAGES`; it is the same copy, further on.

    The entries of each weight are shuffled, which keeps their distribution, and with it the size of what the layers
    hand on: a network whose values vanish would give empty maps, and an easy pass.

    Args:
        network: The trained network; it stays as it is.
        seed: Of the shuffling.
    """
    changed = copy.deepcopy(network)
    draw = torch.Generator().manual_seed(seed)
    head = _with_weights(changed.network.head)
    backbone = _with_weights(changed.network.backbone)
    done = 0
    for stage, share in STAGES.items():
        wanted = [*head, *backbone][: len(head) + math.ceil(share * len(backbone))]
        for module in wanted[done:]:
            _shuffle(module, draw)
        done = len(wanted)
        yield stage, changed


def similarity(first: NDArray[np.float32], second: NDArray[np.float32]) -> tuple[float, float]:
    """Return how alike two maps [h, w] are: Spearman's rank correlation, and SSIM of what is shown, 1 for the same.

    The first is nan where a map has one value everywhere.
    """
    constant = np.ptp(first) == 0 or np.ptp(second) == 0
    rank = float("nan") if constant else float(spearmanr(first.ravel(), second.ravel()).statistic)
    pictures = [scaled(enlarged(values, _SIDE)) for values in (first, second)]
    return rank, float(structural_similarity(*pictures, data_range=1.0))


def _with_weights(module: nn.Module) -> list[nn.Module]:
    """Return the modules that have weights of their own, the last first."""
    return [m for m in module.modules() if any(True for _ in m.parameters(recurse=False))][::-1]


def _shuffle(module: nn.Module, draw: torch.Generator) -> None:
    with torch.no_grad():
        for weight in module.parameters(recurse=False):
            order = torch.randperm(weight.numel(), generator=draw)
            weight.copy_(weight.flatten()[order].view(weight.shape))

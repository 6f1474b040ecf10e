"""Model randomisation: a map must change if the weights are randomised.

Source: Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018, cascading from the head to the first layer. A map
that stays similar depends on the image or the architecture, not on the trained weights.
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

# Share of the backbone's layers that are randomised, from the last; a layer is a module with parameters of its own.
STAGES = {"head": 0.0, "half": 0.5, "all": 1.0}
_SIDE = 56  # size in pixels for the structural similarity


def randomised(network: ExplainedNetwork, seed: int) -> Iterator[tuple[str, ExplainedNetwork]]:
    """Yield a copy of a network at each of `STAGES`. The copy is randomised further from stage to stage.

    The entries of each weight are shuffled. This keeps their distribution and the scale of the activations: vanishing
    activations would give empty maps, which pass the check trivially.

    Args:
        network: The trained network; it is not changed.
        seed: Seed of the shuffling.
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
    """Return Spearman's rank correlation of two maps [h, w], and the SSIM of the displayed maps; 1 for equal maps.

    The correlation is nan for a constant map.
    """
    constant = np.ptp(first) == 0 or np.ptp(second) == 0
    rank = float("nan") if constant else float(spearmanr(first.ravel(), second.ravel()).statistic)
    displayed = [scaled(enlarged(values, _SIDE)) for values in (first, second)]
    return rank, float(structural_similarity(*displayed, data_range=1.0))


def _with_weights(module: nn.Module) -> list[nn.Module]:
    """Return the modules that have parameters of their own, the last first."""
    return [m for m in module.modules() if any(True for _ in m.parameters(recurse=False))][::-1]


def _shuffle(module: nn.Module, draw: torch.Generator) -> None:
    with torch.no_grad():
        for weight in module.parameters(recurse=False):
            order = torch.randperm(weight.numel(), generator=draw)
            weight.copy_(weight.flatten()[order].view(weight.shape))

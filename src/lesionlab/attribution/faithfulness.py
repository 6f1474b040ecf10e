"""Faithfulness of a map: the deletion and insertion curves of Petsiuk et al., RISE, BMVC 2018.

Pixels are removed or inserted in the order of the map, the strongest first. Absent pixels have the skin baseline.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lesionlab.attribution.localisation import enlarged
from lesionlab.attribution.network import ExplainedNetwork
from lesionlab.attribution.perturbation import skin_baseline

_SHARES = torch.linspace(0, 1, 13)


def deletion_and_insertion(
    network: ExplainedNetwork, pixels: NDArray[np.uint8], index: int, values: NDArray[np.float32]
) -> tuple[float, float]:
    """Return the areas under the probability curves, 0 to 1: deletion (lower is better), insertion (higher is better).

    Args:
        network: The network; its uncalibrated probability is used.
        pixels: Its input, uint8 [size, size, 3].
        index: Index of the class.
        values: The map, [h, w].
    """
    image = torch.tensor(pixels).permute(2, 0, 1).float() / 255
    rank = _ranks(values, network.size)
    removed, inserted = [], []
    baseline = skin_baseline(image)
    for share in _SHARES:
        strongest = rank < share * rank.numel()
        removed.append(torch.where(strongest, baseline, image))
        inserted.append(torch.where(strongest, image, baseline))
    with torch.inference_mode():
        deletion, insertion = (network.probabilities(torch.stack(steps))[:, index] for steps in (removed, inserted))
    return float(torch.trapezoid(deletion, _SHARES)), float(torch.trapezoid(insertion, _SHARES))


def _ranks(values: NDArray[np.float32], size: int) -> Tensor:
    """Return the rank of each pixel in a map, 0 for the strongest, ties in random order, [size, size]."""
    heat = enlarged(values, size).ravel()
    tie_breaks = np.random.default_rng(0).permutation(heat.size)
    order = np.lexsort((tie_breaks, -heat))
    ranks = np.empty(heat.size, np.int64)
    ranks[order] = np.arange(heat.size)
    return torch.from_numpy(ranks.reshape(size, size))

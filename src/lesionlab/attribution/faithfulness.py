"""Whether a map is about the network: what its probability does when the marked pixels go, or come, first.

Source: Petsiuk et al., RISE, BMVC 2018. What goes gives way to plain skin, and the picture begins as plain skin.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lesionlab.attribution.localisation import enlarged
from lesionlab.attribution.network import ExplainedNetwork
from lesionlab.attribution.perturbation import plain_skin

_SHARES = torch.linspace(0, 1, 13)


def deletion_and_insertion(
    network: ExplainedNetwork, pixels: NDArray[np.uint8], index: int, values: NDArray[np.float32]
) -> tuple[float, float]:
    """Return the areas under the curves of the probability, 0 to 1: deletion, better low, and insertion, better high.

    Args:
        network: The network; its probability is not calibrated.
        pixels: Its input, uint8 [size, size, 3].
        index: Index of the class.
        values: The map, [h, w].
    """
    image = torch.tensor(pixels).permute(2, 0, 1).float() / 255
    rank = _ranks(values, network.size)
    without, alone = [], []
    skin = plain_skin(image)
    for share in _SHARES:
        marked = rank < share * rank.numel()
        without.append(torch.where(marked, skin, image))
        alone.append(torch.where(marked, image, skin))
    with torch.inference_mode():
        deletion, insertion = (network.probabilities(torch.stack(pictures))[:, index] for pictures in (without, alone))
    return float(torch.trapezoid(deletion, _SHARES)), float(torch.trapezoid(insertion, _SHARES))


def _ranks(values: NDArray[np.float32], size: int) -> Tensor:
    """Return the place of each pixel in the order of a map, the strongest first, [size, size]; ties are drawn."""
    heat = enlarged(values, size).ravel()
    lots = np.random.default_rng(0).permutation(heat.size)
    order = np.lexsort((lots, -heat))
    ranks = np.empty(heat.size, np.int64)
    ranks[order] = np.arange(heat.size)
    return torch.from_numpy(ranks.reshape(size, size))

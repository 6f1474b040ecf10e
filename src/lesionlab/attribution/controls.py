"""Control maps, independent of the network's classes: the chance level of each measure."""

import hashlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from lesionlab.attribution.network import ExplainedNetwork
from lesionlab.prediction.explanation.class_activation import placed

_CELLS = 7  # of the maps of most networks
_WIDTH = 0.25  # standard deviation of the centre map, relative to the side


def random_map(image_id: str) -> NDArray[np.float32]:
    """Return uniform noise, seeded by the image id, [7, 7]."""
    seed = int.from_bytes(hashlib.sha256(image_id.encode()).digest()[:8])
    return np.random.default_rng(seed).random((_CELLS, _CELLS)).astype(np.float32)


def centre_map() -> NDArray[np.float32]:
    """Return a Gaussian at the centre of the image, [7, 7]."""
    steps = (np.arange(_CELLS) + 0.5) / _CELLS - 0.5
    bell = np.exp(-(steps**2) / (2 * _WIDTH**2))
    return np.outer(bell, bell).astype(np.float32)


def uniform_map(network: ExplainedNetwork, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return a constant map of the pixels that the network receives: of its lesion crop, or of the whole image, [h, w].

    No map of a network with a lesion crop can lie outside the crop, which is centred on the lesion.

    Args:
        network: The network.
        pixels: Its input, uint8 [size, size, 3].
    """
    constant = np.ones((_CELLS, _CELLS), dtype=np.float32)
    if network.finder is None:
        return constant
    image = torch.tensor(pixels).permute(2, 0, 1)[None].float() / 255
    return placed(constant, network.finder.boxes(image)[0].numpy())


class Control(NamedTuple):
    """A control map.

    Attributes:
        title: Displayed name.
        map_of: The map as a function of the image id, the network and its input.
    """

    title: str
    map_of: Callable[[str, ExplainedNetwork, NDArray[np.uint8]], NDArray[np.float32]]


CONTROLS = {
    "random": Control("Random map", lambda image_id, _network, _pixels: random_map(image_id)),
    "centre": Control("Centre map", lambda _image_id, _network, _pixels: centre_map()),
    "uniform": Control("Uniform over the crop", lambda _image_id, network, pixels: uniform_map(network, pixels)),
}

"""Control maps, independent of network and image: the chance level of each measure."""

import hashlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

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


class Control(NamedTuple):
    """A control map.

    Attributes:
        title: Displayed name.
        map_of: The map as a function of the image id.
    """

    title: str
    map_of: Callable[[str], NDArray[np.float32]]


CONTROLS = {
    "random": Control("Random map", random_map),
    "centre": Control("Centre map", lambda _image_id: centre_map()),
}

"""Maps that know nothing of a network or a picture: what a measure gives for free."""

import hashlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_CELLS = 7  # of the maps that most networks give
_SPREAD = 0.25  # of the side: lesions are photographed in the middle


def random_map(image_id: str) -> NDArray[np.float32]:
    """Return noise in cells, another for each image, [7, 7]."""
    seed = int.from_bytes(hashlib.sha256(image_id.encode()).digest()[:8])
    return np.random.default_rng(seed).random((_CELLS, _CELLS)).astype(np.float32)


def centre_map() -> NDArray[np.float32]:
    """Return a bell over the middle of the picture, [7, 7]: the same for every image."""
    steps = (np.arange(_CELLS) + 0.5) / _CELLS - 0.5
    bell = np.exp(-(steps**2) / (2 * _SPREAD**2))
    return np.outer(bell, bell).astype(np.float32)


class Control(NamedTuple):
    """A map that knows nothing.

    Attributes:
        title: What a reader calls it.
        map_of: The map for the id of an image.
    """

    title: str
    map_of: Callable[[str], NDArray[np.float32]]


CONTROLS = {
    "random": Control("Random cells", random_map),
    "centre": Control("The middle of the picture", lambda _image_id: centre_map()),
}

"""Test-time augmentation: the mean over an image and its reflections."""

from dataclasses import replace
from typing import Literal, Protocol

import numpy as np

from lesionlab.prediction.inference.session import GraphOutput

# Left-right, top-bottom and both, as axes of pixels [N, H, W, 3] and of maps [N, D, h, w].
_MIRRORS = (((), ()), ((2,), (3,)), ((1,), (2,)), ((1, 2), (2, 3)))

TestTimeAugmentation = Literal["none", "flips"]


class Session(Protocol):
    """The interface of a session; see `lesionlab.prediction.inference.session.GraphSession`."""

    channels: int | None

    def logits(self, pixels: np.ndarray) -> np.ndarray:
        """Return logits."""
        ...

    def outputs(self, pixels: np.ndarray) -> GraphOutput:
        """Return all outputs of the graph."""
        ...


class FlipAveragedSession:
    """A session that averages over four reflections, at four times the computation.

    Feature maps are mirrored back before they are averaged. With a linear head on the pooled map, the averaged map
    still explains the averaged logits exactly.
    """

    def __init__(self, session: Session) -> None:
        """Wrap a session."""
        self._session = session
        self.channels = session.channels

    def logits(self, pixels: np.ndarray) -> np.ndarray:
        """Return the mean logits, float32 [N, C], for pixels uint8 [N, size, size, 3]."""
        runs = [self._session.logits(_mirrored(pixels, axes)) for axes, _ in _MIRRORS]
        return np.asarray(np.mean(runs, axis=0))

    def outputs(self, pixels: np.ndarray) -> GraphOutput:
        """Return the mean outputs of the four images; logits and map are averaged, the others are the original's."""
        first, *others = (self._session.outputs(_mirrored(pixels, axes)) for axes, _ in _MIRRORS)
        logits = np.mean([first.logits, *(view.logits for view in others)], axis=0)
        maps = [first.feature_map, *(view.feature_map for view in others)]
        back = [np.flip(one, axes) for one, (_, axes) in zip(maps, _MIRRORS, strict=True) if one is not None]
        mean = np.asarray(np.mean(back, axis=0)) if back else None
        return replace(first, logits=np.asarray(logits), feature_map=mean)


def _mirrored(pixels: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    return np.ascontiguousarray(np.flip(pixels, axes))

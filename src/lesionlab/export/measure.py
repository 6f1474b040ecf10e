"""What an exported graph makes of images, and what the images are like: the raw material of a bundle's figures."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

import numpy as np

from lesionlab.bundle import Bundle
from lesionlab.bundle.features import pool_features
from lesionlab.images.quality import brightness_and_contrast, sharpness
from lesionlab.prediction.inference.preprocessing import or_raise, prefetch_images
from lesionlab.prediction.inference.session import IMAGES_PER_RUN, GraphSession
from lesionlab.prediction.inference.tta import Session


@dataclass(frozen=True)
class Measured:
    """What was measured of N images.

    Attributes:
        logits: float32 [N, C].
        features: The last feature map's mean over its places, float32 [N, D]; D is 0 for a graph without a map.
        pictures: Brightness, contrast and sharpness, float32 [N, 3]; see `lesionlab.prediction.decision.abstention`.
    """

    logits: np.ndarray
    features: np.ndarray
    pictures: np.ndarray

    def __getitem__(self, part: slice) -> "Measured":
        return Measured(self.logits[part], self.features[part], self.pictures[part])


def measure_images(
    bundle: Bundle,
    images: Sequence[str | np.ndarray],
    progress: Callable[[int, int], None] | None = None,
    session: Session | None = None,
) -> Measured:
    """Run images through a bundle's graph as its users will.

    Args:
        bundle: The bundle; nothing but its graph and preprocessing is used.
        images: Where they are, or their pixels, uint8 [height, width, 3].
        progress: Called after each batch with the number of images done and of all.
        session: What runs in place of its graph; the classes and the preprocessing are the bundle's.

    Raises:
        ImageError: An image cannot be read; the message begins with its name.
    """
    session, preprocessing = session or GraphSession(bundle), bundle.info.preprocessing
    measured = Measured(
        np.empty((len(images), len(bundle.info.classes)), np.float32),
        np.empty((len(images), session.channels or 0), np.float32),
        np.empty((len(images), 3), np.float32),
    )
    done = 0
    with closing(prefetch_images(images, preprocessing, IMAGES_PER_RUN)) as prepared:
        while batch := [or_raise(item).pixels for item in islice(prepared, IMAGES_PER_RUN)]:
            rows = slice(done, done + len(batch))
            found = session.outputs(np.stack(batch))
            measured.logits[rows] = found.logits
            if found.feature_map is not None:
                measured.features[rows] = pool_features(found.feature_map)
            measured.pictures[rows] = [(*brightness_and_contrast(pixels), sharpness(pixels)) for pixels in batch]
            done += len(batch)
            if progress is not None:
                progress(done, len(images))
    return measured

"""Outputs of an exported graph for images, with the quality measures of the images."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

import numpy as np

from lesionlab.bundle import Bundle
from lesionlab.bundle.features import pool_features
from lesionlab.images.quality import brightness_and_contrast, sharpness
from lesionlab.prediction.inference.batching import prefetch_images
from lesionlab.prediction.inference.preprocessing import or_raise
from lesionlab.prediction.inference.session import IMAGES_PER_RUN, GraphSession
from lesionlab.prediction.inference.tta import Session


@dataclass(frozen=True)
class Measurements:
    """Outputs and quality measures of N images.

    Attributes:
        logits: float32 [N, C].
        features: Spatial mean of the last feature map, float32 [N, D]; D is 0 for a graph without a feature map.
        quality: Brightness, contrast and sharpness, float32 [N, 3]; see `lesionlab.images.quality`.
        dermoscopic: Logit of the detector, float32 [N]; None for a bundle without one.
    """

    logits: np.ndarray
    features: np.ndarray
    quality: np.ndarray
    dermoscopic: np.ndarray | None = None

    def __getitem__(self, rows: slice | np.ndarray) -> "Measurements":
        dermoscopic = None if self.dermoscopic is None else self.dermoscopic[rows]
        return Measurements(self.logits[rows], self.features[rows], self.quality[rows], dermoscopic)


def measure_images(
    bundle: Bundle,
    images: Sequence[str | np.ndarray],
    progress: Callable[[int, int], None] | None = None,
    session: Session | None = None,
) -> Measurements:
    """Run images through a bundle's graph, from image file to logits.

    Args:
        bundle: The bundle; only its graph, classes and preprocessing are used.
        images: Locations, or pixels, uint8 [height, width, 3].
        progress: Called after each batch with the number of images done and the total.
        session: Session to use in place of the bundle's graph.

    Raises:
        ImageError: An image cannot be read; the message begins with its name.
    """
    session, preprocessing = session or GraphSession(bundle), bundle.info.preprocessing
    measured = Measurements(
        np.empty((len(images), len(bundle.info.classes)), np.float32),
        np.empty((len(images), session.channels or 0), np.float32),
        np.empty((len(images), 3), np.float32),
        None if bundle.info.dermoscopy is None else np.empty(len(images), np.float32),
    )
    done = 0
    with closing(prefetch_images(images, preprocessing, IMAGES_PER_RUN)) as prepared:
        while batch := [or_raise(item).pixels for item in islice(prepared, IMAGES_PER_RUN)]:
            rows = slice(done, done + len(batch))
            outputs = session.outputs(np.stack(batch))
            measured.logits[rows] = outputs.logits
            if outputs.feature_map is not None:
                measured.features[rows] = pool_features(outputs.feature_map)
            if measured.dermoscopic is not None:
                measured.dermoscopic[rows] = outputs.dermoscopic
            measured.quality[rows] = [(*brightness_and_contrast(pixels), sharpness(pixels)) for pixels in batch]
            done += len(batch)
            if progress is not None:
                progress(done, len(images))
    return measured

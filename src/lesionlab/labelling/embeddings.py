"""What the bundle computes of each image, once, and what follows for the lesions."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from lesionlab.bundle import Bundle
from lesionlab.bundle.features import pool_features
from lesionlab.bundle.npz import npz_bytes, read_npz
from lesionlab.cpu import available_cores
from lesionlab.data import ImageRecord, Manifest
from lesionlab.errors import ImageError
from lesionlab.files import cache_folder, replacing, sha256_of_json
from lesionlab.images import load_image
from lesionlab.images.read import ZIP_SEPARATOR
from lesionlab.metrics.arrays import FloatArray
from lesionlab.prediction.inference.session import GraphSession

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class ImageOutputs:
    """Outputs of a bundle's graph for the N images of a manifest, in its order.

    Attributes:
        features: The pooled feature map, or the logits of a graph without one, float32 [N, D].
        logits: float32 [N, C].
    """

    features: np.ndarray
    logits: np.ndarray


def image_outputs(manifest: Manifest, bundle: Bundle, progress: Progress | None = None) -> ImageOutputs:
    """Return the outputs of a bundle's graph, from the cache where these files were seen before.

    Args:
        manifest: The images.
        bundle: The model.
        progress: Called with the number of images done and their total.

    Raises:
        ImageError: An image cannot be read.
    """
    cached = cache_folder() / "label_features" / f"{_key(manifest, bundle)}.npz"
    if cached.is_file():
        return ImageOutputs(**read_npz(cached.read_bytes()))
    session = GraphSession(bundle, 1)

    def describe(record: ImageRecord) -> tuple[np.ndarray, np.ndarray]:
        try:
            image = load_image(manifest.location(record)).image
        except ImageError as error:
            raise ImageError(f"{record.path}: {error}; remove its row, or export the image again") from error
        output = session.outputs(bundle.info.preprocessing.apply(image)[np.newaxis])
        features = output.logits if output.feature_map is None else pool_features(output.feature_map)
        return features[0], output.logits[0]

    rows = []
    with ThreadPoolExecutor(available_cores()) as pool:
        for row in pool.map(describe, manifest):
            rows.append(row)
            if progress is not None:
                progress(len(rows), len(manifest))
    features, logits = (np.array(values, dtype=np.float32) for values in zip(*rows, strict=True))
    found = ImageOutputs(features, logits)
    with replacing(cached, binary=True) as stream:
        stream.write(npz_bytes({"features": features, "logits": logits}))
    return found


def lesions_of(records: Sequence[ImageRecord]) -> dict[str, list[int]]:
    """Return the rows of the images of each lesion, in the order of the lesions' first images."""
    rows: dict[str, list[int]] = {}
    for row, record in enumerate(records):
        rows.setdefault(record.labelled_id, []).append(row)
    return rows


def lesion_means(values: np.ndarray, lesions: dict[str, list[int]]) -> FloatArray:
    """Return the mean over the images of each lesion, [L, ...] of [N, ...]."""
    return np.stack([values[rows].mean(axis=0, dtype=np.float64) for rows in lesions.values()])


def lesion_probabilities(logits: np.ndarray, bundle: Bundle, lesions: dict[str, list[int]]) -> FloatArray:
    """Return the calibrated probabilities of each lesion from those of its images, [L, C]: their geometric mean."""
    logs = np.log(bundle.info.calibration.probabilities(logits.astype(np.float64)).clip(1e-12))
    powers = np.exp(lesion_means(logs, lesions))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _key(manifest: Manifest, bundle: Bundle) -> str:
    """Return a hash of the graph and of the image files as they are: their places, sizes and times."""
    times: dict[str, tuple[int, int]] = {}

    def state(record: ImageRecord) -> list[object]:
        file = str(manifest.root / record.path).partition(ZIP_SEPARATOR)[0]
        if file not in times:
            found = os.stat(file) if os.path.exists(file) else None  # a missing image is reported when it is read
            times[file] = (0, 0) if found is None else (found.st_size, found.st_mtime_ns)
        return [record.image_id, record.path, *times[file]]

    root = str(manifest.root.resolve())
    size = bundle.info.preprocessing.model_dump(mode="json")
    return sha256_of_json([bundle.info.graph_sha256, size, root, [state(record) for record in manifest]])

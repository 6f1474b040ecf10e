"""Features of images for the search of duplicates: hashes, the network's features, and local features (SIFT)."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lesionlab.bundle import Bundle
from lesionlab.cpu import available_cores
from lesionlab.curation.frozen_features import pooled_features
from lesionlab.errors import ImageError, MissingExtraError
from lesionlab.images import load_image
from lesionlab.images.perceptual_hash import perceptual_hash, pixel_hash
from lesionlab.prediction.inference.session import GraphSession

SIDE = 256  # images are compared as squares of this side, as HAM10000 is also distributed
KEYPOINTS = 300
_DESCRIPTOR = 128
_LEAST_CONTRAST = 0.005  # skin has faint structures: far below the default of SIFT


@dataclass(frozen=True, eq=False)
class ImageFeatures:
    """Features of N images; local features need 40 kB per image.

    Attributes:
        pixels: SHA-256 of the decoded pixels of each image.
        hashes: Perceptual hashes, uint8 [N, 32].
        embedding: Pooled features of the network, float32 [N, D].
        points: Positions of the local features, strongest first, float32 [N, 300, 2].
        descriptors: Their descriptors, uint8 [N, 300, 128]: square roots of SIFT (Arandjelovic and Zisserman, Three
            things everyone should know to improve object retrieval, CVPR 2012), times 255.
        counts: Number of local features of each image, int64 [N].
    """

    pixels: tuple[str, ...]
    hashes: NDArray[np.uint8]
    embedding: NDArray[np.float32]
    points: NDArray[np.float32]
    descriptors: NDArray[np.uint8]
    counts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.hashes)


def describe_images(
    locations: Sequence[str], bundle: Bundle, progress: Callable[[int, int], None] | None = None
) -> ImageFeatures:
    """Return the features of image files, computed in one thread per core.

    Args:
        locations: See `lesionlab.images.read_image_bytes`.
        bundle: The model whose features are compared; it needs a feature map.
        progress: Called with the number of images done and the total.

    Raises:
        ImageError: An image cannot be read.
        MissingExtraError: OpenCV is not installed.
    """
    session = GraphSession(bundle, 1)

    def describe(location: str) -> tuple[str, NDArray[np.uint8], np.ndarray, np.ndarray, np.ndarray, int]:
        try:
            image = load_image(location).image
        except ImageError as error:
            raise ImageError(f"{location}: {error}") from error
        features = pooled_features(session, bundle.info.preprocessing, image)
        return pixel_hash(image), perceptual_hash(image), features, *local_features(image)

    rows = []
    with ThreadPoolExecutor(available_cores()) as pool:
        for row in pool.map(describe, locations):
            rows.append(row)
            if progress is not None:
                progress(len(rows), len(locations))
    pixels, *columns = zip(*rows, strict=True)
    hashes, embedding, points, descriptors, counts = map(np.array, columns)
    return ImageFeatures(pixels, hashes, embedding.astype(np.float32), points, descriptors, counts)


def local_features(image: Image.Image) -> tuple[NDArray[np.float32], NDArray[np.uint8], int]:
    """Return positions [300, 2], descriptors [300, 128] and the number of local features; unused rows are zero.

    Raises:
        MissingExtraError: OpenCV is not installed.
    """
    try:
        import cv2
    except ImportError as error:
        raise MissingExtraError("the search for duplicates", "duplicates", "opencv-python-headless") from error
    grey = np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    points = np.zeros((KEYPOINTS, 2), dtype=np.float32)
    descriptors = np.zeros((KEYPOINTS, _DESCRIPTOR), dtype=np.uint8)
    sift: Any = cv2.SIFT.create(nfeatures=KEYPOINTS, contrastThreshold=_LEAST_CONTRAST)
    keypoints, found = sift.detectAndCompute(grey, None)
    if found is None:
        return points, descriptors, 0
    order = np.argsort([-keypoint.response for keypoint in keypoints], kind="stable")[:KEYPOINTS]
    points[: len(order)] = [keypoints[row].pt for row in order]
    shares = found[order] / np.maximum(found[order].sum(axis=1, keepdims=True), 1e-6)
    descriptors[: len(order)] = np.rint(255 * np.sqrt(shares))
    return points, descriptors, len(order)

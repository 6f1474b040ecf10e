"""Features of images under a network whose weights stay as they are."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lesionlab.bundle import Bundle
from lesionlab.bundle.features import pool_features
from lesionlab.cpu import available_cores
from lesionlab.data import ImageRecord, Manifest
from lesionlab.errors import ImageError, MissingExtraError
from lesionlab.images import Preprocessing, load_image
from lesionlab.prediction.inference.session import GraphSession

Progress = Callable[[int, int], None]


def imagenet_features(manifest: Manifest, progress: Progress | None = None) -> NDArray[np.float32]:
    """Return features of EfficientNet-Lite0 with ImageNet weights, which saw no label of the dataset, [N, D].

    They are cached like those of a training with a frozen backbone, and computed further after an interruption.

    Args:
        manifest: The images.
        progress: Called with the number of images done and the total.

    Raises:
        MissingExtraError: The extra `train` is not installed.
        DataError: An image cannot be decoded, or the weights are missing.
    """
    try:
        import torch

        from lesionlab.training.cache import open_network_inputs
        from lesionlab.training.features import FeatureStore
        from lesionlab.training.network import LesionNetwork
        from lesionlab.training.weights import load_pretrained
    except ImportError as error:
        raise MissingExtraError("features of an ImageNet network", "train") from error
    from lesionlab.recipes import load_recipe

    recipe = load_recipe("efficientnet-lite0", ["model.freeze=true"])
    images, key = open_network_inputs(manifest, recipe, progress)
    torch.manual_seed(recipe.seed)  # of the head, which is not used
    network = LesionNetwork(recipe)
    load_pretrained(network.backbone, recipe.model.backbone)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    store = FeatureStore(network, recipe, images, key, device=device, progress=progress)
    return store.view(0, range(len(images)))


def model_features(manifest: Manifest, bundle: Bundle, progress: Progress | None = None) -> NDArray[np.float32]:
    """Return the pooled feature map of a model, or its logits where it has no map, [N, D].

    Args:
        manifest: The images.
        bundle: The model.
        progress: Called with the number of images done and the total.

    Raises:
        ImageError: An image cannot be read.
    """
    session = GraphSession(bundle, 1)

    def describe(record: ImageRecord) -> NDArray[np.float32]:
        try:
            image = load_image(manifest.location(record)).image
        except ImageError as error:
            raise ImageError(f"{record.path}: {error}") from error
        return pooled_features(session, bundle.info.preprocessing, image)

    rows = []
    with ThreadPoolExecutor(available_cores()) as pool:
        for row in pool.map(describe, manifest):
            rows.append(row)
            if progress is not None:
                progress(len(rows), len(manifest))
    return np.stack(rows)


def pooled_features(session: GraphSession, preprocessing: Preprocessing, image: Image.Image) -> NDArray[np.float32]:
    """Return the pooled feature map of an image, or its logits where the graph has no map, [D]."""
    output = session.outputs(preprocessing.apply(image)[np.newaxis])
    features = output.logits if output.feature_map is None else pool_features(output.feature_map)
    return np.asarray(features[0], dtype=np.float32)

"""A run or bundle opened for explanation: predictions from the bundle, gradients from the weights."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from lesionlab.attribution.explained import MethodMap
from lesionlab.attribution.methods import Method
from lesionlab.attribution.network import ExplainedNetwork
from lesionlab.bundle import Bundle
from lesionlab.errors import DataError
from lesionlab.prediction import Predictor, PreparedImage
from lesionlab.recipes import InferenceSettings, Recipe
from lesionlab.results import Explanation
from lesionlab.runs import RunFolder
from lesionlab.taxonomy import TASKS
from lesionlab.training.trained import bundle_network, trained_network

# Difference between onnxruntime and torch, relative to the largest logit.
_TOLERANCE = 1e-2


@dataclass(frozen=True)
class TrainedModel:
    """A run or bundle whose predictions can be explained by every method.

    Attributes:
        recipe: Its recipe, with the `inference` settings of the bundle.
        predictor: Predictor of the bundle.
        network: Its network.
    """

    recipe: Recipe
    predictor: Predictor
    network: ExplainedNetwork


@dataclass(frozen=True)
class NetworkExplainer:
    """A run or bundle with its explanation methods; an `Explainer` (module `explain`).

    Attributes:
        model: The run or bundle.
        methods: The methods in the order of the page.
    """

    model: TrainedModel
    methods: tuple[Method, ...]

    @property
    def predictor(self) -> Predictor:
        """Predictor of the bundle."""
        return self.model.predictor

    @property
    def note(self) -> str | None:
        """Remark on a layer that was named by the user."""
        layer = self.model.network.named_layer
        return None if layer is None else f"Grad-CAM and Grad-CAM++ use the layer {layer}, not the last feature map."

    def maps(self, prepared: PreparedImage, code: str) -> Iterator[MethodMap]:
        """Yield the map of each method for a class."""
        task = TASKS[self.predictor.info.task]
        for method in self.methods:
            values = method.attribute(self.model.network, prepared.pixels, task.classes.index(code))
            displayed = Explanation(
                code=code, name=task.name_of(code), method=method.title, values=method.displayed(values)
            )
            yield MethodMap(method.name, method.meaning, values, displayed)


def open_trained(source: RunFolder | Bundle, layer: str | None = None) -> TrainedModel:
    """Open a finished and exported run, or a bundle of one float32 network.

    Args:
        source: The run or bundle.
        layer: Name of the module whose map Grad-CAM uses; None: the last feature map.

    Raises:
        DataError: The run is not finished, its bundle was exported from other weights, or the bundle is converted, an
            ensemble or without a recipe.
        BundleError: The bundle is missing or damaged.
        UsageError: The network has no such layer.
    """
    if isinstance(source, Bundle):
        predictor, trained = Predictor.load(source), bundle_network(source)
        recipe, origin = Recipe.model_validate(source.info.recipe), "its recipe; give the run that it was exported from"
    else:
        source.record()
        predictor, recipe = Predictor.load(source.bundle), source.recipe()
        # The bundle may have been exported with other `inference` settings than those of the run's recipe.
        if "inference" in predictor.info.recipe:
            inference = InferenceSettings.model_validate(predictor.info.recipe["inference"])
            recipe = recipe.model_copy(update={"inference": inference})
        trained = trained_network(source, recipe.inference.start_share)
        origin = f"the weights in {source.path}; export the run again"
    network = ExplainedNetwork(trained, recipe, layer)
    if not _same_logits(predictor, network):
        path = source.path if isinstance(source, Bundle) else source.bundle
        raise DataError(f"{path} was not exported from {origin}")
    return TrainedModel(recipe, predictor, network)


def _same_logits(predictor: Predictor, network: ExplainedNetwork) -> bool:
    """Return whether the network and the bundle give the same logits for images of noise."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (2, network.size, network.size, 3), dtype=np.uint8)
    # Some preprocessings change an image that already has the size of the network's input.
    pixels = np.stack([predictor.pipeline.prepare(one).pixels for one in noise])
    of_bundle = predictor.predict_logits(list(noise))
    with torch.inference_mode():
        scores = network(torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255).numpy()
    difference = scores - of_bundle
    difference -= difference.mean(axis=1, keepdims=True)
    return bool(np.abs(difference).max() <= _TOLERANCE * max(1.0, float(np.abs(of_bundle).max())))

"""A trained run opened for explanation: predictions from its bundle, gradients from its weights."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from lesionlab.attribution.explained import MethodMap
from lesionlab.attribution.methods import Method
from lesionlab.attribution.network import ExplainedNetwork
from lesionlab.errors import DataError
from lesionlab.prediction import Predictor, PreparedImage
from lesionlab.recipes import InferenceSettings
from lesionlab.results import Explanation
from lesionlab.runs import RunFolder
from lesionlab.taxonomy import TASKS
from lesionlab.training.trained import trained_network

# Difference between onnxruntime and torch, relative to the largest logit.
_TOLERANCE = 1e-2


@dataclass(frozen=True)
class TrainedModel:
    """A run whose predictions can be explained.

    Attributes:
        run: The run.
        predictor: Predictor of its bundle.
        network: Its network.
    """

    run: RunFolder
    predictor: Predictor
    network: ExplainedNetwork


@dataclass(frozen=True)
class RunExplainer:
    """A run with its explanation methods; an `Explainer` (module `explain`).

    Attributes:
        model: The run.
        methods: The methods in the order of the page.
    """

    model: TrainedModel
    methods: tuple[Method, ...]

    @property
    def predictor(self) -> Predictor:
        """Predictor of the run's bundle."""
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


def open_trained(run: RunFolder, layer: str | None = None) -> TrainedModel:
    """Open a finished and exported run.

    Args:
        run: The run.
        layer: Name of the module whose map Grad-CAM uses; None: the last feature map.

    Raises:
        DataError: The run is not finished, or its bundle was exported from other weights.
        BundleError: The bundle is missing or damaged.
        UsageError: The network has no such layer.
    """
    run.record()
    predictor = Predictor.load(run.bundle)
    recipe = run.recipe()
    # The bundle may have been exported with other `inference` settings than those of the run's recipe.
    if "inference" in predictor.info.recipe:
        inference = InferenceSettings.model_validate(predictor.info.recipe["inference"])
        recipe = recipe.model_copy(update={"inference": inference})
    network = ExplainedNetwork(trained_network(run, recipe.inference.start_share), recipe, layer)
    _check_same(run, predictor, network)
    return TrainedModel(run, predictor, network)


def _check_same(run: RunFolder, predictor: Predictor, network: ExplainedNetwork) -> None:
    """Check that the network and the bundle give the same logits."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (2, network.size, network.size, 3), dtype=np.uint8)
    # Some preprocessings change an image that already has the size of the network's input.
    pixels = np.stack([predictor.pipeline.prepare(one).pixels for one in noise])
    of_bundle = predictor.predict_logits(list(noise))
    with torch.inference_mode():
        scores = network(torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255).numpy()
    difference = scores - of_bundle
    difference -= difference.mean(axis=1, keepdims=True)
    if np.abs(difference).max() > _TOLERANCE * max(1.0, float(np.abs(of_bundle).max())):
        raise DataError(f"{run.bundle} was not exported from the weights in {run.path}; export the run again")

"""Opening a run for explanation: answers from its bundle, gradients from its weights, one and the same function."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from lesionlab.attribution.explain import ExplainedBy
from lesionlab.attribution.methods import Method
from lesionlab.attribution.network import ExplainedNetwork
from lesionlab.errors import DataError
from lesionlab.prediction import Predictor, PreparedImage
from lesionlab.recipes import InferenceSettings
from lesionlab.results import Explanation
from lesionlab.runs import RunFolder
from lesionlab.taxonomy import TASKS
from lesionlab.training.trained import trained_network

# Between onnxruntime and torch, relative to the largest logit.
_TOLERANCE = 1e-2


@dataclass(frozen=True)
class TrainedModel:
    """A run whose answers can be explained.

    Attributes:
        run: The run.
        predictor: Its bundle.
        network: Its network.
    """

    run: RunFolder
    predictor: Predictor
    network: ExplainedNetwork


@dataclass(frozen=True)
class RunExplainer:
    """A run with the methods that explain it; see `lesionlab.attribution.explain.Explainer`.

    Attributes:
        model: The run.
        methods: The methods, in the order of the page.
    """

    model: TrainedModel
    methods: tuple[Method, ...]

    @property
    def predictor(self) -> Predictor:
        """What gives the answers."""
        return self.model.predictor

    @property
    def note(self) -> str | None:
        """Which layer was chosen by hand."""
        layer = self.model.network.other_layer
        return None if layer is None else f"Grad-CAM and Grad-CAM++ read the layer {layer}, not the last feature map."

    def explained_by(self, prepared: PreparedImage, diagnosis: str) -> Iterator[ExplainedBy]:
        """Yield what each method says."""
        task = TASKS[self.predictor.info.task]
        for method in self.methods:
            values = method.attribute(self.model.network, prepared.pixels, task.classes.index(diagnosis))
            shown = Explanation(
                code=diagnosis, name=task.name_of(diagnosis), method=method.title, values=method.shown(values)
            )
            yield ExplainedBy(method.name, method.says, values, shown)


def open_trained(run: RunFolder, layer: str | None = None) -> TrainedModel:
    """Open a finished and exported run.

    Args:
        run: The run.
        layer: Name of the module whose map Grad-CAM reads; None: the last feature map.

    Raises:
        DataError: The run is not finished, or its bundle was made of other weights.
        BundleError: It has no bundle, or a damaged one.
        UsageError: The network has no such layer.
    """
    run.record()
    predictor = Predictor.load(run.bundle)
    recipe = run.recipe()
    # The bundle may have been exported with other settings of `inference` than the run's recipe has.
    if "inference" in predictor.info.recipe:
        inference = InferenceSettings.model_validate(predictor.info.recipe["inference"])
        recipe = recipe.model_copy(update={"inference": inference})
    network = ExplainedNetwork(trained_network(run, recipe.inference.start_share), recipe, layer)
    _check_same(run, predictor, network)
    return TrainedModel(run, predictor, network)


def _check_same(run: RunFolder, predictor: Predictor, network: ExplainedNetwork) -> None:
    """Make sure that what is explained is what answers."""
    draw = np.random.default_rng(0)
    noise = draw.integers(0, 256, (2, network.size, network.size, 3), dtype=np.uint8)
    # As the network will see it: some preprocessings reduce what is already of the right size.
    pictures = np.stack([predictor.pipeline.prepare(one).pixels for one in noise])
    of_bundle = predictor.predict_logits(list(noise))
    with torch.inference_mode():
        scores = network(torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255).numpy()
    surplus = scores - of_bundle
    surplus -= surplus.mean(axis=1, keepdims=True)
    if np.abs(surplus).max() > _TOLERANCE * max(1.0, float(np.abs(of_bundle).max())):
        raise DataError(f"{run.bundle} was not made of the weights in {run.path}; export the run again")

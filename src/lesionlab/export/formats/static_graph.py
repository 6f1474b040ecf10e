"""Simplification of a bundle's graph, with a fixed batch size, as input of other converters."""

import tempfile
from pathlib import Path

import onnx
import onnxruntime as ort

from lesionlab.errors import BundleError

_ONLY_FATAL = 4


def simplified(graph: bytes, *, images: int | None = None) -> onnx.ModelProto:
    """Return a graph with folded constants and shapes, and with normalisations fused into the convolutions.

    This is onnxruntime's basic optimisation level, which keeps to the operators of the ONNX standard.

    Args:
        graph: The bytes of a bundle's graph.
        images: Fixed batch size; None keeps it dynamic.

    Raises:
        BundleError: onnxruntime cannot read the graph.
    """
    model = onnx.load_from_string(graph)
    if images is not None:
        for value in (*model.graph.input, *model.graph.output):
            value.type.tensor_type.shape.dim[0].dim_value = images
        del model.graph.value_info[:]  # shapes with the dynamic batch size
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "simplified.onnx"
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(path)
        options.intra_op_num_threads = 1
        options.log_severity_level = _ONLY_FATAL
        try:
            ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has one exception class per status code and no common base
            raise BundleError(f"the graph cannot be simplified: {' '.join(str(error).split())[:300]}") from error
        simple = onnx.load(path)
    share_equal_weights(simple)
    used = {node.domain for node in simple.graph.node}
    kept = [opset for opset in simple.opset_import if opset.domain in used]
    del simple.opset_import[:]
    simple.opset_import.extend(kept)  # onnxruntime lists every domain that it supports
    return simple


def share_equal_weights(model: onnx.ModelProto) -> None:
    """Merge equal weights, in place: folding duplicates the weights of layers that several views go through.

    Args:
        model: The graph.
    """
    first: dict[tuple[int, tuple[int, ...], bytes], str] = {}
    same: dict[str, str] = {}
    kept = []
    for tensor in model.graph.initializer:
        key = (tensor.data_type, tuple(tensor.dims), onnx.numpy_helper.to_array(tensor).tobytes())
        same[tensor.name] = first.setdefault(key, tensor.name)
        if same[tensor.name] == tensor.name:
            kept.append(tensor)
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    for node in model.graph.node:
        for position, name in enumerate(node.input):
            node.input[position] = same.get(name, name)

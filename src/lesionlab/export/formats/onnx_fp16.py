"""ONNX with FP16 weights and FP32 computation, at half the size."""

from pathlib import Path
from typing import ClassVar

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from lesionlab.bundle.schema import GraphDtype, Runtime
from lesionlab.export.formats.format import Format, Source
from lesionlab.export.formats.onnx_usage import INSTALL, USAGE, open_graph
from lesionlab.export.formats.static_graph import simplified
from lesionlab.prediction.inference.tta import Session

# Small constants such as means and limits take no space and stay exact.
_MIN_ELEMENTS = 64


class OnnxFp16(Format):
    """The classifier's weights are stored in FP16 and cast to FP32 once, when the session is created.

    The segmentation network, the weights of the resize, biases and other vectors stay FP32. Rounding the segmentation
    network or the resize moves the crop by up to 0.15% of the side of the image, and rounding the sampling positions
    moves pixels by up to 0.05 pixels. Each of the three changed a probability of the shipped model by 0.02 to 0.03 on
    synthetic images; rounding the classifier changed it by 0.005.

    FP16 computation is slower on processors without FP16 arithmetic, since they convert at every layer.
    """

    name: ClassVar[str] = "onnx-fp16"
    title: ClassVar[str] = "ONNX, FP16 weights"
    runtime: ClassVar[Runtime] = "onnx"
    dtype: ClassVar[GraphDtype] = "float16"
    extra: ClassVar[str] = "train"
    modules: ClassVar[tuple[str, ...]] = ("onnx",)
    file: ClassVar[str] = "model.onnx"
    max_difference: ClassVar[float | None] = 0.02
    install: ClassVar[str] = INSTALL
    usage: ClassVar[str] = USAGE

    def write(self, source: Source, folder: Path) -> str:
        """Write the graph with the classifier's weights in FP16."""
        model = simplified(source.bundle.graph)
        exact = _ancestors(model, "crop")
        casts = []
        for tensor in model.graph.initializer:
            # Vectors are biases or sampling positions: small, and sensitive to rounding.
            small = len(tensor.dims) < 2 or int(np.prod(tensor.dims)) < _MIN_ELEMENTS
            if tensor.data_type != TensorProto.FLOAT or small or tensor.name in exact:
                continue
            name, weights = tensor.name, numpy_helper.to_array(tensor)
            tensor.CopyFrom(numpy_helper.from_array(_as_fp16(weights), f"{name}.half"))
            casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
        nodes = [*casts, *model.graph.node]
        del model.graph.node[:]
        model.graph.node.extend(nodes)
        onnx.checker.check_model(model)
        (folder / self.file).write_bytes(model.SerializeToString(deterministic=True))
        which = "classifier weights" if exact else "weights"
        return f"FP16 {which}, FP32 computation"

    def open(self, folder: Path, source: Source, threads: int) -> Session:
        """Open the model with onnxruntime."""
        return open_graph(folder / self.file, source, threads)


def _ancestors(model: onnx.ModelProto, output: str) -> set[str]:
    """Return the names of all values that an output depends on; empty for a graph without this output."""
    if output not in {value.name for value in model.graph.output}:
        return set()
    # Nodes are sorted topologically.
    names = {output}
    for node in reversed(model.graph.node):
        if names.intersection(node.output):
            names.update(node.input)
    return names


def _as_fp16(weights: np.ndarray) -> np.ndarray:
    """Return weights as float16, clipped to its range."""
    limit = np.finfo(np.float16).max
    return weights.clip(-limit, limit).astype(np.float16)

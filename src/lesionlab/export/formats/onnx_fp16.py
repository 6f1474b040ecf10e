"""ONNX with weights in half precision: half the size, the same computation."""

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

# Constants such as means and limits weigh nothing, and are better left exact.
_FEWEST = 64


class OnnxFp16(Format):
    """The classifier's weights are stored in 16 bits and widened once, when the graph is opened.

    What a graph looks for the lesion with keeps its 32 bits, as do biases and other rows of numbers. Rounded, the
    network that finds it and the weights that shrink its picture move the square by up to 0.15 % of the picture's side,
    and the places of the square's pixels move by up to a twentieth of a pixel. Each of the three alone changed a
    probability of the shipped model by 0.02 to 0.03 on phantoms, the classifier's rounding by 0.005.

    Computing in 16 bits as well was tried: processors without such arithmetic convert to and fro at every layer.
    """

    name: ClassVar[str] = "onnx-fp16"
    title: ClassVar[str] = "ONNX, FP16 weights"
    runtime: ClassVar[Runtime] = "onnx"
    numbers: ClassVar[GraphDtype] = "float16"
    extra: ClassVar[str] = "train"
    modules: ClassVar[tuple[str, ...]] = ("onnx",)
    file: ClassVar[str] = "model.onnx"
    largest_difference: ClassVar[float | None] = 0.02
    install: ClassVar[str] = INSTALL
    usage: ClassVar[str] = USAGE

    def write(self, source: Source, folder: Path) -> str:
        """Write the graph with its classifier's weights rounded."""
        model = simplified(source.bundle.graph)
        exact = _what_makes(model, "crop")
        widened = []
        for tensor in model.graph.initializer:
            # Rows of numbers are biases, or the places of pixels: little to store, and much to move.
            few = len(tensor.dims) < 2 or int(np.prod(tensor.dims)) < _FEWEST
            if tensor.data_type != TensorProto.FLOAT or few or tensor.name in exact:
                continue
            name, weights = tensor.name, numpy_helper.to_array(tensor)
            tensor.CopyFrom(numpy_helper.from_array(_rounded(weights), f"{name}.half"))
            widened.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
        nodes = [*widened, *model.graph.node]
        del model.graph.node[:]
        model.graph.node.extend(nodes)
        onnx.checker.check_model(model)
        (folder / self.file).write_bytes(model.SerializeToString(deterministic=True))
        which = "the classifier's weights" if exact else "weights"
        return f"{which} rounded to 16 bits, computation in 32"

    def open(self, folder: Path, source: Source, threads: int) -> Session:
        """Open it with onnxruntime."""
        return open_graph(folder / self.file, source, threads)


def _what_makes(model: onnx.ModelProto, output: str) -> set[str]:
    """Return the names of all that an output is computed from; nothing for a graph without it."""
    if output not in {value.name for value in model.graph.output}:
        return set()
    # Nodes stand in the order in which they run.
    names = {output}
    for node in reversed(model.graph.node):
        if names.intersection(node.output):
            names.update(node.input)
    return names


def _rounded(weights: np.ndarray) -> np.ndarray:
    """Return weights in 16 bits; what is too large for them becomes the largest that there is."""
    limit = np.finfo(np.float16).max
    return weights.clip(-limit, limit).astype(np.float16)

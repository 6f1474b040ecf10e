"""A segmentation graph as a part of another graph: it takes values between the grey levels."""

import hashlib
from dataclasses import replace

import onnx

from lesionlab.segmentation import SegmentationModel


def float_inputs(model: SegmentationModel) -> SegmentationModel:
    """Return a model whose graph takes its pixels as floating-point values from 0 to 255, and is the same otherwise."""
    graph = onnx.load_from_string(model.graph)
    (image,) = graph.graph.input
    image.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    del graph.graph.value_info[:]  # it names the types of values in between, the pixels' among them
    onnx.checker.check_model(graph, full_check=True)
    data: bytes = graph.SerializeToString(deterministic=True)
    info = model.info.model_copy(update={"graph_sha256": hashlib.sha256(data).hexdigest()})
    return replace(model, graph=data, info=info)

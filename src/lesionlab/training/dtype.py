"""Input type of a segmentation graph that is embedded in another graph."""

import hashlib
from dataclasses import replace

import onnx

from lesionlab.segmentation import SegmentationModel


def float_inputs(model: SegmentationModel) -> SegmentationModel:
    """Return the model with a graph that takes floating-point values from 0 to 255 instead of uint8."""
    graph = onnx.load_from_string(model.graph)
    (image,) = graph.graph.input
    image.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    del graph.graph.value_info[:]  # recorded types of intermediate values, which may change with the input
    onnx.checker.check_model(graph, full_check=True)
    data: bytes = graph.SerializeToString(deterministic=True)
    info = model.info.model_copy(update={"graph_sha256": hashlib.sha256(data).hexdigest()})
    return replace(model, graph=data, info=info)

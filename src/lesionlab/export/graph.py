"""From trained weights to the bytes of an ONNX graph."""

import logging
import warnings
from collections.abc import Sequence

import onnx
import torch
from torch import nn

from lesionlab.recipes import InferenceSettings
from lesionlab.training.network import ExportedEnsemble, ExportedNetwork, LesionNetwork

# Read by every runtime since 2023; newer ones bring nothing that these networks use.
_OPSET = 18


def export_graph(networks: Sequence[LesionNetwork], size: int, inference: InferenceSettings) -> bytes:
    """Return the ONNX graph of a network or an ensemble: uint8 pixels in, logits and the last feature map out.

    Args:
        networks: The trained networks, mostly one; they are put into evaluation mode. Several are averaged.
        size: Side of the input in pixels.
        inference: Which views of an image the graph averages over.

    Returns:
        A checked ONNX model with the input `image` uint8 [N, size, size, 3] and the outputs `logits` [N, C] for C
        classes and `feature_map` [N, D, h, w]. It holds no path and no name of the machine that made it.
    """
    members = [ExportedNetwork(network, inference) for network in networks]
    wrapped = (members[0] if len(members) == 1 else ExportedEnsemble(members)).eval().cpu()
    return to_onnx(wrapped, size, ("logits", "feature_map"))


def to_onnx(module: nn.Module, size: int, outputs: Sequence[str]) -> bytes:
    """Return the ONNX graph of a module in evaluation mode that takes uint8 pixels [N, size, size, 3].

    Args:
        module: It returns a tensor, or as many as there are outputs, each with the images as its first dimension.
        size: Side of the input in pixels.
        outputs: Their names.

    Returns:
        A checked ONNX model with the input `image`. It holds no path and no name of the machine that made it.
    """
    # Two images: a batch of one is taken for a constant.
    example = torch.zeros(2, size, size, 3, dtype=torch.uint8)
    level = logging.getLogger("torch.onnx").level
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter's deprecations of its own internals
            program = torch.onnx.export(
                module,
                (example,),
                input_names=["image"],
                output_names=list(outputs),
                dynamic_shapes=({0: torch.export.Dim("images")},),
                opset_version=_OPSET,
                dynamo=True,
                verbose=False,
            )
    finally:
        logging.getLogger("torch.onnx").setLevel(level)
    if program is None:
        raise RuntimeError("torch.onnx.export returned no program")
    model = program.model_proto
    _remove_traces(model)
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _remove_traces(model: onnx.ModelProto) -> None:
    # The exporter notes for each node the source line that made it, with its path.
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    for value in (*model.graph.input, *model.graph.output):
        value.ClearField("metadata_props")

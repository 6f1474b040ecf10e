"""From trained weights to the bytes of an ONNX graph."""

import logging
import warnings
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import onnx
import torch
from onnx import compose
from torch import Tensor, nn

from lesionlab.recipes import InferenceSettings
from lesionlab.segmentation import SegmentationModel
from lesionlab.training.crop import CropToLesion, Shrink
from lesionlab.training.dtype import float_inputs
from lesionlab.training.network import ChannelsFirst, ExportedEnsemble, ExportedNetwork, LesionNetwork

# Read by every runtime since 2023; newer ones bring nothing that these networks use.
_OPSET = 18


class Crop(NamedTuple):
    """How what a network sees is cut out of a picture.

    Attributes:
        segmentation: What finds the lesion.
        margin: Side of the square over the diameter of the lesion.
        source: Side in pixels of the whole picture's square.
    """

    segmentation: SegmentationModel
    margin: float
    source: int


def export_graph(
    networks: Sequence[LesionNetwork],
    size: int,
    inference: InferenceSettings,
    crop: Crop | None = None,
) -> bytes:
    """Return the ONNX graph of a network or an ensemble: uint8 pixels in, logits and the last feature map out.

    Args:
        networks: The trained networks, mostly one; they are put into evaluation mode. Several are averaged.
        size: Side of the networks' input in pixels.
        inference: Which views of an image the graph averages over.
        crop: How the lesion is found and cut out, for networks that see just this.

    Returns:
        A checked ONNX model with the input `image` uint8 [N, S, S, 3], S being `size` or the crop's `source`, and the
        outputs `logits` [N, C] for C classes and `feature_map` [N, D, h, w]; with a crop also those of `with_crop`. It
        holds no path and no name of the machine that made it.
    """
    members = [ExportedNetwork(network, inference) for network in networks]
    wrapped = (members[0] if len(members) == 1 else ExportedEnsemble(members, size)).eval().cpu()
    if crop is None:
        return to_onnx(nn.Sequential(ChannelsFirst(), wrapped), {"image": pixels(size)}, ("logits", "feature_map"))
    classifier = to_onnx(wrapped, {"image": torch.zeros(2, 3, size, size)}, ("logits", "feature_map"))
    return with_crop(classifier, crop, size=size)


def pixels(size: int) -> Tensor:
    """Return what stands for images in an export, uint8 [2, size, size, 3]: a batch of one is taken for a constant."""
    return torch.zeros(2, size, size, 3, dtype=torch.uint8)


def to_onnx(module: nn.Module, inputs: Mapping[str, Tensor], outputs: Sequence[str]) -> bytes:
    """Return the ONNX graph of a module in evaluation mode.

    Args:
        module: It returns a tensor, or as many as there are outputs, each with the images as its first dimension.
        inputs: An example of each input by its name, in the order of the arguments, for two images.
        outputs: Names of the outputs.

    Returns:
        A checked ONNX model. It holds no path and no name of the machine that made it.
    """
    images = torch.export.Dim("images")
    level = logging.getLogger("torch.onnx").level
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter's deprecations of its own internals
            program = torch.onnx.export(
                module,
                tuple(inputs.values()),
                input_names=list(inputs),
                output_names=list(outputs),
                dynamic_shapes=tuple({0: images} for _ in inputs),
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


def with_crop(classifier: bytes, how: Crop, *, size: int) -> bytes:
    """Return a classifier's graph with what leads from whole pictures to its input in front of it.

    The segmentation model comes as the graph that it is, but takes values between the grey levels; what stands between
    is exported from its modules. What it finds leaves the graph as outputs of their own, for those who ask.

    Args:
        classifier: Its graph takes `image`, floating point [N, 3, size, size], with values from 0 to 255.
        how: What finds the lesion, how wide the square is, and from what size of the picture it is cut.
        size: Side of the classifier's input.

    Returns:
        A graph with the input `image`, uint8 [N, source, source, 3], and beside the classifier's outputs `crop`, left,
        top and side in shares of the picture [N, 3], and `lesion`, the probability of each pixel [N, h, w].
    """
    small = how.segmentation.info.preprocessing.size
    mask = torch.zeros(2, small, small)
    picture = pixels(how.source)
    pieces = {
        "shrink": to_onnx(Shrink(how.source, small), {"image": picture}, ("small",)),
        "find": float_inputs(how.segmentation).graph,
        "crop": to_onnx(
            CropToLesion(size, how.segmentation.info.threshold, how.margin),
            {"image": picture, "probability": mask},
            ("square", "box"),
        ),
        "judge": classifier,
    }
    shrink, find, crop, judge = (
        compose.add_prefix(onnx.load_from_string(graph), f"{name}/") for name, graph in pieces.items()
    )
    whole = compose.merge_models(shrink, find, [("shrink/small", "find/image")])
    found, box = "find/probability", "crop/box"
    whole = compose.merge_models(whole, crop, [(found, "crop/probability")], outputs=[found, box, "crop/square"])
    answers = ["judge/logits", "judge/feature_map"]
    whole = compose.merge_models(whole, judge, [("crop/square", "judge/image")], outputs=[*answers, box, found])
    # The picture goes two ways: reduced, to find the lesion, and whole, to be cropped.
    _rename(
        whole,
        {
            "shrink/image": "image",
            "crop/image": "image",
            "find/probability": "lesion",
            "crop/box": "crop",
            "judge/logits": "logits",
            "judge/feature_map": "feature_map",
        },
    )
    # Merging lists the operators' version once for each piece; some readers want to find it once.
    versions = {entry.domain: entry.version for entry in whole.opset_import}
    del whole.opset_import[:]
    whole.opset_import.extend(onnx.helper.make_opsetid(domain, version) for domain, version in versions.items())
    _remove_traces(whole)
    onnx.checker.check_model(whole, full_check=True)
    data: bytes = whole.SerializeToString(deterministic=True)
    return data


def _rename(model: onnx.ModelProto, names: Mapping[str, str]) -> None:
    """Give values of a graph other names; inputs that get one name become one."""
    graph = model.graph
    for node in graph.node:
        for values in (node.input, node.output):
            values[:] = [names.get(value, value) for value in values]
    for value in (*graph.input, *graph.output, *graph.value_info):
        value.name = names.get(value.name, value.name)
    once = {value.name: value for value in graph.input}
    del graph.input[:]
    graph.input.extend(once.values())


def _remove_traces(model: onnx.ModelProto) -> None:
    # The exporter notes for each node the source line that made it, with its path.
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    for value in (*model.graph.input, *model.graph.output):
        value.ClearField("metadata_props")

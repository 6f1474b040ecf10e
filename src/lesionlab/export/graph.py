"""Export of trained networks as an ONNX graph."""

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

# Supported by every runtime since 2023; newer versions add nothing that these networks use.
_OPSET = 18


class Crop(NamedTuple):
    """Settings of the lesion crop in front of a classifier.

    Attributes:
        segmentation: The segmentation model.
        margin: Side of the crop, relative to the diameter of the lesion.
        source: Side in pixels of the whole image, resized to a square.
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
        networks: The trained networks, which are set to evaluation mode; the logits of several are averaged.
        size: Side of the networks' input in pixels.
        inference: Settings of test-time augmentation.
        crop: Settings of the lesion crop, for networks that were trained on crops.

    Returns:
        A checked ONNX model with the input `image` uint8 [N, S, S, 3], S being `size` or the crop's `source`, and the
        outputs `logits` [N, C] for C classes and `feature_map` [N, D, h, w]; with a crop also those of `with_crop`. It
        holds no paths or host names.
    """
    members = [ExportedNetwork(network, inference) for network in networks]
    wrapped = (members[0] if len(members) == 1 else ExportedEnsemble(members, size)).eval().cpu()
    if crop is None:
        return to_onnx(nn.Sequential(ChannelsFirst(), wrapped), {"image": pixels(size)}, ("logits", "feature_map"))
    classifier = to_onnx(wrapped, {"image": torch.zeros(2, 3, size, size)}, ("logits", "feature_map"))
    return with_crop(classifier, crop, size=size)


def pixels(size: int) -> Tensor:
    """Return example images for an export, uint8 [2, size, size, 3]; a batch size of one would be exported as fixed."""
    return torch.zeros(2, size, size, 3, dtype=torch.uint8)


def to_onnx(module: nn.Module, inputs: Mapping[str, Tensor], outputs: Sequence[str]) -> bytes:
    """Return the ONNX graph of a module in evaluation mode.

    Args:
        module: Returns one tensor per output, with the images as the first dimension.
        inputs: Example of each input for two images by name, in the order of the arguments.
        outputs: Names of the outputs.

    Returns:
        A checked ONNX model without paths or host names.
    """
    images = torch.export.Dim("images")
    level = logging.getLogger("torch.onnx").level
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecations inside the exporter
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
    remove_metadata(model)
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def with_crop(classifier: bytes, crop_settings: Crop, *, size: int) -> bytes:
    """Return a classifier's graph preceded by the segmentation and the lesion crop.

    The segmentation model's graph is used unchanged, except that its input is float. The steps between it and the
    classifier are exported from PyTorch modules.

    Args:
        classifier: Graph with the input `image`, float [N, 3, size, size], from 0 to 255.
        crop_settings: Settings of the crop.
        size: Side of the classifier's input.

    Returns:
        A graph with the input `image`, uint8 [N, source, source, 3], the outputs of the classifier, and the outputs
        `crop` (left, top and side relative to the image, [N, 3]) and `lesion` (probability of each pixel, [N, h, w]).
    """
    small = crop_settings.segmentation.info.preprocessing.size
    mask = torch.zeros(2, small, small)
    image = pixels(crop_settings.source)
    pieces = {
        "shrink": to_onnx(Shrink(crop_settings.source, small), {"image": image}, ("small",)),
        "segment": float_inputs(crop_settings.segmentation).graph,
        "crop": to_onnx(
            CropToLesion(size, crop_settings.segmentation.info.threshold, crop_settings.margin),
            {"image": image, "probability": mask},
            ("square", "box"),
        ),
        "classify": classifier,
    }
    shrink, segment, crop, classify = (
        compose.add_prefix(onnx.load_from_string(graph), f"{name}/") for name, graph in pieces.items()
    )
    whole = compose.merge_models(shrink, segment, [("shrink/small", "segment/image")])
    lesion, box = "segment/probability", "crop/box"
    whole = compose.merge_models(whole, crop, [(lesion, "crop/probability")], outputs=[lesion, box, "crop/square"])
    outputs = ["classify/logits", "classify/feature_map", box, lesion]
    whole = compose.merge_models(whole, classify, [("crop/square", "classify/image")], outputs=outputs)
    # The image feeds both the segmentation and the crop.
    _rename(
        whole,
        {
            "shrink/image": "image",
            "crop/image": "image",
            lesion: "lesion",
            box: "crop",
            "classify/logits": "logits",
            "classify/feature_map": "feature_map",
        },
    )
    # Merging repeats the operator set versions, which some readers reject.
    versions = {entry.domain: entry.version for entry in whole.opset_import}
    del whole.opset_import[:]
    whole.opset_import.extend(onnx.helper.make_opsetid(domain, version) for domain, version in versions.items())
    remove_metadata(whole)
    onnx.checker.check_model(whole, full_check=True)
    data: bytes = whole.SerializeToString(deterministic=True)
    return data


def _rename(model: onnx.ModelProto, names: Mapping[str, str]) -> None:
    """Rename values of a graph; inputs that get the same name are merged."""
    graph = model.graph
    for node in graph.node:
        for values in (node.input, node.output):
            values[:] = [names.get(value, value) for value in values]
    for value in (*graph.input, *graph.output, *graph.value_info):
        value.name = names.get(value.name, value.name)
    inputs = {value.name: value for value in graph.input}
    del graph.input[:]
    graph.input.extend(inputs.values())


def remove_metadata(model: onnx.ModelProto) -> None:
    """Remove free text from a model: the exporter stores the source path and line of each node."""
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    for value in (*model.graph.input, *model.graph.output):
        value.ClearField("metadata_props")

"""ONNX that computes in 8 bits: a third of the size, and much faster on processors that have such arithmetic."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import onnx

from lesionlab.bundle.schema import GraphDtype, Runtime
from lesionlab.errors import UsageError
from lesionlab.export.formats.format import Format, Source
from lesionlab.export.formats.onnx_usage import INSTALL, USAGE, open_graph
from lesionlab.export.formats.static_graph import share_equal_weights, simplified
from lesionlab.prediction.inference.tta import Session


@dataclass(frozen=True)
class Scheme:
    """How a graph is brought to 8 bits; `benchmarks/int8_schemes.py` compares some.

    Attributes:
        operators: Kinds of nodes that are; all others compute in 32 bits. Pooling and the classifier always do:
            they are no work, and the map then still explains the logits exactly.
        per_channel: Whether each channel of a convolution's weights has a scale of its own.
        ranges: How an activation's range follows from what was seen: its extremes, the mean of the extremes of each
            image, the range that loses the least information, or the one that holds nearly all values.
        first: Whether the first convolution, which sees the pixels, is brought to 8 bits.
        last: Whether the last one is, which makes the feature map.
        reduce_range: Whether weights get 7 bits, for processors that would overflow.
    """

    operators: tuple[str, ...] = ("Conv", "Clip")
    per_channel: bool = True
    ranges: Literal["extremes", "mean extremes", "entropy", "percentile"] = "extremes"
    first: bool = True
    last: bool = True
    reduce_range: bool = False

    def __str__(self) -> str:
        """Return the scheme in words."""
        parts = [
            f"static 8 bits of {' and '.join(self.operators)}",
            "weights by channel" if self.per_channel else "weights by layer",
            f"ranges by {self.ranges}",
        ]
        parts += [] if self.first else ["first convolution in 32 bits"]
        parts += [] if self.last else ["last convolution in 32 bits"]
        parts += ["weights of 7 bits"] if self.reduce_range else []
        return ", ".join(parts)


# What the search ends with, see docs/exports.md.
CHOSEN = Scheme()


class OnnxInt8(Format):
    """Weights and activations in 8 bits, with ranges that training images had."""

    name: ClassVar[str] = "onnx-int8"
    title: ClassVar[str] = "ONNX, INT8"
    runtime: ClassVar[Runtime] = "onnx"
    numbers: ClassVar[GraphDtype] = "int8"
    extra: ClassVar[str] = "train"
    modules: ClassVar[tuple[str, ...]] = ("onnx",)
    file: ClassVar[str] = "model.onnx"
    learns: ClassVar[bool] = True
    largest_difference: ClassVar[float | None] = None
    slowest: ClassVar[float] = 1.0
    install: ClassVar[str] = INSTALL
    usage: ClassVar[str] = USAGE

    def write(self, source: Source, folder: Path) -> str:
        """Write the graph in 8 bits."""
        (folder / self.file).write_bytes(quantised(source, CHOSEN))
        return f"{CHOSEN}, {len(source.seen)} training images"

    def open(self, folder: Path, source: Source, threads: int) -> Session:
        """Open it with onnxruntime."""
        return open_graph(folder / self.file, source, threads)


def quantised(source: Source, scheme: Scheme) -> bytes:
    """Return the bytes of a bundle's graph in 8 bits, in the form that every runtime of ONNX reads (QDQ).

    Views of an image that go through the same layers share their weights, and have activations' ranges of their own.

    Args:
        source: The bundle and training images.
        scheme: How.

    Raises:
        UsageError: There are no training images.
    """
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    if not len(source.seen):
        raise UsageError("INT8 learns the ranges of values from training images: give --data")
    model = simplified(source.bundle.graph)
    # By this mark the library knows a graph that has been simplified, and does not ask for it.
    model.metadata_props.add(key="onnx.quant.pre_process", value="onnxruntime.quant")
    with tempfile.TemporaryDirectory() as place:
        # As files: from memory the library writes weights beside the process.
        before, after = Path(place) / "before.onnx", Path(place) / "after.onnx"
        onnx.save(model, before)
        quantize_static(
            before,
            after,
            _Seen(source.seen),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=list(scheme.operators),
            nodes_to_exclude=_excluded(model, scheme),
            **_options(scheme),
        )
        model = onnx.load(after)
    share_equal_weights(model)
    del model.metadata_props[:]
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _options(scheme: Scheme) -> dict[str, Any]:
    from onnxruntime.quantization import CalibrationMethod

    method = {"entropy": CalibrationMethod.Entropy, "percentile": CalibrationMethod.Percentile}
    return {
        "per_channel": scheme.per_channel,
        "reduce_range": scheme.reduce_range,
        "calibrate_method": method.get(scheme.ranges, CalibrationMethod.MinMax),
        "extra_options": {"CalibMovingAverage": scheme.ranges == "mean extremes"},
    }


def _excluded(model: onnx.ModelProto, scheme: Scheme) -> list[str]:
    """Return the names of the convolutions that stay in 32 bits: those next to the pixels, or to the map."""
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    if not convolutions:
        return []
    # Several views share a layer's weights, so that its nodes are found by them.
    first, last = convolutions[0].input[1], convolutions[-1].input[1]
    kept = ([] if scheme.first else [first]) + ([] if scheme.last else [last])
    return [node.name for node in convolutions if node.input[1] in kept]


class _Seen:
    """Training images, one at a time, as onnxruntime asks for them."""

    def __init__(self, images: np.ndarray) -> None:
        self._images: Iterator[np.ndarray] = iter(images)

    def get_next(self) -> dict[str, np.ndarray] | None:
        image = next(self._images, None)
        return None if image is None else {"image": image[None]}

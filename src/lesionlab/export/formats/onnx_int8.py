"""ONNX with INT8 weights and activations: a third of the size, and faster on processors with INT8 arithmetic."""

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
    """Settings of the quantisation; `benchmarks/int8_schemes.py` compares some.

    Attributes:
        operators: Quantised node types; all others compute in FP32. Pooling and the classifier always do: they take
            little time, and the logits then remain an exact linear function of the feature map.
        per_channel: Whether each channel of a convolution's weights has its own scale.
        ranges: Calibration method of the activation ranges: the extremes over all images, the mean of the extremes of
            each image, least information loss, or a percentile.
        first: Whether the first convolution is quantised.
        last: Whether the last convolution is quantised, which computes the feature map.
        reduce_range: Whether weights have 7 bits, for processors whose accumulators overflow.
    """

    operators: tuple[str, ...] = ("Conv", "Clip")
    per_channel: bool = True
    ranges: Literal["extremes", "mean extremes", "entropy", "percentile"] = "extremes"
    first: bool = True
    last: bool = True
    reduce_range: bool = False

    def __str__(self) -> str:
        """Return a description."""
        parts = [
            f"static INT8 of {' and '.join(self.operators)}",
            "per-channel weights" if self.per_channel else "per-layer weights",
            f"ranges from {self.ranges}",
        ]
        parts += [] if self.first else ["first convolution in FP32"]
        parts += [] if self.last else ["last convolution in FP32"]
        parts += ["7-bit weights"] if self.reduce_range else []
        return ", ".join(parts)


# Result of the comparison in docs/exports.md.
DEFAULT_SCHEME = Scheme()


class OnnxInt8(Format):
    """INT8 weights and activations, with ranges calibrated on training images."""

    name: ClassVar[str] = "onnx-int8"
    title: ClassVar[str] = "ONNX, INT8"
    runtime: ClassVar[Runtime] = "onnx"
    dtype: ClassVar[GraphDtype] = "int8"
    extra: ClassVar[str] = "train"
    modules: ClassVar[tuple[str, ...]] = ("onnx",)
    file: ClassVar[str] = "model.onnx"
    needs_calibration: ClassVar[bool] = True
    max_difference: ClassVar[float | None] = None
    max_latency: ClassVar[float] = 1.0
    install: ClassVar[str] = INSTALL
    usage: ClassVar[str] = USAGE

    def write(self, source: Source, folder: Path) -> str:
        """Write the quantised graph."""
        (folder / self.file).write_bytes(quantised(source, DEFAULT_SCHEME))
        return f"{DEFAULT_SCHEME}, {len(source.calibration_images)} training images"

    def open(self, folder: Path, source: Source, threads: int) -> Session:
        """Open the model with onnxruntime."""
        return open_graph(folder / self.file, source, threads)


def quantised(source: Source, scheme: Scheme) -> bytes:
    """Return the bytes of a bundle's graph in INT8, in the QDQ form that every ONNX runtime reads.

    The views of test-time augmentation share weights; each has its own activation ranges.

    Args:
        source: The bundle and training images.
        scheme: Settings.

    Raises:
        UsageError: There are no training images.
    """
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    if not len(source.calibration_images):
        raise UsageError("INT8 needs training images for calibration: give --data")
    model = simplified(source.bundle.graph)
    # Marks the graph as preprocessed, which avoids a warning.
    model.metadata_props.add(key="onnx.quant.pre_process", value="onnxruntime.quant")
    with tempfile.TemporaryDirectory() as folder:
        # Given a model in memory, the library would write weights to the working directory.
        before, after = Path(folder) / "before.onnx", Path(folder) / "after.onnx"
        onnx.save(model, before)
        quantize_static(
            before,
            after,
            _CalibrationReader(source.calibration_images),
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
    """Return the names of the convolutions that stay in FP32."""
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    if not convolutions:
        return []
    # The nodes of a layer in several views share its weights.
    first, last = convolutions[0].input[1], convolutions[-1].input[1]
    kept = ([] if scheme.first else [first]) + ([] if scheme.last else [last])
    return [node.name for node in convolutions if node.input[1] in kept]


class _CalibrationReader:
    """Training images in the interface of onnxruntime's calibration reader."""

    def __init__(self, images: np.ndarray) -> None:
        self._images: Iterator[np.ndarray] = iter(images)

    def get_next(self) -> dict[str, np.ndarray] | None:
        image = next(self._images, None)
        return None if image is None else {"image": image[None]}

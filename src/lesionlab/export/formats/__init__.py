"""Formats of converted models, by name."""

from lesionlab.export.formats.coreml import CoreMl
from lesionlab.export.formats.format import Format, Source
from lesionlab.export.formats.litert import LiteRt
from lesionlab.export.formats.onnx_fp16 import OnnxFp16
from lesionlab.export.formats.onnx_int8 import OnnxInt8
from lesionlab.export.formats.openvino import OpenVino

__all__ = ["FORMATS", "Format", "Source"]

FORMATS: dict[str, Format] = {kind.name: kind() for kind in (OnnxFp16, OnnxInt8, OpenVino, LiteRt, CoreMl)}

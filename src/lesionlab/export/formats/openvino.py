"""OpenVINO: Intel's processors, graphics and neural units."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from lesionlab.bundle.schema import Runtime
from lesionlab.export.formats.format import Format, Source
from lesionlab.prediction.inference.session import OUTPUTS, GraphOutput
from lesionlab.prediction.inference.tta import Session


class OpenVino(Format):
    """The graph as OpenVINO stores it, read by its own reader of ONNX."""

    name: ClassVar[str] = "openvino"
    title: ClassVar[str] = "OpenVINO, FP32"
    runtime: ClassVar[Runtime] = "openvino"
    extra: ClassVar[str] = "openvino"
    modules: ClassVar[tuple[str, ...]] = ("openvino",)
    file: ClassVar[str] = "model.xml"
    install: ClassVar[str] = "pip install openvino numpy pillow"
    # Some processors would compute in 16 bits unless told not to: every machine shall give the same answer.
    usage: ClassVar[str] = """\
import openvino

model = openvino.Core().compile_model(here / "model.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


def logits(pixels):
    return model({"image": pixels})["logits"]
"""

    def write(self, source: Source, folder: Path) -> str:
        """Write `model.xml` and the weights beside it, `model.bin`."""
        import openvino

        # Not `convert_model`, which reports its use to its maker.
        model = openvino.Core().read_model(source.bundle.graph)
        openvino.save_model(model, folder / self.file, compress_to_fp16=False)
        return ""

    def open(self, folder: Path, source: Source, threads: int) -> Session:  # noqa: ARG002 - as all formats
        """Compile it for the processor."""
        return _Compiled(folder / self.file, threads)


class _Compiled:
    def __init__(self, path: Path, threads: int) -> None:
        import openvino

        settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": str(threads)}
        self._model: Any = openvino.Core().compile_model(path, "CPU", settings)
        outputs = {name: output for output in self._model.outputs for name in output.names}
        shape = outputs["feature_map"].partial_shape if "feature_map" in outputs else []
        self.channels = shape[1].get_length() if len(shape) == 4 else None
        # The tokens of a transformer are no map.
        kept = [name for name in OUTPUTS if name != "feature_map" or self.channels is not None]
        self._names = [name for name in kept if name in outputs]

    def logits(self, pixels: np.ndarray) -> np.ndarray:
        return np.array(self._model({"image": pixels})["logits"])

    def outputs(self, pixels: np.ndarray) -> GraphOutput:
        found = self._model({"image": pixels})
        return GraphOutput(**{name: np.array(found[name]) for name in self._names})

"""OpenVINO, for Intel's CPUs, GPUs and NPUs."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from lesionlab.bundle.schema import Runtime
from lesionlab.export.formats.format import Format, Source
from lesionlab.prediction.inference.session import OUTPUTS, GraphOutput
from lesionlab.prediction.inference.tta import Session


class OpenVino(Format):
    """The graph in OpenVINO's IR, read by its ONNX front end."""

    name: ClassVar[str] = "openvino"
    title: ClassVar[str] = "OpenVINO, FP32"
    runtime: ClassVar[Runtime] = "openvino"
    extra: ClassVar[str] = "openvino"
    modules: ClassVar[tuple[str, ...]] = ("openvino",)
    file: ClassVar[str] = "model.xml"
    install: ClassVar[str] = "pip install openvino numpy pillow"
    # Some processors compute in 16 bits by default; FP32 gives the same outputs on every machine.
    usage: ClassVar[str] = """\
import openvino

model = openvino.Core().compile_model(here / "model.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


def logits(pixels):
    return model({"image": pixels})["logits"]
"""

    def write(self, source: Source, folder: Path) -> str:
        """Write `model.xml` and the weights, `model.bin`."""
        import openvino

        # `convert_model` would send telemetry.
        model = openvino.Core().read_model(source.bundle.graph)
        openvino.save_model(model, folder / self.file, compress_to_fp16=False)
        return ""

    def open(self, folder: Path, source: Source, threads: int) -> Session:  # noqa: ARG002 - the signature of the base class
        """Compile the model for the CPU."""
        return _OpenVinoSession(folder / self.file, threads)


class _OpenVinoSession:
    def __init__(self, path: Path, threads: int) -> None:
        import openvino

        settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": str(threads)}
        self._model: Any = openvino.Core().compile_model(path, "CPU", settings)
        outputs = {name: output for output in self._model.outputs for name in output.names}
        shape = outputs["feature_map"].partial_shape if "feature_map" in outputs else []
        self.channels = shape[1].get_length() if len(shape) == 4 else None
        # The tokens of a transformer are not a feature map.
        kept = [name for name in OUTPUTS if name != "feature_map" or self.channels is not None]
        self._names = [name for name in kept if name in outputs]

    def logits(self, pixels: np.ndarray) -> np.ndarray:
        return np.array(self._model({"image": pixels})["logits"])

    def outputs(self, pixels: np.ndarray) -> GraphOutput:
        found = self._model({"image": pixels})
        return GraphOutput(**{name: np.array(found[name]) for name in self._names})

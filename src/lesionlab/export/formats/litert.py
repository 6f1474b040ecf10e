"""LiteRT (formerly TensorFlow Lite), for Android and embedded devices."""

import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnx

from lesionlab.bundle.schema import Runtime
from lesionlab.errors import LesionlabError
from lesionlab.export.formats.format import Format, Source
from lesionlab.export.formats.static_graph import simplified
from lesionlab.prediction.inference.session import OUTPUTS, GraphOutput
from lesionlab.prediction.inference.tta import Session

PYTHON = "LESIONLAB_LITERT_PYTHON"
_SCRIPT = Path(__file__).parent / "isolated" / "to_litert.py"


class LiteRt(Format):
    """The graph with a batch size of one, converted through PyTorch.

    The converter needs an older PyTorch than the rest of the package and runs in a separate environment.
    """

    name: ClassVar[str] = "litert"
    title: ClassVar[str] = "LiteRT, FP32"
    runtime: ClassVar[Runtime] = "litert"
    extra: ClassVar[str] = "litert"
    modules: ClassVar[tuple[str, ...]] = ("ai_edge_litert", "onnx")
    file: ClassVar[str] = "model.tflite"
    install: ClassVar[str] = "pip install ai-edge-litert numpy pillow"
    usage: ClassVar[str] = """\
from ai_edge_litert.interpreter import Interpreter

run = Interpreter(str(here / "model.tflite")).get_signature_runner()


def logits(pixels):
    return run(args_0=pixels)["output_0"]
"""

    def check(self) -> None:
        """Check that there is a converter; see the base class."""
        super().check()
        converter()

    def write(self, source: Source, folder: Path) -> str:
        """Convert in the environment of the converter."""
        python = converter()
        with tempfile.TemporaryDirectory() as temporary:
            graph, model = Path(temporary) / "graph.onnx", simplified(source.bundle.graph, images=1)
            outputs = {value.name: value for value in model.graph.output}
            del model.graph.output[:]
            model.graph.output.extend(outputs[name] for name in _outputs(source))
            onnx.save(model, graph)
            # The search for a GPU prints warnings.
            environment = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
            command = [python, "-I", str(_SCRIPT), str(graph), str(folder / self.file)]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise LesionlabError(f"the LiteRT converter failed in {python}: {last}")
        return "one image per run"

    def open(self, folder: Path, source: Source, threads: int) -> Session:
        """Open the model with the LiteRT interpreter."""
        return _LiteRtSession(folder / self.file, _outputs(source), threads)


def _outputs(source: Source) -> list[str]:
    """Return the names of the outputs in the order of the file."""
    names = {value.name for value in onnx.load_from_string(source.bundle.graph).graph.output}
    return [name for name in OUTPUTS if name in names]


def converter() -> str:
    """Return the Python interpreter of the converter's environment: `LESIONLAB_LITERT_PYTHON`, or this one.

    Raises:
        LesionlabError: The converter is not installed; the message names the command that installs it.
    """
    if named := os.environ.get(PYTHON):
        return named
    if importlib.util.find_spec("litert_torch") is None:
        raise LesionlabError(
            "conversion to LiteRT needs litert-torch in a separate environment, since it requires an older PyTorch: "
            f"uv venv litert && uv pip install --python litert litert-torch onnx, then {PYTHON}=litert/bin/python"
        )
    return sys.executable


class _LiteRtSession:
    def __init__(self, path: Path, names: Sequence[str], threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._run: Any = Interpreter(str(path), num_threads=threads).get_signature_runner()
        outputs = self._run.get_output_details()
        self._output_keys = {name: f"output_{number}" for number, name in enumerate(names)}
        shape: Any = outputs[self._output_keys["feature_map"]]["shape"] if "feature_map" in names else ()
        self.channels = int(shape[1]) if len(shape) == 4 else None
        if self.channels is None:  # the tokens of a transformer are not a feature map
            self._output_keys.pop("feature_map", None)

    def logits(self, pixels: np.ndarray) -> np.ndarray:
        return np.concatenate([self._run(args_0=image[None])["output_0"] for image in pixels])

    def outputs(self, pixels: np.ndarray) -> GraphOutput:
        found = [self._run(args_0=image[None]) for image in pixels]
        return GraphOutput(
            **{name: np.concatenate([one[key] for one in found]) for name, key in self._output_keys.items()}
        )

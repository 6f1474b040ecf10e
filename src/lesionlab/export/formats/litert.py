"""LiteRT, formerly TensorFlow Lite: Android, and small computers."""

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnx

from lesionlab.bundle.schema import Runtime
from lesionlab.errors import LesionlabError
from lesionlab.export.formats.format import Format, Source
from lesionlab.export.formats.static_graph import simplified
from lesionlab.prediction.session import GraphOutput
from lesionlab.prediction.views import Session

PYTHON = "LESIONLAB_LITERT_PYTHON"
_SCRIPT = Path(__file__).parent / "isolated" / "to_litert.py"


class LiteRt(Format):
    """The graph for one image at a time, through PyTorch.

    The converter wants an older PyTorch than the rest of the package, hence an environment of its own.
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
        """Refuse in one line where there is no converter."""
        super().check()
        converter()

    def write(self, source: Source, folder: Path) -> str:
        """Convert in the environment that has the converter."""
        python = converter()
        with tempfile.TemporaryDirectory() as place:
            graph = Path(place) / "graph.onnx"
            onnx.save(simplified(source.bundle.graph, images=1), graph)
            # No accelerator is wanted, and a search for one prints warnings.
            environment = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
            command = [python, "-I", str(_SCRIPT), str(graph), str(folder / self.file)]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise LesionlabError(f"LiteRT's converter failed in {python}: {last}")
        return "one image per run"

    def open(self, folder: Path, source: Source, threads: int) -> Session:  # noqa: ARG002 - as all formats
        """Open it with LiteRT's interpreter."""
        return _Interpreted(folder / self.file, threads)


def converter() -> str:
    """Return the Python that has LiteRT's converter: the one that the environment names, else this one.

    Raises:
        LesionlabError: Neither has it; the message says how to make one.
    """
    if named := os.environ.get(PYTHON):
        return named
    if importlib.util.find_spec("litert_torch") is None:
        raise LesionlabError(
            "converting to LiteRT needs litert-torch, which wants an older PyTorch and so an environment of its own: "
            f"uv venv litert && uv pip install --python litert litert-torch onnx, then {PYTHON}=litert/bin/python"
        )
    return sys.executable


class _Interpreted:
    def __init__(self, path: Path, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._run: Any = Interpreter(str(path), num_threads=threads).get_signature_runner()
        outputs = self._run.get_output_details()
        self.channels = int(outputs["output_1"]["shape"][1]) if "output_1" in outputs else None

    def logits(self, pixels: np.ndarray) -> np.ndarray:
        return np.concatenate([self._run(args_0=image[None])["output_0"] for image in pixels])

    def outputs(self, pixels: np.ndarray) -> GraphOutput:
        found = [self._run(args_0=image[None]) for image in pixels]
        names = ("output_0",) if self.channels is None else ("output_0", "output_1")
        return GraphOutput(*(np.concatenate([one[name] for one in found]) for name in names))

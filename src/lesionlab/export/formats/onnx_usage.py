"""Shared parts of the formats for onnxruntime."""

from pathlib import Path

from lesionlab.bundle import Bundle
from lesionlab.export.formats.format import Source
from lesionlab.prediction.inference.session import GraphSession

INSTALL = "pip install onnxruntime numpy pillow"
USAGE = """\
import onnxruntime

session = onnxruntime.InferenceSession(here / "model.onnx", providers=["CPUExecutionProvider"])


def logits(pixels):
    return session.run(["logits"], {"image": pixels})[0]
"""


def open_graph(path: Path, source: Source, threads: int) -> GraphSession:
    """Return a session of a converted graph."""
    return GraphSession(Bundle(source.bundle.info, path.read_bytes(), path), threads)

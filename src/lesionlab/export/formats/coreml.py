"""Core ML, for Apple's devices."""

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from lesionlab.bundle.schema import Runtime
from lesionlab.errors import LesionlabError
from lesionlab.export.formats.format import Format, Source
from lesionlab.export.formats.static_graph import simplified
from lesionlab.prediction.inference.tta import Session

if TYPE_CHECKING:
    import onnx
    from torch import nn


class CoreMl(Format):
    """The graph as an ML program with an image input, converted through PyTorch.

    Core ML exists on Apple's systems only. Elsewhere `MilSession` emulates it: it reads the written file and computes
    its operations.
    """

    name: ClassVar[str] = "coreml"
    title: ClassVar[str] = "Core ML, FP32"
    runtime: ClassVar[Runtime] = "coreml"
    extra: ClassVar[str] = "coreml"
    modules: ClassVar[tuple[str, ...]] = ("coremltools", "onnx", "torch")
    file: ClassVar[str] = "model.mlpackage"
    runs_here: ClassVar[bool] = False
    install: ClassVar[str] = "pip install coremltools numpy pillow  # macOS"
    usage: ClassVar[str] = """\
import coremltools

# The CPU computes in 32 bits, as the other runtimes do; the Neural Engine computes in 16.
units = coremltools.ComputeUnit.CPU_ONLY
model = coremltools.models.MLModel(str(here / "model.mlpackage"), compute_units=units)


def logits(pixels):
    return model.predict({"image": Image.fromarray(pixels[0])})["logits"]
"""

    def write(self, source: Source, folder: Path) -> str:
        """Write `model.mlpackage`."""
        import torch

        from lesionlab.export.formats.isolated.torch_graph import GraphModule, UnknownOperatorError

        model, size = simplified(source.bundle.graph, images=1), source.bundle.info.preprocessing.size
        try:
            network = _with_channels_first(GraphModule(model))
        except UnknownOperatorError as error:
            raise LesionlabError(f"the graph cannot be converted to Core ML: {error}") from error
        with _quiet():
            program = torch.export.export(network, (torch.zeros(1, 3, size, size),)).run_decompositions({})
            _convert(program, model, size).save(str(folder / self.file))
        return "one image per run"

    def open(self, folder: Path, source: Source, threads: int) -> Session:  # noqa: ARG002 - the signature of the base class
        """Open the written file in the emulator."""
        with _quiet():
            from lesionlab.export.formats.mil_program import MilSession

            return MilSession(folder / self.file)


def _convert(program: Any, model: "onnx.ModelProto", size: int) -> Any:
    import coremltools as ct

    image = ct.ImageType(name="image", shape=(1, 3, size, size), color_layout=ct.colorlayout.RGB)
    return ct.convert(
        program,
        inputs=[image],
        outputs=[ct.TensorType(name=value.name) for value in model.graph.output],
        convert_to="mlprogram",
        compute_precision=ct.precision.FLOAT32,
        minimum_deployment_target=ct.target.iOS16,
        skip_model_load=True,
    )


def _with_channels_first(network: "nn.Module") -> "nn.Module":
    """Wrap a network for Core ML's image input, float [1, 3, size, size] from 0 to 255."""
    from torch import Tensor, nn

    class ChannelsFirstInput(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, image: Tensor) -> Any:
            return self.network(image.permute(0, 2, 3, 1))

    return ChannelsFirstInput().eval()


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence progress bars and the warnings about untested versions and the missing runtime."""
    logger = logging.getLogger("coremltools")
    level = logger.level
    with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            logger.setLevel(level)

"""A network that was trained elsewhere, before it is made the graph of a bundle."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import onnxruntime as ort

from lesionlab.errors import UsageError

Layout = Literal["nchw", "nhwc"]
Outputs = Literal["logits", "probabilities"]
Channels = tuple[float, float, float]

IMAGENET_MEAN: Channels = (0.485, 0.456, 0.406)
IMAGENET_STD: Channels = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class InputSettings:
    """Settings of the input that a file does not state; None for those of the file, or for the default.

    Attributes:
        size: Side of the square input in pixels.
        layout: Whether the channels are the second or the last dimension.
        value_range: Value of a black and of a white pixel before `mean` and `std`; by default 0 and 1.
        mean: Mean per channel, subtracted; by default ImageNet's for pixels from 0 to 1, else 0.
        std: Standard deviation per channel, divided by; by default ImageNet's for pixels from 0 to 1, else 1.
    """

    size: int | None = None
    layout: Layout | None = None
    value_range: tuple[float, float] | None = None
    mean: Channels | None = None
    std: Channels | None = None

    def of_unit_pixels(self) -> tuple[Channels, Channels]:
        """Return the equivalent mean and standard deviation for pixels from 0 to 1."""
        black, white = self.value_range or (0.0, 1.0)
        if black == white:
            raise UsageError("--range: black and white have the same value; give two values, such as 0:1")
        usual = (black, white) == (0, 1)
        mean = self.mean or (IMAGENET_MEAN if usual else (0.0, 0.0, 0.0))
        std = self.std or (IMAGENET_STD if usual else (1.0, 1.0, 1.0))
        if min(std) <= 0:
            raise UsageError("--std: a standard deviation is above 0")
        width = white - black
        return _rounded([(value - black) / width for value in mean]), _rounded([value / width for value in std])


def _rounded(values: Sequence[float]) -> Channels:
    red, green, blue = (round(value, 9) for value in values)
    return red, green, blue


@dataclass(frozen=True)
class ForeignNetwork:
    """A classifier of another origin: its ONNX graph, how it takes images, and the original outputs.

    Attributes:
        source: The file.
        architecture: timm's name of the architecture; empty for an ONNX file.
        graph: The graph, with one input and any number of images; `run` is the unchanged original.
        output: Name of the output.
        columns: Number of columns of the output.
        layout: Layout of the input.
        size: Side of the input in pixels.
        mean: Mean per channel of pixels from 0 to 1; None for a graph that takes pixels as bytes.
        std: Standard deviation per channel of pixels from 0 to 1.
        interpolation: Filter of the resize.
        fixed_batch: Number of images that the original takes in each run; None for any number.
        run: Returns the original network's outputs, [N, columns], for its input.
    """

    source: Path
    architecture: str
    graph: onnx.ModelProto
    output: str
    columns: int
    layout: Layout
    size: int
    mean: Channels | None
    std: Channels | None
    run: Callable[[np.ndarray], np.ndarray]
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    fixed_batch: int | None = None

    def outputs(self, pixels: np.ndarray) -> np.ndarray:
        """Return the original network's outputs, float32 [N, columns], for uint8 pixels [N, size, size, 3]."""
        values = pixels
        if self.mean is not None:
            values = ((pixels / 255.0 - np.array(self.mean)) / np.array(self.std)).astype(np.float32)
        if self.layout == "nchw":
            values = np.ascontiguousarray(values.transpose(0, 3, 1, 2))
        return self.run(values).astype(np.float32)


def open_graph(content: bytes) -> ort.InferenceSession:
    """Return a session of a graph on the processor."""
    options = ort.SessionOptions()
    options.log_severity_level = 4  # errors are raised as exceptions as well
    return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def one_line(error: Exception) -> str:
    """Return the message of another library as one line."""
    return " ".join(str(error).split())[:300]

"""Base class of the export formats."""

import importlib.util
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from lesionlab.bundle import Bundle
from lesionlab.bundle.schema import GraphDtype, Runtime
from lesionlab.errors import MissingExtraError
from lesionlab.prediction.inference.tta import Session


@dataclass(frozen=True)
class Source:
    """Input of a conversion.

    Attributes:
        bundle: The bundle with the FP32 graph.
        calibration_images: Preprocessed training images, uint8 [N, size, size, 3], for the calibration of INT8; N is
            0 where there are none.
    """

    bundle: Bundle
    calibration_images: np.ndarray


class Format(ABC):
    """A format of converted models.

    Attributes:
        name: Name for `lesionlab convert --to`.
        title: Title for tables.
        runtime: Runtime of the model.
        dtype: Type of the stored weights.
        extra: Extra of the package that the conversion needs.
        modules: Modules that the conversion needs.
        file: The model's file or folder inside the output folder.
        needs_calibration: Whether the conversion needs training images. Its outputs then differ from those of the FP32
            graph, and everything that was fitted to outputs is fitted again.
        max_difference: Largest accepted difference of a probability; None where only accuracy counts.
        max_latency: Largest accepted latency, relative to the FP32 graph in onnxruntime.
        runs_here: Whether the runtime exists on this system. If not, an emulator computes the outputs, and the latency
            is not measured.
        install: Command that installs the runtime.
        usage: Python source that defines `logits(pixels)` for the model; see `readme`.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    runtime: ClassVar[Runtime]
    dtype: ClassVar[GraphDtype] = "float32"
    extra: ClassVar[str]
    modules: ClassVar[tuple[str, ...]]
    file: ClassVar[str]
    needs_calibration: ClassVar[bool] = False
    max_difference: ClassVar[float | None] = 0.001
    max_latency: ClassVar[float] = 1.1
    runs_here: ClassVar[bool] = True
    install: ClassVar[str]
    usage: ClassVar[str]

    def check(self) -> None:
        """Check that the conversion is possible on this system.

        Raises:
            LesionlabError: A library or a converter is missing; the message names the command that installs it.
        """
        if any(importlib.util.find_spec(module) is None for module in self.modules):
            extras = "train" if self.extra == "train" else f"train,{self.extra}"
            raise MissingExtraError(f"lesionlab convert --to {self.name}", extras)

    @abstractmethod
    def write(self, source: Source, folder: Path) -> str:
        """Write the model into a folder; return a description of the conversion, which may be empty.

        Raises:
            LesionlabError: The graph cannot be converted.
        """

    @abstractmethod
    def open(self, folder: Path, source: Source, threads: int) -> Session:
        """Open the model that `write` wrote.

        Args:
            folder: The folder.
            source: The input of the conversion.
            threads: Number of threads.
        """

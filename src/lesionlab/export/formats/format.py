"""What the formats have in common: each is one file beside this one."""

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
    """What a format is made of.

    Attributes:
        bundle: The bundle with the FP32 graph.
        seen: Training images as the graph takes them, uint8 [N, size, size, 3], of which INT8 learns the ranges of
            values; N is 0 where there are none.
    """

    bundle: Bundle
    seen: np.ndarray


class Format(ABC):
    """A form in which a model can be handed on.

    Attributes:
        name: What `lesionlab convert --to` calls it.
        title: What tables call it.
        runtime: What runs it.
        numbers: How its weights are stored.
        extra: The optional part of the package that it needs.
        modules: What has to be importable for it.
        file: The model's file inside the folder, or the folder that it is.
        learns: Whether it is made with training images. Its numbers are then no longer those of the FP32 graph:
            what was fitted to answers, from temperature to thresholds, is fitted to its own again.
        largest_difference: What a probability may differ by; None where answers are judged, not numbers.
        slowest: What its latency may be, times that of the FP32 graph in onnxruntime, to be worth shipping.
        runs_here: Whether its own runtime exists on this system. If not, a stand-in computes what it says, and
            nothing is known of its latency.
        install: What a user of it installs.
        usage: Python that defines `logits(pixels)` for the folder's model; see `readme`.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    runtime: ClassVar[Runtime]
    numbers: ClassVar[GraphDtype] = "float32"
    extra: ClassVar[str]
    modules: ClassVar[tuple[str, ...]]
    file: ClassVar[str]
    learns: ClassVar[bool] = False
    largest_difference: ClassVar[float | None] = 0.001
    slowest: ClassVar[float] = 1.1
    runs_here: ClassVar[bool] = True
    install: ClassVar[str]
    usage: ClassVar[str]

    def check(self) -> None:
        """Refuse in one line what cannot be converted here.

        Raises:
            LesionlabError: A library or a converter is missing; the message says how to get it.
        """
        if any(importlib.util.find_spec(module) is None for module in self.modules):
            extras = "train" if self.extra == "train" else f"train,{self.extra}"
            raise MissingExtraError(f"lesionlab convert --to {self.name}", extras)

    @abstractmethod
    def write(self, source: Source, folder: Path) -> str:
        """Write the model into a folder; return in words how it was made, empty where there is nothing to say.

        Raises:
            LesionlabError: The graph cannot be stored so.
        """

    @abstractmethod
    def open(self, folder: Path, source: Source, threads: int) -> Session:
        """Return what runs the model that `write` left in a folder.

        Args:
            folder: The folder.
            source: What it was made of.
            threads: Threads to compute with.
        """

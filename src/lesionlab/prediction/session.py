"""The graph of a bundle, ready to run."""

import math
import os
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import onnxruntime as ort

from lesionlab.bundle import Bundle
from lesionlab.errors import BundleError

# What more images leave behind between layers does not fit into a core's cache, and one alone leaves cores waiting.
IMAGES_PER_RUN = 2

_ONLY_FATAL = 4


_CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def available_cores() -> int:
    """Return the number of cores that this process may use, which in a container is often fewer than there are.

    A container is held to some cores by its affinity, to some share of all of them by a quota of the control group
    (Linux, cgroup v2: microseconds per period).
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = _CPU_QUOTA.read_text(encoding="ascii").split()
        return max(1, min(cores, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):  # no control group, or `max` for no quota
        return cores


@dataclass(frozen=True, eq=False)
class GraphOutput:
    """All that a run of a graph gives for N images.

    Attributes:
        logits: float32 [N, C].
        feature_map: float32 [N, D, h, w], of the crop where there is one; None for a graph without a map.
        crop: Part of the picture that the network saw: left, top and side in shares of its sides, float32 [N, 3]; None
            for a graph that sees the whole.
        lesion: Probability that each pixel belongs to the lesion, float32 [N, rows, columns] over the whole picture;
            None for a graph that does not look for it.
    """

    logits: np.ndarray
    feature_map: np.ndarray | None = None
    crop: np.ndarray | None = None
    lesion: np.ndarray | None = None


# The names of a graph's outputs, in the order in which exports give them.
OUTPUTS = tuple(field.name for field in fields(GraphOutput))


class GraphSession:
    """An inference session with the input and output that every bundle has. Safe to use from several threads.

    Attributes:
        channels: Number of channels of the feature map; None for a graph without one.
    """

    def __init__(self, bundle: Bundle, threads: int | None = None) -> None:
        """Open the graph.

        Args:
            bundle: The bundle.
            threads: Threads to compute with; default: one per available core.

        Raises:
            BundleError: The graph cannot be opened, or takes or gives something else than its description says.
        """
        self._place = bundle.path
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.intra_op_num_threads = threads or available_cores()
        options.inter_op_num_threads = 1
        options.log_severity_level = _ONLY_FATAL  # what goes wrong arrives as an exception as well
        # Waiting threads would otherwise burn the cores that decode the next images.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = ort.InferenceSession(bundle.graph, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has one exception class per status code and no common base
            raise BundleError(f"{self._place}: the graph cannot be opened: {_one_line(error)}") from error
        size = bundle.info.preprocessing.size
        inputs = [(i.name, i.type, i.shape[1:]) for i in self._session.get_inputs()]
        if inputs != [("image", "tensor(uint8)", [size, size, 3])] or isinstance(
            self._session.get_inputs()[0].shape[0], int
        ):
            raise BundleError(
                f"{self._place}: the graph takes {inputs}, expected one input 'image', uint8 [N, {size}, {size}, 3]"
            )
        classes = len(bundle.info.classes)
        outputs = {o.name: (o.type, o.shape[1:]) for o in self._session.get_outputs()}
        if outputs.get("logits") != ("tensor(float)", [classes]):
            raise BundleError(f"{self._place}: the graph gives {outputs}, expected 'logits', float [N, {classes}]")
        kind, shape = outputs.get("feature_map", ("", []))
        # The tokens of a transformer are no map.
        self._names = [name for name in OUTPUTS if name in outputs]
        self.channels = shape[0] if kind == "tensor(float)" and len(shape) == 3 and isinstance(shape[0], int) else None

    def logits(self, pixels: np.ndarray) -> np.ndarray:
        """Return the logits, float32 [N, C], of the network's input, uint8 [N, size, size, 3].

        Raises:
            BundleError: The graph fails, or gives something that is not a number.
        """
        # Only what is asked for leaves the graph.
        return self._run(["logits"], pixels)[0]

    def outputs(self, pixels: np.ndarray) -> GraphOutput:
        """Return all that the graph gives, of one run.

        Raises:
            BundleError: The graph fails, or gives something that is not a number.
        """
        found = dict(zip(self._names, self._run(self._names, pixels), strict=True))
        if self.channels is None:
            found.pop("feature_map", None)
        return GraphOutput(**found)

    def _run(self, names: list[str], pixels: np.ndarray) -> list[np.ndarray]:
        try:
            found: list[np.ndarray] = self._session.run(names, {"image": pixels})
        except Exception as error:
            raise BundleError(f"{self._place}: the graph cannot be run: {_one_line(error)}") from error
        # A map with such a value has such logits.
        if not np.isfinite(found[0]).all():
            raise BundleError(f"{self._place}: the graph gives values that are not numbers; export the bundle again")
        return found


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]

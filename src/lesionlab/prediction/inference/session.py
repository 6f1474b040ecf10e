"""An ONNX Runtime session for the graph of a bundle."""

from dataclasses import dataclass, fields

import numpy as np
import onnxruntime as ort

from lesionlab.bundle import Bundle
from lesionlab.cpu import available_cores
from lesionlab.errors import BundleError, MemoryExhaustedError, UsageError
from lesionlab.prediction.inference.device import Device, open_session

# The activations of more images do not fit into a core's cache; a single image leaves cores idle.
IMAGES_PER_RUN = 2

_ONLY_FATAL = 4
_NO_MEMORY = ("failed to allocate", "bad allocation", "bad_alloc", "out of memory")  # of ONNX Runtime and its devices


@dataclass(frozen=True, eq=False)
class GraphOutput:
    """Outputs of a graph for N images.

    Attributes:
        logits: float32 [N, C].
        feature_map: float32 [N, D, h, w], of the crop where there is one; None for a graph without a map.
        crop: The square around the lesion: left, top and side as shares of the image's sides, float32 [N, 3]; None
            for a graph without a crop.
        lesion: Probability that each pixel belongs to the lesion, float32 [N, rows, columns] over the whole image;
            None for a graph without a segmentation branch.
        dermoscopic: Logit of being a dermoscopic image of a skin lesion, float32 [N]; None for a graph without it.
    """

    logits: np.ndarray
    feature_map: np.ndarray | None = None
    crop: np.ndarray | None = None
    lesion: np.ndarray | None = None
    dermoscopic: np.ndarray | None = None


# Names of a graph's outputs in the order of an export.
OUTPUTS = tuple(field.name for field in fields(GraphOutput))


class GraphSession:
    """An inference session with the input and output that every bundle has. Safe to use from several threads.

    Attributes:
        channels: Number of channels of the feature map; None for a graph without one.
    """

    def __init__(self, bundle: Bundle, threads: int | None = None, device: Device = "cpu") -> None:
        """Open the graph.

        Args:
            bundle: The bundle.
            threads: Number of threads; default: one per available core.
            device: The device that runs the graph.

        Raises:
            UsageError: The device is not available.
            BundleError: The graph cannot be opened, or its inputs or outputs differ from its description.
        """
        self._path = bundle.path
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.intra_op_num_threads = threads or available_cores()
        options.inter_op_num_threads = 1
        options.log_severity_level = _ONLY_FATAL  # errors are raised as exceptions as well
        # Spinning threads would take cores from the decoding of the next images.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = open_session(bundle.graph, options, device)
        except UsageError:
            raise
        except Exception as error:  # onnxruntime has one exception class per status code and no common base
            raise BundleError(f"{self._path}: the graph cannot be opened: {_one_line(error)}") from error
        size = bundle.info.preprocessing.size
        inputs = [(i.name, i.type, i.shape[1:]) for i in self._session.get_inputs()]
        if inputs != [("image", "tensor(uint8)", [size, size, 3])] or isinstance(
            self._session.get_inputs()[0].shape[0], int
        ):
            raise BundleError(
                f"{self._path}: the graph has the inputs {inputs}, expected one input 'image', "
                f"uint8 [N, {size}, {size}, 3]"
            )
        classes = len(bundle.info.classes)
        outputs = {o.name: (o.type, o.shape[1:]) for o in self._session.get_outputs()}
        if outputs.get("logits") != ("tensor(float)", [classes]):
            raise BundleError(
                f"{self._path}: the graph has the outputs {outputs}, expected 'logits', float [N, {classes}]"
            )
        if bundle.info.dermoscopy is not None and "dermoscopic" not in outputs:
            raise BundleError(f"{self._path}: the graph has no output 'dermoscopic', which its description names")
        kind, shape = outputs.get("feature_map", ("", []))
        # The tokens of a transformer are not a map.
        self._names = [name for name in OUTPUTS if name in outputs]
        self.channels = shape[0] if kind == "tensor(float)" and len(shape) == 3 and isinstance(shape[0], int) else None

    def logits(self, pixels: np.ndarray) -> np.ndarray:
        """Return the logits, float32 [N, C], of the network's input, uint8 [N, size, size, 3].

        Raises:
            BundleError: The graph fails, or its outputs are not finite.
        """
        return self.run(["logits"], pixels)[0]

    def outputs(self, pixels: np.ndarray) -> GraphOutput:
        """Return all outputs of the graph from one run.

        Raises:
            BundleError: The graph fails, or its outputs are not finite.
        """
        found = dict(zip(self._names, self.run(self._names, pixels), strict=True))
        if self.channels is None:
            found.pop("feature_map", None)
        return GraphOutput(**found)

    def run(self, names: list[str], pixels: np.ndarray) -> list[np.ndarray]:
        """Return outputs of the graph by name.

        Raises:
            BundleError: The graph fails, or its outputs are not finite.
            MemoryExhaustedError: There is not enough memory.
        """
        try:
            found: list[np.ndarray] = self._session.run(names, {"image": pixels})
        except Exception as error:
            if isinstance(error, MemoryError) or any(text in str(error).lower() for text in _NO_MEMORY):
                raise MemoryExhaustedError(f"not enough memory to run the graph of {self._path}") from error
            raise BundleError(f"{self._path}: the graph cannot be run: {_one_line(error)}") from error
        # A feature map with such a value has such logits.
        if not np.isfinite(found[0]).all():
            raise BundleError(f"{self._path}: the graph's outputs are not finite; export the bundle again")
        return found


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]

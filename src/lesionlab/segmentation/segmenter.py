"""Segmentation of lesions with an ONNX graph."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from PIL import Image

from lesionlab.errors import BundleError
from lesionlab.images import ImageSource, load_image
from lesionlab.segmentation.store import SegmentationInfo, SegmentationModel

_FATAL = 4


class Segmenter:
    """Segments the lesion in images. Thread-safe.

    Example:
        >>> probabilities = Segmenter.load().segment(["lesion.jpg"])  # doctest: +SKIP
        >>> probabilities[0] >= 0.5  # doctest: +SKIP
    """

    def __init__(self, model: SegmentationModel, threads: int = 1) -> None:
        """Create the session; see `load`."""
        self.info: SegmentationInfo = model.info
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _FATAL  # errors are raised as exceptions too
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = ort.InferenceSession(model.graph, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has one exception class per status code and no common base
            reason = " ".join(str(error).split())[:300]
            raise BundleError(f"{model.path}: the segmentation graph cannot be opened: {reason}") from error

    @classmethod
    def load(cls, model: Path | str | None = None, threads: int = 1) -> "Segmenter":
        """Load a model.

        Args:
            model: Folder of the model; None for the one in the package.
            threads: Number of threads. More than one rarely helps, since the network is small.

        Raises:
            BundleError: The model is missing or damaged.
        """
        return cls(SegmentationModel.load(model), threads)

    def segment(self, images: Sequence[ImageSource]) -> NDArray[np.float32]:
        """Return the lesion probability of each pixel of the images, resized to squares, float32 [N, size, size].

        Raises:
            ImageError: An image cannot be read.
        """
        settings = self.info.preprocessing
        decoded = [load_image(image, at_least=settings.decode_size).image for image in images]
        return self.probabilities(np.stack([settings.apply(image) for image in decoded]))

    def segment_squares(self, squares: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the same for square images, such as a classifier's input, uint8 [N, S, S, 3]."""
        pixels = [self.info.preprocessing.apply(Image.fromarray(square)) for square in squares]
        return self.probabilities(np.stack(pixels))

    def probabilities(self, pixels: NDArray[np.uint8 | np.float32]) -> NDArray[np.float32]:
        """Return the output of the graph, float32 [N, size, size], for uint8 or float32 pixels, [N, size, size, 3]."""
        found: NDArray[np.float32] = self._session.run(["probability"], {"image": pixels})[0]
        return found

"""The segmentation graph, ready to run."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from PIL import Image

from lesionlab.errors import BundleError
from lesionlab.images import ImageSource, load_image
from lesionlab.segmentation.store import SegmentationInfo, SegmentationModel

_ONLY_FATAL = 4


class Segmenter:
    """Finds the lesion in pictures. Safe to use from several threads.

    Example:
        >>> probabilities = Segmenter.load().segment(["lesion.jpg"])  # doctest: +SKIP
        >>> probabilities[0] >= 0.5  # doctest: +SKIP
    """

    def __init__(self, model: SegmentationModel, threads: int = 1) -> None:
        """Open the graph; see `load`."""
        self.info: SegmentationInfo = model.info
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _ONLY_FATAL  # what goes wrong arrives as an exception as well
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
            model: Its folder; None: the one that ships with the package.
            threads: Threads to compute with. The network is small: more than one seldom help.

        Raises:
            BundleError: The model is missing or damaged.
        """
        return cls(SegmentationModel.load(model), threads)

    def segment(self, images: Sequence[ImageSource]) -> NDArray[np.float32]:
        """Return the probability that each pixel of the pictures, squashed to a square, belongs to the lesion.

        Args:
            images: Paths, bytes, Pillow images or arrays, as `lesionlab.Predictor` takes them.

        Returns:
            float32 [N, size, size].

        Raises:
            ImageError: An image cannot be read.
        """
        settings = self.info.preprocessing
        decoded = [load_image(image, at_least=settings.decode_size).image for image in images]
        return self.probabilities(np.stack([settings.apply(image) for image in decoded]))

    def of_squares(self, squares: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Do the same with pictures that are squares already, such as a classifier's input.

        Args:
            squares: uint8 [N, S, S, 3].
        """
        pixels = [self.info.preprocessing.apply(Image.fromarray(square)) for square in squares]
        return self.probabilities(np.stack(pixels))

    def probabilities(self, pixels: NDArray[np.uint8 | np.float32]) -> NDArray[np.float32]:
        """Run the graph on its own input, [N, size, size, 3]; return float32 [N, size, size].

        Args:
            pixels: uint8, or float32 for a graph that takes floats.
        """
        found: NDArray[np.float32] = self._session.run(["probability"], {"image": pixels})[0]
        return found

"""A segmentation graph with floating-point input."""

from pathlib import Path

import numpy as np

from lesionlab.segmentation import SegmentationModel, Segmenter
from lesionlab.training.dtype import float_inputs


def test_integer_values_give_the_same_probabilities(tiny_segmentation: Path) -> None:
    model = SegmentationModel.load(tiny_segmentation)
    size = model.info.preprocessing.size
    pixels = np.random.default_rng(0).integers(0, 256, (3, size, size, 3), dtype=np.uint8)
    floats = Segmenter(float_inputs(model))
    expected = Segmenter(model).probabilities(pixels)
    np.testing.assert_array_equal(floats.probabilities(pixels.astype(np.float32)), expected)
    between = floats.probabilities(pixels.astype(np.float32) + np.float32(0.5))
    assert 0 < np.abs(between - expected).max() < 0.1


def test_the_hash_of_the_graph_changes(tiny_segmentation: Path) -> None:
    model = SegmentationModel.load(tiny_segmentation)
    assert float_inputs(model).info.graph_sha256 != model.info.graph_sha256
    assert float_inputs(model).info.threshold == model.info.threshold

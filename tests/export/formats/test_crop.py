"""A bundle with a lesion crop in every format: equal outputs and crops."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from lesionlab.bundle import Bundle
from lesionlab.export.formats import FORMATS, Source
from lesionlab.export.formats.litert import PYTHON
from lesionlab.prediction.inference.session import GraphOutput, GraphSession
from lesionlab.runs import RunFolder

# Trains, exports and converts a run.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cropping(cropping_run: RunFolder) -> Source:
    return Source(Bundle.load(cropping_run.path), np.empty((0,), np.uint8))


@pytest.fixture(scope="module")
def images(cropping: Source, spot: Callable[..., Image.Image]) -> np.ndarray:
    """Two lesions, and skin without a lesion."""
    drawn = [spot(0.5, 0.5, 0.2), spot(0.3, 0.6, 0.1), Image.new("RGB", (160, 120), (226, 180, 160))]
    return np.stack([cropping.bundle.info.preprocessing.apply(picture) for picture in drawn])


@pytest.fixture(scope="module")
def wanted(cropping: Source, images: np.ndarray) -> GraphOutput:
    return GraphSession(cropping.bundle, threads=1).outputs(images)


@pytest.mark.parametrize(
    ("name", "module"),
    [("onnx-fp16", "onnx"), ("openvino", "openvino"), ("litert", "ai_edge_litert"), ("coreml", "coremltools")],
)
def test_each_format_finds_the_same_lesion(
    name: str, module: str, cropping: Source, images: np.ndarray, wanted: GraphOutput, tmp_path: Path
) -> None:
    pytest.importorskip(module, reason=f"{module} is not installed")
    if name == "litert" and PYTHON not in os.environ:
        pytest.skip(f"{PYTHON} does not name a Python with litert-torch")
    FORMATS[name].write(cropping, tmp_path)
    session = FORMATS[name].open(tmp_path, cropping, threads=1)
    found = session.outputs(images)
    assert wanted.lesion is not None
    assert wanted.crop is not None
    assert found.lesion is not None
    assert found.crop is not None
    assert found.feature_map is not None
    assert session.channels == found.feature_map.shape[1]
    # The FP16 format keeps the segmentation in FP32.
    np.testing.assert_allclose(found.lesion, wanted.lesion, atol=1e-5)
    np.testing.assert_allclose(found.crop, wanted.crop, atol=1e-5)
    np.testing.assert_array_equal(found.crop[2], [0, 0, 1])
    rounding = 0.02 * float(np.abs(wanted.logits).max()) if name == "onnx-fp16" else 1e-4
    np.testing.assert_allclose(found.logits, wanted.logits, atol=rounding)
    np.testing.assert_array_equal(session.logits(images), found.logits)


def test_fp16_rounds_the_classifier_only(cropping: Source, tmp_path: Path) -> None:
    assert FORMATS["onnx-fp16"].write(cropping, tmp_path).startswith("FP16 classifier weights")
    model = onnx.load(tmp_path / "model.onnx")
    halved = [t for t in model.graph.initializer if t.data_type == onnx.TensorProto.FLOAT16]
    assert halved
    assert all(len(tensor.dims) > 1 and tensor.name.startswith("classify/") for tensor in halved)

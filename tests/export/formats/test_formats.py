"""Outputs of each format in its own runtime, compared with the FP32 graph."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from lesionlab.errors import LesionlabError, MissingExtraError, UsageError
from lesionlab.export.formats import FORMATS, Source
from lesionlab.export.formats.litert import PYTHON
from lesionlab.export.formats.onnx_int8 import Scheme, quantised

Expected = tuple[np.ndarray, np.ndarray]


def outputs_of(name: str, source: Source, folder: Path, pixels: np.ndarray) -> Expected:
    FORMATS[name].write(source, folder)
    session = FORMATS[name].open(folder, source, threads=1)
    found = session.outputs(pixels)
    np.testing.assert_array_equal(session.logits(pixels), found.logits)
    assert found.feature_map is not None
    assert session.channels == found.feature_map.shape[1]
    return found.logits, found.feature_map


def assert_close(found: Expected, wanted: Expected, atol: float) -> None:
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, atol=atol)


@pytest.mark.slow
def test_fp16_outputs_are_close(source: Source, pixels: np.ndarray, expected: Expected, tmp_path: Path) -> None:
    found = outputs_of("onnx-fp16", source, tmp_path, pixels)
    assert_close(found, expected, 0.02 * np.abs(expected[0]).max())
    assert not np.array_equal(found[0], expected[0])
    kinds = {t.data_type: 0 for t in onnx.load(tmp_path / "model.onnx").graph.initializer}
    assert onnx.TensorProto.FLOAT16 in kinds


@pytest.mark.slow
def test_int8_logits_correlate_with_fp32(
    source: Source, pixels: np.ndarray, expected: Expected, tmp_path: Path
) -> None:
    found, _ = outputs_of("onnx-int8", source, tmp_path, pixels)
    of_each = [np.corrcoef(a, b)[0, 1] for a, b in zip(found.T, expected[0].T, strict=True)]
    assert min(of_each) > 0.9
    model = onnx.load(tmp_path / "model.onnx")
    assert onnx.TensorProto.INT8 in {tensor.data_type for tensor in model.graph.initializer}
    assert not model.metadata_props


@pytest.mark.slow
def test_the_first_and_last_convolution_may_stay_fp32(source: Source) -> None:
    def in_8_bits(scheme: Scheme) -> int:
        model = onnx.load_from_string(
            quantised(replace(source, calibration_images=source.calibration_images[:2]), scheme)
        )
        producers = {node.output[0]: node.op_type for node in model.graph.node}
        convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
        return sum(producers.get(node.input[1]) == "DequantizeLinear" for node in convolutions)

    # Each convolution occurs in four views.
    assert in_8_bits(Scheme()) - in_8_bits(Scheme(first=False)) == 4
    assert in_8_bits(Scheme()) - in_8_bits(Scheme(last=False)) == 4


@pytest.mark.slow
def test_int8_without_training_images_is_an_error(source: Source, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="give --data"):
        FORMATS["onnx-int8"].write(replace(source, calibration_images=source.calibration_images[:0]), tmp_path)


@pytest.mark.slow
def test_openvino_outputs_are_equal(source: Source, pixels: np.ndarray, expected: Expected, tmp_path: Path) -> None:
    pytest.importorskip("openvino", reason="the extra openvino is not installed")
    assert_close(outputs_of("openvino", source, tmp_path, pixels), expected, 1e-4)


@pytest.mark.slow
def test_litert_outputs_are_equal(source: Source, pixels: np.ndarray, expected: Expected, tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert", reason="the extra litert is not installed")
    if PYTHON not in os.environ:
        pytest.skip(f"{PYTHON} does not name a Python with litert-torch")
    assert_close(outputs_of("litert", source, tmp_path, pixels[:4]), (expected[0][:4], expected[1][:4]), 1e-4)


@pytest.mark.slow
def test_core_ml_outputs_are_equal(source: Source, pixels: np.ndarray, expected: Expected, tmp_path: Path) -> None:
    pytest.importorskip("coremltools", reason="the extra coreml is not installed")
    import coremltools as ct

    found = outputs_of("coreml", source, tmp_path, pixels[:4])
    assert_close(found, (expected[0][:4], expected[1][:4]), 1e-4)
    spec = ct.models.MLModel(str(tmp_path / "model.mlpackage"), skip_model_load=True).get_spec()
    (image,) = spec.description.input
    size = source.bundle.info.preprocessing.size
    assert (image.name, image.type.imageType.width, image.type.imageType.height) == ("image", size, size)
    assert [output.name for output in spec.description.output] == ["logits", "feature_map"]


@pytest.mark.slow
def test_core_ml_outputs_of_a_transformer_are_equal(
    transformer: Source, pixels: np.ndarray, run_session: Callable[..., Expected], tmp_path: Path
) -> None:
    pytest.importorskip("coremltools", reason="the extra coreml is not installed")
    from lesionlab.prediction.inference.session import GraphSession

    wanted = run_session(GraphSession(transformer.bundle, threads=1), pixels[:4])
    assert_close(outputs_of("coreml", transformer, tmp_path, pixels[:4]), wanted, 1e-4)


def test_a_missing_litert_converter_is_an_error_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ai_edge_litert", reason="the extra litert is not installed")
    monkeypatch.delenv(PYTHON, raising=False)
    with pytest.raises(LesionlabError, match=rf"uv venv litert .*, then {PYTHON}="):
        FORMATS["litert"].check()


@pytest.mark.slow
def test_a_converter_error_is_reported(source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = tmp_path / "python"
    failing.write_text("#!/bin/sh\necho 'first line' >&2\necho 'no such operator' >&2\nexit 3\n")
    failing.chmod(0o755)
    monkeypatch.setenv(PYTHON, str(failing))
    with pytest.raises(LesionlabError, match=r"converter failed in .*: no such operator$"):
        FORMATS["litert"].write(source, tmp_path)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(FORMATS["openvino"]), "modules", ("no_such_module",))
    with pytest.raises(MissingExtraError, match=r"pip install 'lesionlab\[train,openvino\]'"):
        FORMATS["openvino"].check()

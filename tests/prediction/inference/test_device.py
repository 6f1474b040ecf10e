"""Devices: available ones run the graph, and others are an error instead of a fallback."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from lesionlab.errors import UsageError
from lesionlab.prediction import Predictor
from lesionlab.prediction.inference import device as devices


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (40, 40, 3), dtype=np.uint8)


def test_every_available_device_gives_the_same_probabilities(tiny_whole_bundle: Path, image: np.ndarray) -> None:
    expected = Predictor.load(tiny_whole_bundle).predict(image).probabilities
    for device in devices.available_devices():
        found = Predictor.load(tiny_whole_bundle, device=device).predict(image).probabilities
        np.testing.assert_allclose(list(found.values()), list(expected.values()), atol=1e-3)


@pytest.mark.parametrize(
    ("device", "package"),
    [
        ("cuda", "onnxruntime-gpu"),
        ("tensorrt", "onnxruntime-gpu"),
        ("openvino", "onnxruntime-openvino"),
        ("directml", "onnxruntime-directml"),
        ("coreml", "onnxruntime"),
    ],
)
def test_a_device_of_another_package_is_an_error_that_names_it(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, device: Any, package: str
) -> None:
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(UsageError, match=rf"{device} is not available \(available here: cpu\).* package {package} as"):
        Predictor.load(tiny_bundle, device=device)


def test_an_unknown_device_is_an_error(tiny_bundle: Path) -> None:
    with pytest.raises(UsageError, match="unknown device npu; known: cpu, cuda"):
        Predictor.load(tiny_bundle, device="npu")  # type: ignore[arg-type]


class Session:
    """A session of ONNX Runtime that has lost its device, as with missing libraries."""

    def __init__(self, *_: object, providers: list[str], enable_fallback: int) -> None:
        assert (providers, enable_fallback) == (["CUDAExecutionProvider"], 0)

    def get_providers(self) -> list[str]:
        return ["CPUExecutionProvider"]

    def get_provider_graph_assignment_info(self) -> list[object]:
        return []


def test_a_device_without_its_libraries_is_an_error(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"])
    monkeypatch.setattr(ort, "InferenceSession", Session)
    with pytest.raises(UsageError, match="cuda cannot run the model: its libraries or its drivers are missing"):
        Predictor.load(tiny_bundle, device="cuda")

"""Devices: the execution providers of ONNX Runtime, without a silent fallback to the CPU."""

import logging
from collections import Counter
from dataclasses import dataclass
from typing import Final, Literal, get_args

import onnxruntime as ort

from lesionlab.errors import UsageError

Device = Literal["cpu", "cuda", "tensorrt", "openvino", "directml", "coreml"]

_LOG = logging.getLogger(__name__)
_CPU: Final = "CPUExecutionProvider"


@dataclass(frozen=True)
class _Provider:
    """An execution provider.

    Attributes:
        name: Its name in ONNX Runtime.
        package: Package of ONNX Runtime that has it.
        needs: Hardware and libraries that it needs.
    """

    name: str
    package: str
    needs: str


_PROVIDERS: Final[dict[str, _Provider]] = {
    "cpu": _Provider(_CPU, "onnxruntime", "a processor"),
    "cuda": _Provider("CUDAExecutionProvider", "onnxruntime-gpu", "an NVIDIA GPU with CUDA and cuDNN"),
    "tensorrt": _Provider("TensorrtExecutionProvider", "onnxruntime-gpu", "an NVIDIA GPU with CUDA and TensorRT"),
    "openvino": _Provider("OpenVINOExecutionProvider", "onnxruntime-openvino", "an Intel processor or GPU"),
    "directml": _Provider("DmlExecutionProvider", "onnxruntime-directml", "Windows and a GPU with DirectX 12"),
    "coreml": _Provider("CoreMLExecutionProvider", "onnxruntime", "macOS"),
}
DEVICES: Final[tuple[Device, ...]] = get_args(Device)


def available_devices() -> list[Device]:
    """Return the devices that the installed package of ONNX Runtime was built for; each may still lack its drivers."""
    built = ort.get_available_providers()
    return [device for device in DEVICES if _PROVIDERS[device].name in built]


def open_session(graph: bytes, options: ort.SessionOptions, device: Device) -> ort.InferenceSession:
    """Open a graph on a device.

    Raises:
        UsageError: The device is unknown or not available, or runs no node of the graph.
        Exception: The graph cannot be opened; ONNX Runtime has one exception class per status code.
    """
    if device not in _PROVIDERS:
        raise UsageError(f"unknown device {device}; known: {', '.join(DEVICES)}")
    provider, available = _PROVIDERS[device], available_devices()
    if device not in available:
        raise UsageError(
            f"device {device} is not available (available here: {', '.join(available)}). It needs {provider.needs}, "
            f"and the package {provider.package} as the only one of ONNX Runtime"
        )
    if device == "cpu":
        return ort.InferenceSession(graph, options, providers=[_CPU])
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    try:
        # Without enable_fallback=0, ONNX Runtime opens the graph on the CPU where the device fails.
        session = ort.InferenceSession(graph, options, providers=[provider.name], enable_fallback=0)
    except Exception as error:
        raise UsageError(f"device {device} cannot open the model: {' '.join(str(error).split())[:300]}") from error
    nodes = Counter[str]()
    for part in session.get_provider_graph_assignment_info():
        nodes[part.ep_name] += len(part.get_nodes())
    if provider.name not in session.get_providers() or not nodes[provider.name]:
        raise UsageError(
            f"device {device} cannot run the model: its libraries or its drivers are missing; it needs {provider.needs}"
        )
    if others := nodes.total() - nodes[provider.name]:
        _LOG.warning("%d of %d nodes of the graph run on the CPU: %s lacks them", others, nodes.total(), device)
    return session

"""The exported graph: outputs equal to the network's for any batch size, and no metadata of the machine."""

import getpass
import platform
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from lesionlab.export import export_graph
from lesionlab.recipes import HeadSettings, InferenceSettings, InputSettings, ModelSettings, Recipe
from lesionlab.training.network import ChannelsFirst, ExportedNetwork, LesionNetwork

SIZE = 40

pytestmark = pytest.mark.slow  # each graph takes ten seconds; tests/export/test_bundle.py exports a whole run


def make_network(backbone: str, **settings: Any) -> LesionNetwork:
    torch.manual_seed(3)
    inputs = InputSettings(size=SIZE, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
    model = ModelSettings(backbone=backbone, pretrained=False)
    network = LesionNetwork(Recipe(name="small", description="A network.", input=inputs, model=model, **settings))
    network.train()
    for _ in range(3):  # non-trivial batch statistics
        network(torch.rand(8, 3, SIZE, SIZE))
    torch.nn.init.normal_(network.head.classifier.weight, std=0.5)
    return network


@pytest.fixture(scope="module", params=["test_efficientnet", "test_resnet"])
def network(request: pytest.FixtureRequest) -> LesionNetwork:
    return make_network(request.param)


@pytest.fixture(scope="module", params=["none", "flips"])
def inference(request: pytest.FixtureRequest) -> InferenceSettings:
    return InferenceSettings(tta=request.param)


@pytest.fixture(scope="module")
def graph(network: LesionNetwork, inference: InferenceSettings) -> bytes:
    return export_graph([network], SIZE, inference)


@pytest.fixture(scope="module")
def session(graph: bytes) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])


def test_the_graph_is_valid_with_the_documented_input_and_outputs(
    graph: bytes, session: onnxruntime.InferenceSession
) -> None:
    onnx.checker.check_model(onnx.load_from_string(graph), full_check=True)
    (image,) = session.get_inputs()
    assert (image.name, image.type, image.shape[1:]) == ("image", "tensor(uint8)", [SIZE, SIZE, 3])
    assert isinstance(image.shape[0], str)
    assert [output.name for output in session.get_outputs()] == ["logits", "feature_map"]


@pytest.mark.parametrize("images", [1, 5])
def test_the_graph_equals_the_network(
    network: LesionNetwork, inference: InferenceSettings, session: onnxruntime.InferenceSession, images: int
) -> None:
    pixels = np.random.default_rng(images).integers(0, 256, (images, SIZE, SIZE, 3), dtype=np.uint8)
    logits, feature_map = session.run(None, {"image": pixels})
    with torch.no_grad():
        torch_logits, torch_map = ExportedNetwork(network, inference).eval()(ChannelsFirst()(torch.from_numpy(pixels)))
        upright = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255
        views = [upright] if inference.tta == "none" else [upright.flip(axes) for axes in ((), (2,), (3,), (2, 3))]
        trained = torch.stack([network.eval()(view) for view in views]).mean(dim=0)
    np.testing.assert_allclose(logits, torch_logits, atol=1e-5)
    np.testing.assert_allclose(logits, trained, atol=1e-5)
    np.testing.assert_allclose(feature_map, torch_map, atol=1e-4)
    assert logits.shape == (images, 7)
    assert np.ptp(logits) > 0.1


def test_the_logits_are_the_pooled_feature_map_times_the_classifier(
    network: LesionNetwork, session: onnxruntime.InferenceSession
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), dtype=np.uint8)
    logits, feature_map = session.run(None, {"image": pixels})
    head = network.head.classifier
    weight, bias = (value.detach().numpy() for value in (head.weight, head.bias))
    np.testing.assert_allclose(logits, feature_map.mean(axis=(2, 3)) @ weight.T + bias, atol=1e-4)


@pytest.mark.slow
def test_a_single_sigmoid_output_becomes_two_logits() -> None:
    network = make_network("test_resnet", task="melanoma", head=HeadSettings(sigmoid=True))
    opened = onnxruntime.InferenceSession(
        export_graph([network], SIZE, InferenceSettings()), providers=["CPUExecutionProvider"]
    )
    pixels = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), dtype=np.uint8)
    (logits,) = opened.run(["logits"], {"image": pixels})
    assert opened.get_outputs()[0].shape[1:] == [2]
    with torch.no_grad():
        trained = network.eval()(torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255)
    np.testing.assert_allclose(logits, trained, atol=1e-5)
    assert not logits[:, 0].any()
    assert np.ptp(logits[:, 1]) > 0


def test_the_graph_holds_no_metadata_of_the_machine(graph: bytes) -> None:
    paths = (str(Path(__file__).parents[2]), torch.__path__[0], str(Path.home()))
    for trace in (*paths, platform.node(), getpass.getuser()):
        assert len(trace) < 5 or trace.encode() not in graph  # shorter strings may occur by chance
    assert b"site-packages" not in graph
    assert not re.search(rb"\.py\b", graph)
    model = onnx.load_from_string(graph)
    assert not model.metadata_props
    assert all(not node.doc_string and not node.metadata_props for node in model.graph.node)


@pytest.mark.parametrize("network", ["test_efficientnet"], indirect=True)
@pytest.mark.parametrize("inference", ["none"], indirect=True)
@pytest.mark.slow
def test_the_export_is_reproducible(network: LesionNetwork, inference: InferenceSettings, graph: bytes) -> None:
    assert export_graph([network.train()], SIZE, inference) == graph

"""Simplified graphs, and graphs in PyTorch, have the outputs of the original in onnxruntime."""

import collections
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from lesionlab.errors import BundleError
from lesionlab.export.formats import Source
from lesionlab.export.formats.isolated.torch_graph import GraphModule, UnknownOperatorError
from lesionlab.export.formats.static_graph import simplified
from lesionlab.prediction.inference.session import GraphSession

Expected = tuple[np.ndarray, np.ndarray]


def in_torch(graph: bytes, pixels: np.ndarray) -> list[np.ndarray]:
    network = GraphModule(simplified(graph, images=1)).eval()
    with torch.no_grad():
        rows = [network(torch.from_numpy(image[None])) for image in pixels]
    return [np.concatenate([row[output].numpy() for row in rows]) for output in range(2)]


@pytest.mark.slow
def test_a_simplified_graph_has_equal_outputs(
    source: Source, pixels: np.ndarray, expected: Expected, run_session: Callable[..., Expected]
) -> None:
    model = simplified(source.bundle.graph)
    session = GraphSession(replace(source.bundle, graph=model.SerializeToString()), threads=1)
    for found, wanted in zip(run_session(session, pixels), expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-4)
    assert {opset.domain for opset in model.opset_import} == {""}
    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}


@pytest.mark.slow
def test_four_views_share_their_weights(source: Source) -> None:
    model = simplified(source.bundle.graph)
    uses = collections.Counter(node.input[1] for node in model.graph.node if node.op_type == "Conv")
    assert set(uses.values()) == {4}
    assert len(model.SerializeToString()) < 1.2 * len(source.bundle.graph)


@pytest.mark.slow
def test_torch_runs_the_graph_of_a_convolutional_network(
    source: Source, pixels: np.ndarray, expected: Expected
) -> None:
    for found, wanted in zip(in_torch(source.bundle.graph, pixels), expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-4)


@pytest.mark.slow
def test_torch_runs_the_graph_of_a_transformer(
    transformer: Source, pixels: np.ndarray, run_session: Callable[..., Expected]
) -> None:
    wanted = run_session(GraphSession(transformer.bundle, threads=1), pixels)
    for found, right in zip(in_torch(transformer.bundle.graph, pixels), wanted, strict=True):
        np.testing.assert_allclose(found, right, atol=1e-4)
    assert np.ptp(wanted[1]) > 0.1


@pytest.mark.parametrize(
    ("operator", "message"),
    [
        (helper.make_node("Cos", ["float"], ["logits"]), "operators Cos are not supported"),
        (helper.make_node("CumSum", ["float", "axis"], ["logits"]), "operators CumSum are not supported"),
    ],
)
def test_an_unsupported_operator_is_named(operator: onnx.NodeProto, message: str) -> None:
    graph = helper.make_graph(
        [helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT), operator],
        "unsupported",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [1, 7])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 7])],
        [helper.make_tensor("axis", TensorProto.INT64, [1], [1])],
    )
    with pytest.raises(UnknownOperatorError, match=message):
        GraphModule(helper.make_model(graph))


@pytest.mark.parametrize("steps", [[-2], [3]])
def test_a_slice_with_another_step_is_an_error(steps: list[int]) -> None:
    fixed = {"starts": [-1], "ends": [-100], "axes": [1], "steps": steps}
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
            helper.make_node("Slice", ["float", *fixed], ["logits"]),
        ],
        "unsupported",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [1, 7])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)],
        [helper.make_tensor(name, TensorProto.INT64, [1], value) for name, value in fixed.items()],
    )
    network = GraphModule(helper.make_model(graph))
    with pytest.raises(UnknownOperatorError, match=rf"Slice with the step {steps[0]}"):
        network(torch.zeros(1, 7, dtype=torch.uint8))


def test_an_invalid_graph_is_an_error() -> None:
    broken = helper.make_model(helper.make_graph([helper.make_node("Nothing", ["a"], ["b"])], "broken", [], []))
    with pytest.raises(BundleError, match="cannot be simplified"):
        simplified(broken.SerializeToString())

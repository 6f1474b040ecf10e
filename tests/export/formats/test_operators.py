"""Operators of graphs with a lesion crop: equal outputs in PyTorch and onnxruntime, or an error."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from lesionlab.export.formats.isolated.torch_graph import GraphModule, UnknownOperatorError

Constants = Mapping[str, np.ndarray]

SHAPE = [2, 3, 4, 5]
AXES: Constants = {"axes": np.array([0, 2], np.int64)}
HALF: Constants = {"half": np.array(0.5, np.float32)}
ROW: Constants = {"row": np.linspace(-1, 1, 5, dtype=np.float32)}
SIZES: Constants = {"sizes": np.array([2, 3, 8, 15], np.int64)}
SCALES: Constants = {"scales": np.array([1, 1, 2, 3], np.float32)}
FLOORED = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}


def graph_of(
    operator: str, inputs: Sequence[str], constants: Constants, attributes: Mapping[str, Any], version: int = 18
) -> onnx.ModelProto:
    """Return a graph of one operator; a Boolean output is cast to float."""
    nodes = [helper.make_node(operator, inputs, ["found"], **attributes)]
    nodes.append(helper.make_node("Cast", ["found"], ["output"], to=TensorProto.FLOAT))
    graph = helper.make_graph(
        nodes,
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)], ir_version=10)


def product(rows: int, columns: int) -> np.ndarray:
    return np.linspace(-1, 1, rows * columns, dtype=np.float32).reshape(1, rows, columns)


def values() -> np.ndarray:
    found = np.random.default_rng(0).normal(0, 2, SHAPE).astype(np.float32)
    found[0, 0, 0, :2] = 0.5, 0.0  # equal to the operands of comparisons
    return found


@pytest.mark.parametrize(
    ("operator", "inputs", "constants", "attributes"),
    [
        ("Abs", ["x"], {}, {}),
        ("Greater", ["x", "half"], HALF, {}),
        ("GreaterOrEqual", ["x", "half"], HALF, {}),
        ("GreaterOrEqual", ["row", "x"], ROW, {}),
        ("MatMul", ["left", "right"], {"left": product(4, 3), "right": product(3, 2)}, {}),
        ("MatMul", ["left", "right"], {"left": product(5, 3), "right": product(3, 2)}, {}),
        ("Max", ["x", "half"], HALF, {}),
        ("Max", ["x", "row", "half"], {**ROW, **HALF}, {}),
        ("Min", ["x", "row"], ROW, {}),
        ("Min", ["x"], {}, {}),
        ("Pow", ["x", "power"], {"power": np.array(2, np.float32)}, {}),
        ("Pow", ["x", "power"], {"power": np.array([3], np.int64)}, {}),
        ("ReduceSum", ["x", "axes"], AXES, {"keepdims": 0}),
        ("ReduceSum", ["x", "axes"], AXES, {}),
        ("ReduceSum", ["x"], {}, {}),
        ("ReduceSum", ["x", ""], {}, {"noop_with_empty_axes": 1}),
        ("ReduceMean", ["x"], {}, {"keepdims": 0}),
        ("ReduceMean", ["x", "axes"], AXES, {}),
        ("Sqrt", ["size"], {"size": np.array([[4, 2]], np.float32)}, {}),
        ("Where", ["choice", "x", "half"], {"choice": np.array([[True], [False], [True], [True]]), **HALF}, {}),
        ("Where", ["choice", "row", "x"], {"choice": np.array(False), **ROW}, {}),
        ("Clip", ["x", "", "half"], HALF, {}),
        ("Clip", ["x", "half"], HALF, {}),
        ("Clip", ["x", "half", ""], HALF, {}),
        ("Clip", ["x"], {}, {}),
        ("Resize", ["x", "", "", "sizes"], SIZES, FLOORED),
        ("Resize", ["x", "", "scales"], SCALES, FLOORED),
        ("Resize", ["x", "none", "scales"], {"none": np.empty(0, np.float32), **SCALES}, FLOORED),
        ("Resize", ["x", "", "", "sizes"], SIZES, {"mode": "linear"}),
        (
            "Resize",
            ["x", "", "", "sizes"],
            SIZES,
            {"mode": "linear", "coordinate_transformation_mode": "align_corners"},
        ),
    ],
)
def test_torch_equals_onnxruntime(
    operator: str, inputs: list[str], constants: Constants, attributes: dict[str, Any]
) -> None:
    model, x = graph_of(operator, inputs, constants, attributes), values()
    (wanted,) = ort.InferenceSession(model.SerializeToString()).run(None, {"x": x})
    (found,) = GraphModule(model).eval()(torch.from_numpy(x))
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("operator", "inputs", "constants", "attributes", "message"),
    [
        ("Clip", ["x", "x"], {}, {}, "a limit or an exponent"),
        ("Clip", ["x", "row"], ROW, {}, "a limit or an exponent"),
        ("Clip", ["x"], {}, {"min": 0.0, "max": 1.0}, "Clip before opset 11"),
        ("Pow", ["x", "x"], {}, {}, "a limit or an exponent"),
        ("Pow", ["x", ""], {}, {}, "Pow without a constant exponent"),
        ("ReduceSum", ["x", "x"], {}, {}, "computed at run time"),
        ("Resize", ["x", "", "", "sizes"], SIZES, {}, "Resize by nearest round_prefer_floor .* half_pixel"),
        ("Resize", ["x", "", "", "sizes"], SIZES, {**FLOORED, "nearest_mode": "ceil"}, "Resize by nearest ceil"),
        ("Resize", ["x", "", "", "sizes"], SIZES, {"mode": "cubic"}, "Resize by cubic with"),
        ("Resize", ["x", "", "", "sizes"], SIZES, {"mode": "linear", "antialias": 1}, "antialiasing"),
        ("Resize", ["x", "", "", "sizes"], {"sizes": np.array([2, 6, 8, 5])}, FLOORED, "other tensors than images"),
        (
            "Resize",
            ["x", "", "scales"],
            {"scales": np.array([1, 1, 1.5, 1.5], np.float32)},
            FLOORED,
            "a fractional size",
        ),
        ("Resize", ["x", "", "x"], {}, FLOORED, "scales that are computed"),
    ],
)
def test_an_unsupported_form_is_an_error(
    operator: str, inputs: list[str], constants: Constants, attributes: dict[str, Any], message: str
) -> None:
    network = GraphModule(graph_of(operator, inputs, constants, attributes))
    with pytest.raises(UnknownOperatorError, match=message):
        network(torch.from_numpy(values()))

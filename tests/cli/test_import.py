"""Tests of `lesionlab import`, and of the other commands with an imported bundle."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lesionlab.bundle import Bundle
from lesionlab.data import Manifest
from lesionlab.phantoms import write_phantoms
from tests.bundles import TINY_SIZE


@pytest.fixture(scope="module")
def elsewhere(tiny_graph: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the network of a tiny bundle as others would write it, and its labels; read-only."""
    folder = tmp_path_factory.mktemp("elsewhere")
    model = onnx.load_from_string(tiny_graph)
    graph = model.graph
    # Without the preprocessing.
    del graph.node[:5]
    graph.node[0].input[0] = "pixels"
    graph.input[0].CopyFrom(helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["N", 3, TINY_SIZE, TINY_SIZE]))
    kept = [tensor for tensor in graph.initializer if tensor.name in ("kernel", "head", "bias")]
    del graph.initializer[:]
    graph.initializer.extend(numpy_helper.from_array(numpy_helper.to_array(tensor), tensor.name) for tensor in kept)
    onnx.save(model, folder / "model.onnx")
    (folder / "labels.txt").write_text("mel\nnv\nbcc\nakiec\nbkl\ndf\nvasc\n", encoding="utf-8")
    return folder


@pytest.fixture
def arguments(elsewhere: Path, phantoms: Manifest) -> tuple[object, ...]:
    given = ("--labels", elsewhere / "labels.txt", "--data", phantoms.root, "--output", "logits")
    return ("import", elsewhere / "model.onnx", *given, "--range", "-1:1")


def test_an_onnx_file_becomes_a_bundle(
    cli: Callable[..., Any], arguments: tuple[object, ...], elsewhere: Path, tmp_path: Path
) -> None:
    done = cli(*arguments, "--out", tmp_path / "new")
    assert done.code == 0
    for text in ("on calibration images", "balanced accuracy", "preprocessing is lesionlab's", "not a diagnosis"):
        assert text in done.out
    assert "input: 64x64, NCHW, (pixel / 255 - mean) / std with mean 0.5, 0.5, 0.5" in done.err
    assert Bundle.load(tmp_path / "new").explainable
    assert cli(*arguments, "--out", tmp_path / "new").code == 2  # the bundle exists
    assert cli(*arguments, "--out", elsewhere / "model.onnx", "--force").code == 2  # an input is never replaced
    forced = cli(*arguments, "--out", tmp_path / "new", "--force", "--json", "--name", "ours")
    content = json.loads(forced.out)
    assert content["name"] == "ours"
    assert content["imported"]["file"] == "model.onnx"
    assert 0 <= content["figures"]["before"]["balanced_accuracy"] <= 1
    assert content["difference"] < 1e-4


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--range", "0-1", "--range 0-1: give the values"),
        ("--mean", "0.5,0.5", "--mean 0.5,0.5: give one number, or three"),
        ("--output", "none", "the outputs of"),
        ("--architecture", "no_such_net", "--layout and --output are of ONNX files"),
    ],
)
def test_wrong_options(
    cli: Callable[..., Any], arguments: tuple[object, ...], tmp_path: Path, option: str, value: str, message: str
) -> None:
    done = cli(*arguments, "--out", tmp_path / "new", option, value)
    assert done.code == 2
    assert message in done.err
    assert not (tmp_path / "new").exists()


@pytest.mark.usefixtures("figures_drawn_once")
def test_other_commands_take_an_imported_bundle(
    cli: Callable[..., Any], arguments: tuple[object, ...], phantoms: Manifest, tmp_path: Path
) -> None:
    assert cli(*arguments, "--out", tmp_path / "new").code == 0
    model = ("--model", tmp_path / "new")
    described = cli("info", *model)
    assert "imported from model.onnx" in described.out
    assert "training data unknown" in described.out
    card = cli("card", *model)
    assert "**Imported.** The network was trained elsewhere" in card.out
    assert "`None`" not in card.out
    assert cli("card", *model, "--appendix").code == 0
    image = phantoms.location(phantoms.records[0])
    assert cli("predict", image, *model).code == 0
    assert cli("explain", image, *model, "--out", tmp_path / "explained").code == 0
    lime = cli("explain", image, *model, "--method", "lime", "--out", tmp_path / "lime")
    assert "was imported, and has no network for PyTorch" in lime.err
    seen = cli("evaluate", *model, "--data", phantoms.root, "--out", tmp_path / "seen")
    assert seen.code == 2
    assert "was fitted to all" in seen.err
    other = write_phantoms(tmp_path / "other", lesions=70, size=(64, 48), seed=5)
    done = cli("evaluate", *model, "--data", other.root, "--out", tmp_path / "evaluation")
    assert done.code == 0
    assert "Not checked: the evaluation may contain training images. The model was imported" in done.out
    metrics = json.loads((tmp_path / "evaluation" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["unseen"] is None
    assert ">None<" not in (tmp_path / "evaluation" / "report.html").read_text(encoding="utf-8")
    measured = cli("card", *model, "--external", tmp_path / "evaluation")
    assert "Not checked: the evaluation may contain training images. The model was imported" in measured.out
    assert cli("build-web", *model, "--out", tmp_path / "page").code == 0

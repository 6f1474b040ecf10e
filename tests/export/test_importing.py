"""Networks of other origin become bundles that give the outputs of the original."""

import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import pytest
import timm
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file
from torch import nn

from lesionlab.bundle import Bundle
from lesionlab.data import Manifest
from lesionlab.errors import DataError, UsageError
from lesionlab.export.convert import acceptance_data
from lesionlab.export.importing import Imported, InputSettings, import_network, read_checkpoint, read_onnx
from lesionlab.export.recalibrate import recalibrate_bundle
from lesionlab.metrics import softmax
from lesionlab.prediction import Predictor
from lesionlab.taxonomy import CODES

SIZE = 64
# In another order than that of the task, and as people write them.
NAMES = ("nv", "Melanoma", "Basal cell carcinoma", "akiec", "bkl", "df", "Vascular lesions")
ORDER = [1, 0, 2, 3, 4, 5, 6]
WEIGHTS = np.random.default_rng(0)
KERNEL = WEIGHTS.normal(0, 0.5, (8, 3, 5, 5)).astype(np.float32)
HEAD = WEIGHTS.normal(0, 2, (7, 8)).astype(np.float32)
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


@dataclass(frozen=True)
class Graph:
    """A small convolutional network as an ONNX file in one of the forms of other programs."""

    layout: Literal["nchw", "nhwc"] = "nchw"
    batch: int | str = "N"
    size: int | str = SIZE
    last: str = ""  # an activation
    columns: int = 7
    dtype: int = TensorProto.FLOAT
    outputs: tuple[str, ...] = ("logits",)
    # As an exporter writes it that knows the number of images.
    fixed_reshape: bool = False

    def write(self, path: Path) -> Path:
        """Write the file; the names of input and output are those of a bundle."""
        sides: list[Any] = [3, self.size, self.size] if self.layout == "nchw" else [self.size, self.size, 3]
        rows = self.batch if self.fixed_reshape else -1
        scores = "scores" if self.last else self.outputs[0]
        nodes = [
            helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
            helper.make_node("Transpose", ["float"], ["first"], perm=[0, 3, 1, 2])
            if self.layout == "nhwc"
            else helper.make_node("Identity", ["float"], ["first"]),
            helper.make_node("Conv", ["first", "kernel"], ["convolved"], strides=[8, 8], pads=[2, 2, 2, 2]),
            helper.make_node("Relu", ["convolved"], ["map"]),
            helper.make_node("GlobalAveragePool", ["map"], ["pooled"]),
            helper.make_node("Reshape", ["pooled", "shape"], ["flat"]),
            helper.make_node("Gemm", ["flat", "head"], [scores], transB=1),
        ]
        if self.last:
            nodes.append(helper.make_node(self.last, [scores], [self.outputs[0]]))
        nodes += [helper.make_node("Identity", ["flat"], [name]) for name in self.outputs[1:]]
        weights: dict[str, np.ndarray] = {
            "kernel": KERNEL,
            "head": HEAD[: self.columns],
            "shape": np.array([rows, 8], np.int64),
        }
        shapes = [[self.batch, self.columns], *([[self.batch, 8]] * (len(self.outputs) - 1))]
        graph = helper.make_graph(
            nodes,
            "elsewhere",
            [helper.make_tensor_value_info("image", self.dtype, [self.batch, *sides])],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
                for name, shape in zip(self.outputs, shapes, strict=True)
            ],
            [numpy_helper.from_array(value, name) for name, value in weights.items()],
        )
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7), path)
        return path


@pytest.fixture
def imported(phantoms: Manifest, tmp_path: Path) -> Callable[..., Imported]:
    """Return a function that imports a small graph."""

    def run(
        graph: Graph, names: tuple[str, ...] = NAMES, *, output: str | None = None, outputs: Any = None, **given: Any
    ) -> Imported:
        path = graph.write(tmp_path / "elsewhere.onnx")
        labels = tmp_path / "labels.txt"
        labels.write_text("\n".join(names) + "\n", encoding="utf-8")
        network = read_onnx(path, InputSettings(**given), output)
        return import_network(network, labels, phantoms, tmp_path / "bundle", outputs=outputs)

    return run


def expected_logits(pixels: np.ndarray, mean: np.ndarray = MEAN, std: np.ndarray = STD) -> np.ndarray:
    """Return the logits of the small network in PyTorch, in the order of its outputs."""
    values = torch.from_numpy(((pixels / 255 - mean) / std).astype(np.float32)).permute(0, 3, 1, 2)
    maps = torch.relu(nn.functional.conv2d(values, torch.from_numpy(KERNEL), stride=8, padding=2))
    return (maps.mean(dim=(2, 3)) @ torch.from_numpy(HEAD).T).numpy()


def some_images(phantoms: Manifest, bundle: Bundle) -> tuple[list[str], np.ndarray]:
    locations = [phantoms.location(record) for record in phantoms.records[:5]]
    predictor = Predictor.load(bundle)
    return locations, np.stack([predictor.pipeline.prepare(location).pixels for location in locations])


@pytest.mark.parametrize(
    "graph",
    [
        Graph(),
        Graph(layout="nhwc"),
        Graph(batch=1, fixed_reshape=True),
        Graph(batch=3, layout="nhwc", fixed_reshape=True),
        Graph(size="side"),
        Graph(outputs=("logits", "features")),
    ],
)
def test_a_bundle_gives_the_logits_of_the_original(
    imported: Callable[..., Imported], phantoms: Manifest, graph: Graph
) -> None:
    given = {"size": SIZE} if graph.size == "side" else {}
    found = imported(graph, output="logits" if len(graph.outputs) > 1 else None, **given)
    locations, pixels = some_images(phantoms, found.bundle)
    logits = Predictor.load(found.bundle.path).predict_logits(list(locations))
    np.testing.assert_allclose(logits, expected_logits(pixels)[:, ORDER], atol=1e-4)
    assert found.difference <= 1e-4
    assert found.bundle.explainable


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_probabilities_become_logits(
    imported: Callable[..., Imported], phantoms: Manifest, layout: Literal["nchw", "nhwc"]
) -> None:
    found = imported(Graph(layout=layout, last="Softmax"))
    locations, pixels = some_images(phantoms, found.bundle)
    logits = Predictor.load(found.bundle.path).predict_logits(list(locations))
    expected = softmax(expected_logits(pixels)[:, ORDER].astype(np.float64))
    np.testing.assert_allclose(softmax(logits.astype(np.float64)), expected, atol=1e-4)
    assert found.bundle.info.imported is not None
    assert found.bundle.info.imported.outputs == "probabilities"
    assert found.bundle.explainable


@pytest.mark.parametrize("last", ["", "Sigmoid"])
def test_one_output_is_that_of_the_second_label(
    imported: Callable[..., Imported], phantoms: Manifest, last: str
) -> None:
    found = imported(Graph(columns=1, last=last), ("Malignant", "benign"))  # not in the order of the task
    assert found.bundle.info.task == "malignant"
    locations, pixels = some_images(phantoms, found.bundle)
    logits = Predictor.load(found.bundle.path).predict_logits(list(locations))
    np.testing.assert_allclose(logits[:, 0] - logits[:, 1], expected_logits(pixels)[:, 0], rtol=1e-3, atol=1e-4)
    assert found.bundle.explainable


def test_the_range_of_the_pixels_is_part_of_the_graph(imported: Callable[..., Imported], phantoms: Manifest) -> None:
    found = imported(Graph(), value_range=(-1.0, 1.0))
    half = np.full(3, 0.5)
    assert found.bundle.info.preprocessing.mean == found.bundle.info.preprocessing.std == (0.5, 0.5, 0.5)
    locations, pixels = some_images(phantoms, found.bundle)
    logits = Predictor.load(found.bundle.path).predict_logits(list(locations))
    np.testing.assert_allclose(logits, expected_logits(pixels, half, half)[:, ORDER], atol=1e-4)


def test_a_graph_of_bytes_gets_bytes(imported: Callable[..., Imported], phantoms: Manifest) -> None:
    found = imported(Graph(dtype=TensorProto.UINT8, layout="nhwc"))
    locations, pixels = some_images(phantoms, found.bundle)
    logits = Predictor.load(found.bundle.path).predict_logits(list(locations))
    expected = expected_logits(pixels, np.zeros(3), np.full(3, 1 / 255))[:, ORDER]
    np.testing.assert_allclose(logits, expected, rtol=1e-4)
    with pytest.raises(UsageError, match="scales them itself; leave out --mean"):
        imported(Graph(dtype=TensorProto.UINT8), mean=(0.5, 0.5, 0.5))


@pytest.mark.slow
@pytest.mark.parametrize("last", [(), (nn.Softmax(dim=1),)])
@pytest.mark.parametrize("dynamo", [True, False])
@pytest.mark.filterwarnings("ignore")
def test_a_network_exported_by_torch_for_one_image(
    phantoms: Manifest, tmp_path: Path, last: tuple[nn.Module, ...], *, dynamo: bool
) -> None:
    torch.manual_seed(0)
    network = timm.create_model("mobilenetv3_small_050", num_classes=7).eval()
    path, labels = tmp_path / "mobile.onnx", tmp_path / "labels.json"
    torch.onnx.export(
        nn.Sequential(network, *last).eval(), (torch.zeros(1, 3, SIZE, SIZE),), str(path), dynamo=dynamo, verbose=False
    )
    labels.write_text(json.dumps(dict(enumerate(NAMES))), encoding="utf-8")
    found = import_network(read_onnx(path, InputSettings()), labels, phantoms, tmp_path / "bundle")
    _, pixels = some_images(phantoms, found.bundle)
    values = torch.from_numpy(((pixels / 255 - MEAN) / STD).astype(np.float32)).permute(0, 3, 1, 2)
    with torch.inference_mode():
        expected = network(values).numpy()[:, ORDER].astype(np.float64)
    logits = Predictor.load(found.bundle.path).predict_logits([*pixels]).astype(np.float64)
    np.testing.assert_allclose(softmax(logits), softmax(expected), atol=1e-4)
    # Hidden layers follow the pooled map: there is no class activation map, but a distance from the known images.
    assert not found.bundle.explainable
    assert found.bundle.reference is not None
    assert found.bundle.reference.features is not None


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["safetensors", "pth"])
def test_a_timm_checkpoint(phantoms: Manifest, tmp_path: Path, kind: str) -> None:
    torch.manual_seed(0)
    network = timm.create_model("resnet10t", num_classes=7).eval()
    state = {name: value.contiguous() for name, value in network.state_dict().items()}
    path, labels = tmp_path / f"net.{kind}", tmp_path / "labels.json"
    if kind == "safetensors":
        save_file(state, path)
    else:
        torch.save({"state_dict": {f"module.{name}": value for name, value in state.items()}, "epoch": 3}, path)
    labels.write_text(json.dumps(list(NAMES)), encoding="utf-8")
    read = read_checkpoint(path, "resnet10t", InputSettings(size=SIZE), 7)
    found = import_network(read, labels, phantoms, tmp_path / "bundle.zip", name="mine", licence="MIT")
    info = Bundle.load(tmp_path / "bundle.zip").info
    assert (info.name, info.licence, info.classes) == ("mine", "MIT", CODES)
    assert info.imported is not None
    assert info.imported.architecture == "resnet10t"
    assert info.preprocessing.interpolation == "bicubic"  # of timm's configuration
    _, pixels = some_images(phantoms, found.bundle)
    mean, std = np.array(info.preprocessing.mean), np.array(info.preprocessing.std)
    values = torch.from_numpy(((pixels / 255 - mean) / std).astype(np.float32)).permute(0, 3, 1, 2)
    with torch.inference_mode():
        expected = network(values).numpy()[:, ORDER]
    logits = Predictor.load(found.bundle.path).predict_logits([*pixels])
    np.testing.assert_allclose(logits, expected, atol=1e-4)
    assert found.bundle.explainable


def test_the_description_states_what_is_unknown(
    imported: Callable[..., Imported], phantoms: Manifest, tmp_path: Path
) -> None:
    info = imported(Graph()).bundle.info
    assert info.imported is not None
    assert (info.imported.file, info.imported.labels) == ("elsewhere.onnx", NAMES)
    data = info.training_data
    assert (data.split_sha256, data.classes, data.images) == (None, {}, {"calibration": len(phantoms)})
    assert (info.recipe, info.training_time, info.patient_effects, info.metrics) == ({}, None, None, {})
    bundle = Bundle.load(tmp_path / "bundle")
    assert bundle.training_images is None
    assert bundle.seen_images is not None
    found, _ = bundle.seen_images.find(phantoms, data.manifest_sha256)
    assert len(found) == len(phantoms)


def test_an_imported_bundle_can_be_calibrated_again(
    imported: Callable[..., Imported], phantoms: Manifest, tmp_path: Path
) -> None:
    first = imported(Graph()).bundle
    again = recalibrate_bundle(first, phantoms, tmp_path / "again").bundle
    assert again.info.calibration == first.info.calibration
    assert again.info.operating_points == first.info.operating_points
    assert again.info.imported == first.info.imported
    other = phantoms.select([record.image_id for record in phantoms][:-3])
    with pytest.raises(UsageError, match="was calibrated on another dataset"):
        acceptance_data(first.info, other)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (NAMES[:-1], "has 7 outputs, and .* names 6 classes|no task has the classes"),
        ((*NAMES[:-1], "wart"), "unknown label 'wart'; write codes of one task .*: diagnosis \\(mel, nv"),
        ((*NAMES[:-1], "mel"), "'Melanoma' and 'mel' are both mel"),
        (("mel", "nv"), "no task has the classes mel, nv; .*melanoma \\(other, mel\\)"),
        (("benign", "malignant"), "has 7 outputs, and .* names 2 classes"),
        (("mel",), "1 labels; write one class per line"),
    ],
)
def test_labels_that_do_not_fit(
    imported: Callable[..., Imported], tmp_path: Path, names: tuple[str, ...], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        imported(Graph(), names)
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize(
    ("content", "order"),
    [
        ('{"0": "benign", "1": "malignant"}', ("benign", "malignant")),
        ('{"malignant": 0, "benign": 1}', ("malignant", "benign")),
    ],
)
def test_labels_as_json(phantoms: Manifest, tmp_path: Path, content: str, order: tuple[str, ...]) -> None:
    network = read_onnx(Graph(columns=2).write(tmp_path / "two.onnx"), InputSettings())
    labels = tmp_path / "labels.json"
    labels.write_text(content, encoding="utf-8")
    found = import_network(network, labels, phantoms, tmp_path / "bundle").bundle.info.imported
    assert found is not None
    assert found.labels == order


@pytest.mark.parametrize("content", ["{", '{"0": "benign", "2": "malignant"}', "3"])
def test_labels_that_cannot_be_read(phantoms: Manifest, tmp_path: Path, content: str) -> None:
    network = read_onnx(Graph(columns=2).write(tmp_path / "two.onnx"), InputSettings())
    labels = tmp_path / "labels.json"
    labels.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=r"labels\.json: the labels cannot be read .*write one class per line"):
        import_network(network, labels, phantoms, tmp_path / "bundle")


@pytest.mark.parametrize(
    ("graph", "given", "message"),
    [
        (Graph(size="side"), {}, "any size; give the one .*--size 224"),
        (Graph(), {"size": 96}, "--size 96: the graph of .* takes 64x64"),
        (Graph(), {"layout": "nhwc"}, "--layout nhwc: the input image .* has 64 channels"),
        (Graph(), {"value_range": (1.0, 1.0)}, "--range: black and white"),
        (Graph(), {"std": (0.0, 1.0, 1.0)}, "--std: a standard deviation is above 0"),
        (
            Graph(outputs=("logits", "features")),
            {},
            "several outputs: logits .*, features .*; choose one with --output",
        ),
        (Graph(), {"output": "other"}, "--output other: the outputs of .* are: logits"),
        (Graph(), {"outputs": "probabilities"}, "--outputs probabilities: the outputs of .* are not shares of 1"),
        (Graph(last="Softmax"), {"outputs": "logits"}, "--outputs logits: the outputs of .* add up to 1"),
    ],
)
def test_settings_that_do_not_fit(
    imported: Callable[..., Imported], tmp_path: Path, graph: Graph, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        imported(graph, **given)
    assert not (tmp_path / "bundle").exists()


def test_independent_sigmoids_are_an_error(imported: Callable[..., Imported]) -> None:
    with pytest.raises(DataError, match="sigmoids that do not add up to 1"):
        imported(Graph(last="Sigmoid"))


def test_damaged_files(phantoms: Manifest, tmp_path: Path) -> None:
    whole = Graph().write(tmp_path / "whole.onnx").read_bytes()
    damaged = tmp_path / "damaged.onnx"
    for content in (whole[: len(whole) // 2], b"\x00\x01nonsense", b""):
        damaged.write_bytes(content)
        with pytest.raises(DataError, match=r"damaged\.onnx is not .*export"):
            read_onnx(damaged, InputSettings())
    for name in ("damaged.pth", "damaged.safetensors"):
        (tmp_path / name).write_bytes(b"nonsense")
        with pytest.raises(DataError, match=r"damaged.* is (no checkpoint|damaged)"):
            read_checkpoint(tmp_path / name, "resnet10t", InputSettings(), 7)


def test_weights_in_a_missing_file(tmp_path: Path) -> None:
    model = onnx.load(Graph().write(tmp_path / "whole.onnx"))
    path = tmp_path / "apart.onnx"
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert read_onnx(path, InputSettings()).columns == 7
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(DataError, match=r"weights\.bin.*copy the files"):
        read_onnx(path, InputSettings())


class _Code:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("executed"),))


@pytest.mark.parametrize("write", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))])
def test_no_code_of_a_checkpoint_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Any, Path], object]
) -> None:
    monkeypatch.chdir(tmp_path)
    write({"state_dict": _Code()}, tmp_path / "evil.pth")
    with pytest.raises(DataError, match=r"evil\.pth .*its code is not run; save the network's state_dict"):
        read_checkpoint(tmp_path / "evil.pth", "resnet10t", InputSettings(), 7)
    assert not (tmp_path / "executed").exists()


def test_checkpoints_that_do_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    save_file({n: v.contiguous() for n, v in timm.create_model("resnet10t", num_classes=5).state_dict().items()}, path)
    with pytest.raises(DataError, match="has 5 outputs, and --labels names 7 classes"):
        read_checkpoint(path, "resnet10t", InputSettings(), 7)
    with pytest.raises(DataError, match=r"is no checkpoint of mobilenetv3_small_050: \d+ missing \(conv_stem"):
        read_checkpoint(path, "mobilenetv3_small_050", InputSettings(), 5)
    with pytest.raises(UsageError, match=r"timm has no 'resnet10'; similar: .*resnet10t"):
        read_checkpoint(path, "resnet10", InputSettings(), 5)
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(DataError, match=r"list\.pth is no"):
        read_checkpoint(tmp_path / "list.pth", "resnet10t", InputSettings(), 5)


def test_an_image_is_no_network(phantoms: Manifest, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not"):
        read_onnx(Path(phantoms.location(phantoms.records[0])), InputSettings())


def test_too_few_lesions(phantoms: Manifest, tmp_path: Path) -> None:
    network = read_onnx(Graph().write(tmp_path / "net.onnx"), InputSettings())
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(NAMES), encoding="utf-8")
    few = phantoms.select([phantoms.records[0].image_id])
    with pytest.raises(DataError, match="1 lesions are too few for a calibration"):
        import_network(network, labels, few, tmp_path / "bundle")

"""Fixtures: small bundles made without torch, and a small segmentation model."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lesionlab.bundle import (
    Bundle,
    BundleInfo,
    Calibration,
    Epoch,
    EvaluationSummary,
    FeatureSpace,
    GroupMetrics,
    GroupPoint,
    ImageLimits,
    LinearHead,
    OperatingPoint,
    Reference,
    ReliabilityBin,
    Roc,
    RocPoint,
    Subgroup,
    TrainingData,
    TrainingImages,
    WithinSourceAuc,
    save_bundle,
)
from lesionlab.data import Manifest
from lesionlab.images import Preprocessing
from lesionlab.metrics import Estimate
from lesionlab.segmentation import SegmentationInfo, save_segmentation
from lesionlab.taxonomy import CODES, TASKS

TINY_SIZE = 64


def _tiny_weights(classes: int) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(0)
    return {
        "scale": np.array(1 / 255, np.float32),
        "mean": np.full((1, 1, 1, 3), 0.5, np.float32),
        "std": np.full((1, 1, 1, 3), 0.5, np.float32),
        "kernel": draw.normal(0, 0.5, (8, 3, 5, 5)).astype(np.float32),
        "head": draw.normal(0, 2, (classes, 8)).astype(np.float32),
        "bias": draw.normal(0, 1, classes).astype(np.float32),
    }


def _tiny_graph(classes: int = len(CODES)) -> bytes:
    from onnx import TensorProto, helper, numpy_helper

    weights = _tiny_weights(classes)
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["float", "scale"], ["unit"]),
        helper.make_node("Sub", ["unit", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "std"], ["normalised"]),
        helper.make_node("Transpose", ["normalised"], ["channels_first"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["channels_first", "kernel"], ["convolved"], strides=[8, 8], pads=[2, 2, 2, 2]),
        helper.make_node("Relu", ["convolved"], ["feature_map"]),
        helper.make_node("GlobalAveragePool", ["feature_map"], ["pool_features"]),
        helper.make_node("Flatten", ["pool_features"], ["features"]),
        helper.make_node("Gemm", ["features", "head", "bias"], ["logits"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", TINY_SIZE, TINY_SIZE, 3])],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", classes]),
            helper.make_tensor_value_info("feature_map", TensorProto.FLOAT, ["N", 8, 8, 8]),
        ],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    data: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()
    return data


@pytest.fixture(scope="session")
def tiny_graph() -> bytes:
    """A graph with the inputs and outputs of a bundle, and random weights."""
    return _tiny_graph()


@pytest.fixture(scope="session")
def tiny_info(tiny_graph: bytes) -> BundleInfo:
    """A complete description of `tiny_graph`."""
    return BundleInfo(
        name="tiny",
        created="2025-01-31",
        classes=CODES,
        preprocessing=Preprocessing(size=TINY_SIZE),
        graph_sha256=hashlib.sha256(tiny_graph).hexdigest(),
        parameters=663,
        calibration=Calibration(temperature=1.5, images=200, ece_before=0.12, ece_after=0.03),
        operating_points=(
            OperatingPoint(
                name="95% sensitivity",
                target_sensitivity=0.95,
                threshold=0.08,
                sensitivity=0.951,
                specificity=0.62,
                ppv=0.37,
                npv=0.98,
                prevalence=0.195,
                measured_on="validation",
            ),
        ),
        training_data=TrainingData(
            manifest_sha256="a" * 64,
            split_sha256="b" * 64,
            leaky=False,
            lesions_known=True,
            images={"train": 700, "validation": 200, "test": 100},
            lesions={"train": 500, "validation": 150, "test": 75},
            classes=dict(zip(CODES, (100, 600, 50, 30, 100, 10, 10), strict=True)),
            sources=("made-up",),
        ),
        recipe={"name": "tiny"},
        metrics={"balanced_accuracy": Estimate(value=0.5, low=0.4, high=0.6)},
        versions={"onnx": "1"},
        licence="CC-BY-NC-4.0",
    )


@pytest.fixture(scope="session")
def tiny_bundle(tiny_graph: bytes, tiny_info: BundleInfo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle folder with `tiny_graph`; read-only."""
    path = tmp_path_factory.mktemp("bundle") / "tiny"
    save_bundle(path, tiny_info, tiny_graph)
    return path


@pytest.fixture(scope="session")
def tiny_reference() -> Reference:
    """Reference statistics for `tiny_graph`; it abstains from nearly uniform, very dark or very bright images."""
    weights = _tiny_weights(len(CODES))
    limits = ImageLimits(*(np.array(limit, np.float32) for limit in (40, 230, 4)))
    return Reference(head=LinearHead(weights["head"], weights["bias"]), image=limits)


@pytest.fixture(scope="session")
def tiny_whole_bundle(
    tiny_graph: bytes, tiny_info: BundleInfo, tiny_reference: Reference, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """`tiny_bundle` with reference statistics and an evaluation; read-only."""
    path = tmp_path_factory.mktemp("whole") / "tiny"
    save_bundle(path, tiny_info, tiny_graph, reference=tiny_reference, evaluation=_tiny_evaluation(tiny_info))
    return path


@pytest.fixture(scope="session")
def tiny_indexed_bundle(phantoms: Manifest, tiny_whole_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`tiny_whole_bundle` with an index of the phantoms as its training images; read-only."""
    from lesionlab.bundle.features import coordinates, pool_features, signed_sqrt
    from lesionlab.prediction.inference.preprocessing import prepare_image
    from lesionlab.prediction.inference.session import GraphSession

    whole = Bundle.load(tiny_whole_bundle)
    pixels = [prepare_image(phantoms.location(record), whole.info.preprocessing).pixels for record in phantoms]
    feature_map = GraphSession(whole, threads=1).outputs(np.stack(pixels)).feature_map
    assert feature_map is not None
    features = pool_features(feature_map)
    mean = signed_sqrt(features).mean(axis=0)
    _, _, directions = np.linalg.svd(signed_sqrt(features) - mean, full_matrices=False)
    space = FeatureSpace(mean, directions[:6].astype(np.float16), np.array(1e3, np.float32))
    cases = TrainingImages(
        coordinates(space, features)[:, :5].astype(np.float16),
        *(
            np.array([getattr(record, name).encode() for record in phantoms])
            for name in ("image_id", "lesion_id", "diagnosis")
        ),
    )
    assert whole.reference is not None
    reference, path = replace(whole.reference, features=space), tmp_path_factory.mktemp("cases") / "tiny"
    save_bundle(path, whole.info, whole.graph, reference=reference, evaluation=whole.evaluation, training_images=cases)
    return path


def _around(point: OperatingPoint) -> dict[str, tuple[float, float]]:
    names = ("sensitivity", "specificity", "ppv", "npv")
    return {name: (getattr(point, name) - 0.03, getattr(point, name) + 0.01) for name in names}


def _tiny_evaluation(info: BundleInfo) -> EvaluationSummary:
    unknown = Estimate(value=None, low=None, high=None)
    some = Estimate(value=0.5, low=0.4, high=0.6)
    curve = Roc(auc=some, points=(RocPoint(fpr=0, tpr=0), RocPoint(fpr=0.5, tpr=0.5), RocPoint(fpr=1, tpr=1)))

    def group(value: str, images: int) -> GroupMetrics:
        points = tuple(
            GroupPoint(name=p.name, target=p.target, threshold=p.threshold, sensitivity=some, specificity=unknown)
            for p in info.operating_points
        )
        return GroupMetrics(
            value=value,
            n_images=images,
            n_lesions=images // 2,
            n_positive=5,
            auc=some,
            ece=some,
            operating_points=points,
        )

    return EvaluationSummary(
        graph_sha256=info.graph_sha256,
        dataset="made-up",
        subset="test",
        unseen=True,
        leaky=False,
        date="2025-01-31",
        n_images=100,
        n_lesions=75,
        classes=info.classes,
        support={code: 10 + 30 * (code == "nv") for code in info.classes},
        confusion_matrix=tuple(
            tuple((5 + 15 * (a == "nv")) if a == b else (a == "nv") * 2 + 1 for b in info.classes) for a in info.classes
        ),
        overall={"accuracy": some, "balanced_accuracy": some, "malignant_auc": some, "melanoma_auc": unknown},
        per_class={code: {"recall": some, "precision": unknown, "auc": some} for code in info.classes},
        operating_points=tuple(
            p.model_copy(update={"measured_on": "test", "intervals": _around(p)}) for p in info.operating_points
        ),
        roc={**dict.fromkeys(info.classes, curve), "malignant": curve},
        reliability=(
            ReliabilityBin(confidence=0.45, accuracy=0.5, count=40),
            ReliabilityBin(confidence=0.9, accuracy=0.8, count=60),
        ),
        history=(
            Epoch(epoch=1, train_loss=1.5, validation_loss=1.2, validation_balanced_accuracy=0.4),
            Epoch(epoch=2, train_loss=1.0, validation_loss=None, validation_balanced_accuracy=0.5),
        ),
        by_source=(group("clinic A", 60), group("clinic B", 40)),
        by_confirmation=(group("histo", 70), group("follow_up", 30)),
        within_source_auc=(
            WithinSourceAuc(
                target=info.target,
                pooled=Estimate(value=0.9, low=0.85, high=0.95),
                within_source=Estimate(value=0.75, low=0.7, high=0.8),
                source_only=Estimate(value=0.8, low=0.75, high=0.85),
                difference=Estimate(value=0.15, low=0.1, high=0.2),
            ),
        ),
        subgroups=(
            Subgroup(
                group="sex", value="female", n_images=60, n_lesions=45, balanced_accuracy=some, malignant_auc=some
            ),
            Subgroup(group="sex", value="male", n_images=40, n_lesions=30, balanced_accuracy=some, malignant_auc=None),
        ),
    )


@pytest.fixture(scope="session")
def tiny_binary_bundle(tiny_info: BundleInfo, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that makes a bundle of a task with two classes; read-only."""
    folder = tmp_path_factory.mktemp("binary")
    graph = _tiny_graph(classes=2)

    def make(task: str) -> Path:
        changes = {
            "name": f"tiny-{task}",
            "task": task,
            "classes": TASKS[task].classes,
            "training_data": tiny_info.training_data.model_copy(update={"classes": {}}),
            "graph_sha256": hashlib.sha256(graph).hexdigest(),
            "calibration": tiny_info.calibration.model_copy(update={"offsets": (0.0, 4.75)}),
            "operating_points": [p.model_dump() | {"target": task} for p in tiny_info.operating_points],
        }
        if not (folder / task).exists():
            save_bundle(folder / task, BundleInfo.model_validate(tiny_info.model_dump() | changes), graph)
        return folder / task

    return make


@pytest.fixture(scope="session")
def tiny_bundle_of_eleven(tiny_info: BundleInfo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the task `diagnosis-11` with a head that explains it; read-only."""
    task = TASKS["diagnosis-11"]
    graph, weights = _tiny_graph(len(task.classes)), _tiny_weights(len(task.classes))
    changes = {
        "name": "tiny-eleven",
        "task": task.name,
        "classes": task.classes,
        "training_data": tiny_info.training_data.model_copy(update={"classes": dict.fromkeys(task.classes, 10)}),
        "graph_sha256": hashlib.sha256(graph).hexdigest(),
        "decision_rule": {"exponent": 1.0, "weights": [1.0 + 0.2 * index for index in range(len(task.classes))]},
    }
    info = BundleInfo.model_validate(tiny_info.model_dump() | changes)
    path = tmp_path_factory.mktemp("eleven") / "tiny"
    reference = Reference(head=LinearHead(weights["head"], weights["bias"]))
    save_bundle(path, info, graph, reference=reference, evaluation=_tiny_evaluation(info))
    return path


@pytest.fixture(scope="session")
def tiny_segmentation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A segmentation model that segments dark pixels; read-only."""
    from onnx import TensorProto, helper, numpy_helper

    numbers = {"darkest": 150.0, "slope": -0.1}
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels", "channels"], ["grey"], keepdims=0),
        helper.make_node("Sub", ["grey", "darkest"], ["lighter"]),
        helper.make_node("Mul", ["lighter", "slope"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["probability"]),
    ]
    graph = helper.make_graph(
        nodes,
        "dark",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 32, 32, 3])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["N", 32, 32])],
        [
            numpy_helper.from_array(np.array([3], np.int64), "channels"),
            *(numpy_helper.from_array(np.array(value, np.float32), name) for name, value in numbers.items()),
        ],
    )
    opsets = [helper.make_opsetid("", 18)]
    data: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()
    info = SegmentationInfo(
        name="dark",
        created="2025-01-31",
        preprocessing=Preprocessing(size=32),
        threshold=0.5,
        graph_sha256=hashlib.sha256(data).hexdigest(),
        parameters=1,
        manifest_sha256="a" * 64,
        split_sha256="b" * 64,
        images={"train": 1},
        metrics={"dice": Estimate(value=0.9, low=0.8, high=0.95)},
        versions={"onnx": "1"},
        licence="CC-BY-NC-4.0",
    )
    folder = tmp_path_factory.mktemp("segmentation")
    save_segmentation(info, data, folder)
    return folder

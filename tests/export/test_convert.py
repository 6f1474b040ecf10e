"""Conversion of bundles."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lesionlab.bundle import Bundle
from lesionlab.data import Manifest
from lesionlab.errors import BundleError, LesionlabError, UsageError
from lesionlab.export import convert as converting
from lesionlab.export.convert import (
    AcceptanceData,
    acceptance_data,
    calibration_locations,
    convert_bundle,
    synthetic_acceptance_data,
)
from lesionlab.export.formats import FORMATS
from lesionlab.export.formats.litert import PYTHON
from lesionlab.prediction import Predictor
from lesionlab.runs import RunFolder


@pytest.fixture
def data(tiny_run: RunFolder, phantoms: Manifest) -> AcceptanceData:
    return acceptance_data(Bundle.load(tiny_run.path).info, phantoms)


@pytest.fixture
def constant_latency(monkeypatch: pytest.MonkeyPatch) -> None:
    """The latency of a tiny network is noise: each conversion takes 0.9 of the FP32 graph's time."""
    monkeypatch.setattr(converting, "time_alternately", lambda *_: np.tile([0.010, 0.009], (40, 1)))


@pytest.fixture
def any_accuracy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The accuracy of an untrained network on a dozen images is noise."""
    monkeypatch.setattr("lesionlab.export.acceptance.MAX_ACCURACY_LOSS", 1.0)
    monkeypatch.setattr("lesionlab.export.acceptance.MAX_ABSTENTION_LOSS", 1.0)


@pytest.mark.usefixtures("constant_latency")
def test_fp16_keeps_the_description(tiny_run: RunFolder, data: AcceptanceData, tmp_path: Path) -> None:
    before = Bundle.load(tiny_run.path)
    (found,) = convert_bundle(before, [FORMATS["onnx-fp16"]], tmp_path, data, threads=1)
    assert found.passed
    assert found.images == len(data.images)
    after = Bundle.load(tmp_path / "onnx-fp16")
    assert after.info.graph.dtype == "float16"
    assert after.info.graph.converted_from == before.info.graph_sha256
    assert after.info.calibration == before.info.calibration
    assert after.info.operating_points == before.info.operating_points
    assert after.explainable == before.explainable
    assert after.evaluation is None
    image = data.images.location(data.images.records[0])
    one, other = (Predictor.load(bundle, threads=1).predict(image) for bundle in (before, after))
    assert one.probabilities == pytest.approx(other.probabilities, abs=0.02)
    assert json.loads((tmp_path / "onnx-fp16" / "conversion.json").read_text()) == found.model_dump(mode="json")


@pytest.mark.slow
@pytest.mark.usefixtures("constant_latency", "any_accuracy")
def test_int8_is_calibrated_again(tiny_run: RunFolder, data: AcceptanceData, tmp_path: Path) -> None:
    before = Bundle.load(tiny_run.path)
    (found,) = convert_bundle(before, [FORMATS["onnx-int8"]], tmp_path, data, threads=1)
    assert found.passed
    after = Bundle.load(tmp_path / "onnx-int8")
    assert after.info.calibration.images == len(data.images)
    assert after.info.calibration != before.info.calibration
    assert after.info.metrics == {}
    assert {point.measured_on for point in after.info.operating_points} <= {"validation"}
    assert after.reference is not None
    assert before.reference is not None
    assert after.reference.features is not None
    assert before.reference.features is not None
    np.testing.assert_array_equal(after.reference.features.basis, before.reference.features.basis)
    assert after.reference.features.limit != before.reference.features.limit
    # The head stays in FP32: the class activation map remains exact.
    predictor = Predictor.load(after, threads=1)
    assert predictor.explainable == before.explainable


@pytest.mark.usefixtures("constant_latency")
def test_a_rejected_model_is_removed(
    tiny_run: RunFolder, data: AcceptanceData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(FORMATS["onnx-fp16"]), "max_latency", 0.5)
    (found,) = convert_bundle(Bundle.load(tiny_run.path), [FORMATS["onnx-fp16"]], tmp_path, data, threads=1)
    assert found.failures == ("latency is 0.90 times that of FP32 (limit 0.5)",)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("constant_latency")
def test_only_an_earlier_conversion_is_replaced(tiny_run: RunFolder, data: AcceptanceData, tmp_path: Path) -> None:
    bundle, forms = Bundle.load(tiny_run.path), [FORMATS["onnx-fp16"]]
    (tmp_path / "onnx-fp16").mkdir()
    (tmp_path / "onnx-fp16" / "thesis.txt").write_text("years of work")
    with pytest.raises(LesionlabError, match="exists and is no converted model"):
        convert_bundle(bundle, forms, tmp_path, data, threads=1)
    (tmp_path / "onnx-fp16" / "thesis.txt").rename(tmp_path / "onnx-fp16" / "conversion.json")
    convert_bundle(bundle, forms, tmp_path, data, threads=1)
    assert [path.name for path in tmp_path.iterdir()] == ["onnx-fp16"]
    converted = Bundle.load(tmp_path / "onnx-fp16")
    with pytest.raises(UsageError, match="is a converted bundle"):
        convert_bundle(converted, forms, tmp_path, data, threads=1)


def test_another_dataset_is_an_error(tiny_run: RunFolder, phantoms: Manifest) -> None:
    fewer = Manifest(phantoms.root, phantoms.records[:60])
    with pytest.raises(UsageError, match="was trained on another dataset"):
        acceptance_data(Bundle.load(tiny_run.path).info, fewer)


def test_int8_needs_training_images(tiny_run: RunFolder, phantoms: Manifest, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name their folder with --data"):
        convert_bundle(
            Bundle.load(tiny_run.path), [FORMATS["onnx-int8"]], tmp_path, AcceptanceData("synthetic images", phantoms)
        )


@pytest.mark.slow
@pytest.mark.usefixtures("constant_latency")
def test_parity_is_measured_on_synthetic_images(tiny_run: RunFolder, tmp_path: Path) -> None:
    with synthetic_acceptance_data() as images:
        (found,) = convert_bundle(Bundle.load(tiny_run.path), [FORMATS["onnx-fp16"]], tmp_path, images, threads=1)
    assert found.passed
    assert (found.evaluated_on, found.balanced_accuracy) == ("synthetic images", None)


def test_calibration_images_cover_every_class(tiny_run: RunFolder, data: AcceptanceData) -> None:
    train = data.train
    assert train is not None
    locations = calibration_locations(train, Bundle.load(tiny_run.path).info, per_class=3)
    records = {train.location(record): record for record in train}
    chosen = [records[location] for location in locations]
    assert len({record.lesion_id for record in chosen}) == len(chosen)
    assert {record.diagnosis for record in chosen} == {record.diagnosis for record in train}
    assert max(sum(r.diagnosis == code for r in chosen) for code in {r.diagnosis for r in chosen}) <= 3


@pytest.mark.slow
@pytest.mark.usefixtures("constant_latency")
@pytest.mark.parametrize(
    ("name", "needs"), [("onnx-fp16", "onnx"), ("openvino", "openvino"), ("litert", "ai_edge_litert")]
)
def test_the_script_matches_the_predictor(
    name: str, needs: str, tiny_run: RunFolder, data: AcceptanceData, tmp_path: Path
) -> None:
    pytest.importorskip(needs, reason=f"{needs} is not installed")
    if name == "litert" and PYTHON not in os.environ:
        pytest.skip(f"{PYTHON} does not name a Python with litert-torch")
    (found,) = convert_bundle(Bundle.load(tiny_run.path), [FORMATS[name]], tmp_path, data, threads=1)
    assert found.passed
    if name != "onnx-fp16":
        with pytest.raises(BundleError, match=r"its README\.md explains how"):
            Bundle.load(tmp_path / name)
    program = (tmp_path / name / "README.md").read_text().split("```python\n")[1].split("```")[0]
    assert program == (tmp_path / name / "predict.py").read_text()
    image = data.images.location(data.images.records[0])
    # Simulates an environment without lesionlab.
    start = "import runpy, sys; sys.modules['lesionlab'] = None; sys.argv[:] = sys.argv[1:]; "
    command = [sys.executable, "-c", start + "runpy.run_path(sys.argv[0], run_name='__main__')"]
    done = subprocess.run([*command, tmp_path / name / "predict.py", image], capture_output=True, text=True, check=True)
    printed = [line.split() for line in done.stdout.splitlines() if line.startswith("  ")]
    prediction = Predictor.load(tiny_run.path, threads=1).predict(image)
    assert {code: float(value) for code, value in printed} == pytest.approx(prediction.probabilities, abs=1e-3)
    assert f"balanced prediction: {prediction.balanced_prediction}\n" in done.stdout
    assert "research" in done.stdout.lower()

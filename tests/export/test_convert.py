"""From a bundle to converted models that may be shipped."""

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
    Examination,
    calibration_places,
    convert_bundle,
    examination,
    phantom_examination,
)
from lesionlab.export.formats import FORMATS
from lesionlab.export.formats.litert import PYTHON
from lesionlab.prediction import Predictor
from lesionlab.runs import RunFolder


@pytest.fixture
def judged_by(tiny_run: RunFolder, phantoms: Manifest) -> Examination:
    return examination(Bundle.load(tiny_run.path).info, phantoms)


@pytest.fixture
def equally_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tiny network says nothing of speed: everything takes nine tenths of the FP32 graph's time."""
    monkeypatch.setattr(converting, "time_in_turn", lambda *_: np.tile([0.010, 0.009], (40, 1)))


@pytest.fixture
def any_accuracy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dozen images of an untrained network say nothing of accuracy either."""
    monkeypatch.setattr("lesionlab.export.acceptance.LARGEST_LOSS", 1.0)
    monkeypatch.setattr("lesionlab.export.acceptance.LARGEST_ABSTENTION_LOSS", 1.0)


@pytest.mark.usefixtures("equally_quick")
def test_half_precision_is_a_bundle_that_keeps_its_description(
    tiny_run: RunFolder, judged_by: Examination, tmp_path: Path
) -> None:
    before = Bundle.load(tiny_run.path)
    (found,) = convert_bundle(before, [FORMATS["onnx-fp16"]], tmp_path, judged_by, threads=1)
    assert found.passed
    assert found.images == len(judged_by.images)
    after = Bundle.load(tmp_path / "onnx-fp16")
    assert after.info.graph.dtype == "float16"
    assert after.info.graph.converted_from == before.info.graph_sha256
    assert after.info.calibration == before.info.calibration
    assert after.info.operating_points == before.info.operating_points
    assert after.explainable == before.explainable
    assert after.evaluation is None
    image = judged_by.images.location(judged_by.images.records[0])
    one, other = (Predictor.load(bundle, threads=1).predict(image) for bundle in (before, after))
    assert one.probabilities == pytest.approx(other.probabilities, abs=0.02)
    assert json.loads((tmp_path / "onnx-fp16" / "conversion.json").read_text()) == found.model_dump(mode="json")


@pytest.mark.usefixtures("equally_quick", "any_accuracy")
def test_eight_bits_are_calibrated_anew(tiny_run: RunFolder, judged_by: Examination, tmp_path: Path) -> None:
    before = Bundle.load(tiny_run.path)
    (found,) = convert_bundle(before, [FORMATS["onnx-int8"]], tmp_path, judged_by, threads=1)
    assert found.passed
    after = Bundle.load(tmp_path / "onnx-int8")
    assert after.info.calibration.images == len(judged_by.images)
    assert after.info.calibration != before.info.calibration
    assert after.info.metrics == {}
    assert {point.measured_on for point in after.info.operating_points} <= {"validation"}
    assert after.reference is not None
    assert before.reference is not None
    assert after.reference.features is not None
    assert before.reference.features is not None
    np.testing.assert_array_equal(after.reference.features.basis, before.reference.features.basis)
    assert after.reference.features.limit != before.reference.features.limit
    # The head stays in 32 bits, so that a map explains an answer as exactly as before.
    predictor = Predictor.load(after, threads=1)
    assert predictor.explainable == before.explainable


@pytest.mark.usefixtures("equally_quick")
def test_what_fails_is_not_left_in_place(
    tiny_run: RunFolder, judged_by: Examination, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(FORMATS["onnx-fp16"]), "slowest", 0.5)
    (found,) = convert_bundle(Bundle.load(tiny_run.path), [FORMATS["onnx-fp16"]], tmp_path, judged_by, threads=1)
    assert found.failures == ("one image takes 0.90 times as long (limit 0.5)",)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("equally_quick")
def test_an_earlier_conversion_is_replaced_and_nothing_else(
    tiny_run: RunFolder, judged_by: Examination, tmp_path: Path
) -> None:
    bundle, forms = Bundle.load(tiny_run.path), [FORMATS["onnx-fp16"]]
    (tmp_path / "onnx-fp16").mkdir()
    (tmp_path / "onnx-fp16" / "thesis.txt").write_text("years of work")
    with pytest.raises(LesionlabError, match="exists and is no converted model"):
        convert_bundle(bundle, forms, tmp_path, judged_by, threads=1)
    (tmp_path / "onnx-fp16" / "thesis.txt").rename(tmp_path / "onnx-fp16" / "conversion.json")
    convert_bundle(bundle, forms, tmp_path, judged_by, threads=1)
    assert [path.name for path in tmp_path.iterdir()] == ["onnx-fp16"]
    converted = Bundle.load(tmp_path / "onnx-fp16")
    with pytest.raises(UsageError, match="was converted already"):
        convert_bundle(converted, forms, tmp_path, judged_by, threads=1)


def test_another_dataset_is_refused(tiny_run: RunFolder, phantoms: Manifest) -> None:
    fewer = Manifest(phantoms.root, phantoms.records[:60])
    with pytest.raises(UsageError, match="was trained on other data"):
        examination(Bundle.load(tiny_run.path).info, fewer)


def test_phantoms_cannot_teach_eight_bits(tiny_run: RunFolder, phantoms: Manifest, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name them with --data"):
        convert_bundle(Bundle.load(tiny_run.path), [FORMATS["onnx-int8"]], tmp_path, Examination("phantoms", phantoms))


@pytest.mark.slow
@pytest.mark.usefixtures("equally_quick")
def test_without_the_data_phantoms_tell_parity(tiny_run: RunFolder, tmp_path: Path) -> None:
    with phantom_examination() as images:
        (found,) = convert_bundle(Bundle.load(tiny_run.path), [FORMATS["onnx-fp16"]], tmp_path, images, threads=1)
    assert found.passed
    assert (found.evaluated_on, found.balanced_accuracy) == ("phantoms", None)


def test_ranges_are_learnt_of_training_lesions_of_every_class(tiny_run: RunFolder, judged_by: Examination) -> None:
    train = judged_by.train
    assert train is not None
    places = calibration_places(train, Bundle.load(tiny_run.path).info, per_class=3)
    records = {train.location(record): record for record in train}
    chosen = [records[place] for place in places]
    assert len({record.lesion_id for record in chosen}) == len(chosen)
    assert {record.diagnosis for record in chosen} == {record.diagnosis for record in train}
    assert max(sum(r.diagnosis == code for r in chosen) for code in {r.diagnosis for r in chosen}) <= 3


@pytest.mark.slow
@pytest.mark.usefixtures("equally_quick")
@pytest.mark.parametrize(
    ("name", "needs"), [("onnx-fp16", "onnx"), ("openvino", "openvino"), ("litert", "ai_edge_litert")]
)
def test_the_program_in_the_folder_answers_as_the_predictor(
    name: str, needs: str, tiny_run: RunFolder, judged_by: Examination, tmp_path: Path
) -> None:
    pytest.importorskip(needs, reason=f"{needs} is not installed")
    if name == "litert" and PYTHON not in os.environ:
        pytest.skip(f"{PYTHON} does not name a Python with litert-torch")
    (found,) = convert_bundle(Bundle.load(tiny_run.path), [FORMATS[name]], tmp_path, judged_by, threads=1)
    assert found.passed
    if name != "onnx-fp16":
        with pytest.raises(BundleError, match=r"its README\.md says how to run it"):
            Bundle.load(tmp_path / name)
    program = (tmp_path / name / "README.md").read_text().split("```python\n")[1].split("```")[0]
    assert program == (tmp_path / name / "predict.py").read_text()
    image = judged_by.images.location(judged_by.images.records[0])
    # As where lesionlab is not installed.
    start = "import runpy, sys; sys.modules['lesionlab'] = None; sys.argv[:] = sys.argv[1:]; "
    command = [sys.executable, "-c", start + "runpy.run_path(sys.argv[0], run_name='__main__')"]
    done = subprocess.run([*command, tmp_path / name / "predict.py", image], capture_output=True, text=True, check=True)
    said = [line.split() for line in done.stdout.splitlines() if line.startswith("  ")]
    wanted = Predictor.load(tiny_run.path, threads=1).predict(image)
    assert {code: float(value) for code, value in said} == pytest.approx(wanted.probabilities, abs=1e-3)
    assert f"answer: {wanted.top[0].code}\n" in done.stdout
    assert "research" in done.stdout.lower()

"""The bundle of a run: its hashes, its calibration, and thresholds that keep what they promise."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import log_loss

from lesionlab.bundle import Bundle, Calibration, CurvePoint, DecisionRule, OperatingPoint
from lesionlab.data import Manifest
from lesionlab.errors import DataError, ImageError
from lesionlab.export import bundle as export
from lesionlab.export import export_run
from lesionlab.metrics import softmax
from lesionlab.prediction import Predictor
from lesionlab.recipes import InferenceSettings, Recipe
from lesionlab.runs import RunFolder
from lesionlab.taxonomy import CODES, DIAGNOSIS, MALIGNANT, TASKS


@pytest.fixture(scope="module")
def bundle(tiny_run: RunFolder) -> Bundle:
    return Bundle.load(tiny_run.path)


@pytest.fixture(scope="module")
def validation(tiny_run: RunFolder) -> Manifest:
    return tiny_run.manifest().select(tiny_run.split().parts()["validation"])


@pytest.fixture(scope="module")
def logits(bundle: Bundle, validation: Manifest) -> np.ndarray:
    return Predictor.load(bundle).predict_logits([validation.location(record) for record in validation])


@pytest.fixture
def copied(tiny_run: RunFolder, tmp_path: Path) -> RunFolder:
    """A copy of the run that a test may spoil."""
    shutil.copytree(tiny_run.path, tmp_path / "copy")
    return RunFolder(tmp_path / "copy")


def test_it_says_what_the_model_is(bundle: Bundle, tiny_run: RunFolder, phantoms: Manifest) -> None:
    info, recipe, split = bundle.info, tiny_run.recipe(), tiny_run.split()
    assert info.classes == CODES
    assert info.name == recipe.name
    assert info.licence == recipe.licence
    assert Recipe.model_validate(info.recipe) == recipe
    assert info.graph_sha256 == hashlib.sha256(bundle.graph).hexdigest()
    assert (info.preprocessing.size, info.preprocessing.mean) == (recipe.input.size, recipe.input.mean)
    data = info.training_data
    assert (data.manifest_sha256, data.split_sha256) == (phantoms.sha256, split.sha256)
    assert (data.leaky, data.lesions_known, data.sources) == (False, True, ("phantom",))
    assert data.images == {part: len(ids) for part, ids in split.parts().items()}
    assert sum(data.lesions.values()) == phantoms.lesion_count
    assert info.versions["starting weights"] == "random"
    assert info.metrics == {}


def test_the_temperature_never_makes_the_likelihood_worse(
    bundle: Bundle, logits: np.ndarray, validation: Manifest
) -> None:
    calibration = bundle.info.calibration
    assert calibration.images == len(validation)
    labels = [CODES.index(record.diagnosis) for record in validation]

    def loss(temperature: float) -> float:
        return float(log_loss(labels, softmax(logits, temperature), labels=range(7)))

    assert loss(calibration.temperature) <= loss(1.0)
    for factor in (0.9, 1.1):
        assert loss(calibration.temperature) <= loss(calibration.temperature * factor)


def test_an_exponent_lifts_rare_classes_in_the_answer_alone(validation: Manifest) -> None:
    logits = np.random.default_rng(0).normal(0, 1, (len(validation), 7))
    plain, lifted = (
        export.fit_on_validation(logits, validation, validation, InferenceSettings(prior_exponent=exponent), DIAGNOSIS)
        for exponent in (0.0, 1.0)
    )
    assert plain["calibration"] == lifted["calibration"]
    assert (plain["decision"].exponent, plain["decision"].weights) == (0, ())
    frequencies = np.array(list(validation.counts().values())) / len(validation)
    rule = lifted["decision"]
    np.testing.assert_allclose(rule.weights, 1 / frequencies, rtol=1e-4)
    # The least certain 2 % are refused, by the score that the rule goes by.
    certainty = rule.scores(lifted["calibration"].probabilities(logits)).max(axis=1)
    assert 0 <= (certainty < rule.min_confidence).mean() <= 0.02


@pytest.mark.parametrize(("target", "classes"), [("malignant", MALIGNANT), ("melanoma", ("mel",))])
def test_thresholds_reach_their_sensitivity_on_validation(
    bundle: Bundle, logits: np.ndarray, validation: Manifest, target: str, classes: tuple[str, ...]
) -> None:
    probabilities = bundle.info.calibration.probabilities(logits)
    scores = probabilities[:, [CODES.index(code) for code in classes]].sum(axis=1)
    positive = np.array([record.diagnosis in classes for record in validation])
    points = [point for point in bundle.info.operating_points if point.target == target]
    prefix = "" if target == "malignant" else "melanoma_"
    found = [(point.name, point.target_sensitivity) for point in points]
    expected = [(f"{prefix}sensitivity_90", 0.9), (f"{prefix}sensitivity_95", 0.95)]
    # This network has learnt so little of melanoma that its thresholds call every image; such a one is left out.
    everything = scores[positive].min() == scores.min()
    assert found == expected or (everything and found == [])
    (curve,) = (curve for curve in bundle.info.sensitivity_curves if curve.target == target)
    assert curve.prevalence == pytest.approx(positive.mean())
    on_curve = [curve.reaching(target) for target in (0.5, 0.803, 0.99)]
    assert [found.target_sensitivity if found else None for found in on_curve] == [0.5, 0.81, 0.99]
    assert curve.reaching(0.995) is None
    stated: list[OperatingPoint | CurvePoint] = [*points, *(found for found in on_curve if found)]
    for point in stated:
        # The threshold is one of the scores: half a rounding error below it is on the same side.
        called = scores >= point.threshold - 1e-12
        assert called[positive].mean() == pytest.approx(point.sensitivity)
        assert point.sensitivity >= point.target_sensitivity
        assert 1 - called[~positive].mean() == pytest.approx(point.specificity)
        # No larger threshold would do.
        above = scores > point.threshold + 1e-12
        assert above[positive].mean() < point.target_sensitivity
    for point in points:
        assert positive.mean() == pytest.approx(point.prevalence)
        assert point.measured_on == "validation"


@pytest.mark.slow
def test_a_second_export_is_the_same_model(copied: RunFolder, bundle: Bundle, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    place = tmp_path / "model.zip"
    returned = export_run(copied, out=place, progress=lambda done, total: seen.append((done, total)))
    loaded = Bundle.load(place)
    assert returned.info == loaded.info == bundle.info
    assert loaded.graph == bundle.graph
    data = bundle.info.training_data.images
    assert seen[-1] == (data["train"] + data["validation"],) * 2


def test_the_dataset_may_have_moved(
    copied: RunFolder, phantoms: Manifest, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "export_graph", lambda *_: bundle.graph)  # takes seconds
    shutil.copytree(phantoms.root, tmp_path / "moved")
    copied.save_record(copied.record().model_copy(update={"data_root": str(tmp_path / "gone")}))
    with pytest.raises(ImageError, match=r"gone.*\.jpg: no such file"):
        export_run(copied)
    assert Bundle.load(copied.path).info == bundle.info  # the one that was there is kept
    assert export_run(copied, data_root=tmp_path / "moved").info == bundle.info


def test_a_run_that_is_not_whole_is_refused(copied: RunFolder, tmp_path: Path) -> None:
    copied.save_record(copied.record().model_copy(update={"finished": False}))
    with pytest.raises(DataError, match="is not finished; run the same `lesionlab train` command again"):
        export_run(copied)
    copied.save_record(copied.record().model_copy(update={"finished": True}))
    copied.best.write_bytes(copied.best.read_bytes()[:100])
    with pytest.raises(DataError, match=r"weights .*best\.safetensors cannot be read"):
        export_run(copied)
    with pytest.raises(DataError, match="is not a run folder"):
        export_run(RunFolder(tmp_path))


def test_a_threshold_that_calls_every_image_is_no_operating_point(
    validation: Manifest, caplog: pytest.LogCaptureFixture
) -> None:
    fitted = export.fit_on_validation(
        np.zeros((len(validation), 7)), validation, validation, InferenceSettings(), DIAGNOSIS
    )
    assert fitted["operating_points"] == ()
    assert "no operating point for 95% sensitivity" in caplog.text


@pytest.mark.parametrize("name", ["malignant", "melanoma"])
def test_two_classes_are_calibrated_and_judged_by_the_second(phantoms: Manifest, name: str) -> None:
    task = TASKS[name]
    sought = np.array([record.diagnosis in task.members[1] for record in phantoms])
    logits = np.random.default_rng(0).normal(0, 2, (len(phantoms), 2))
    logits[:, 1] += 3 * sought
    settings = InferenceSettings(prior_exponent=1.0, calibration="temperature")
    fitted = export.fit_on_validation(logits, phantoms, phantoms, settings, task)
    calibration = fitted["calibration"]
    assert isinstance(calibration, Calibration)
    decision = fitted["decision"]
    assert isinstance(decision, DecisionRule)
    np.testing.assert_allclose(decision.weights, [1 / (1 - sought.mean()), 1 / sought.mean()], rtol=1e-4)
    scores = calibration.probabilities(logits)[:, 1]
    points = fitted["operating_points"]
    assert isinstance(points, tuple)
    assert [point.name for point in points] == ["sensitivity_90", "sensitivity_95"]
    for point in points:
        called = scores >= point.threshold - 1e-12
        assert called[sought].mean() == pytest.approx(point.sensitivity)
        assert point.sensitivity >= point.target_sensitivity
        assert 1 - called[~sought].mean() == pytest.approx(point.specificity)
        assert sought.mean() == pytest.approx(point.prevalence)

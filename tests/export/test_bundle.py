"""The bundle of a run: hashes, calibration and operating points."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import log_loss

from lesionlab.bundle import Bundle, Calibration, CurvePoint, DecisionRule, OperatingPoint, save_bundle
from lesionlab.data import Manifest
from lesionlab.errors import DataError, ImageError
from lesionlab.evaluation import evaluate_run
from lesionlab.export import bundle as export
from lesionlab.export import export_run
from lesionlab.export.fit import fit_on_validation
from lesionlab.metrics import softmax
from lesionlab.prediction import Predictor
from lesionlab.recipes import InferenceSettings, Recipe
from lesionlab.results import Prediction
from lesionlab.runs import RunFolder
from lesionlab.taxonomy import CODES, DIAGNOSIS, TASKS, Task
from lesionlab.training import train_recipe


@pytest.fixture(scope="module")
def bundle(tiny_run: RunFolder) -> Bundle:
    return Bundle.load(tiny_run.path)


@pytest.fixture(scope="module")
def validation(tiny_run: RunFolder) -> Manifest:
    return tiny_run.manifest().select(tiny_run.split().subsets()["validation"])


@pytest.fixture(scope="module")
def logits(bundle: Bundle, validation: Manifest) -> np.ndarray:
    return Predictor.load(bundle).predict_logits([validation.location(record) for record in validation])


@pytest.fixture
def copied(tiny_run: RunFolder, tmp_path: Path) -> RunFolder:
    """A copy of the run that a test may change."""
    shutil.copytree(tiny_run.path, tmp_path / "copy")
    return RunFolder(tmp_path / "copy")


def test_the_description_matches_the_run(bundle: Bundle, tiny_run: RunFolder, phantoms: Manifest) -> None:
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
    assert data.images == {part: len(ids) for part, ids in split.subsets().items()}
    assert sum(data.lesions.values()) == phantoms.lesion_count
    assert info.versions["starting weights"] == "random"
    assert info.metrics == {}


def test_the_temperature_minimises_the_negative_log_likelihood(
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


def test_the_exponent_changes_the_decision_rule_only(validation: Manifest) -> None:
    logits = np.random.default_rng(0).normal(0, 1, (len(validation), 7))
    plain, weighted = (
        fit_on_validation(logits, validation, validation, InferenceSettings(prior_exponent=exponent), DIAGNOSIS)
        for exponent in (0.0, 1.0)
    )
    assert plain["calibration"] == weighted["calibration"]
    assert (plain["decision_rule"].exponent, plain["decision_rule"].weights) == (0, ())
    frequencies = np.array(list(validation.counts().values())) / len(validation)
    rule = weighted["decision_rule"]
    np.testing.assert_allclose(rule.weights, 1 / frequencies, rtol=1e-4)
    # The model abstains on the images with the lowest score of the rule.
    confidence = rule.scores(weighted["calibration"].probabilities(logits)).max(axis=1)
    assert 0 <= (confidence < rule.min_confidence).mean() <= rule.abstention_share == 0.005


@pytest.mark.parametrize(("target", "classes"), [("malignant", DIAGNOSIS.malignant), ("melanoma", ("mel",))])
def test_thresholds_reach_their_sensitivity_on_validation(
    bundle: Bundle, logits: np.ndarray, validation: Manifest, target: str, classes: tuple[str, ...]
) -> None:
    probabilities = bundle.info.calibration.probabilities(logits)
    scores = probabilities[:, [CODES.index(code) for code in classes]].sum(axis=1)
    positive = np.array([record.diagnosis in classes for record in validation])
    points = [point for point in bundle.info.operating_points if point.target == target]
    found = [(point.name, point.target_sensitivity) for point in points]
    expected = [("90% sensitivity", 0.9), ("95% sensitivity", 0.95)]
    # The thresholds of this barely trained network may make every image positive; such points are left out.
    all_positive = scores[positive].min() == scores.min()
    assert found == expected or (all_positive and found == [])
    (curve,) = (curve for curve in bundle.info.sensitivity_curves if curve.target == target)
    assert curve.prevalence == pytest.approx(positive.mean())
    on_curve = [curve.reaching(target) for target in (0.5, 0.803, 0.99)]
    assert [found.target_sensitivity if found else None for found in on_curve] == [0.5, 0.81, 0.99]
    assert curve.reaching(0.995) is None
    documented: list[OperatingPoint | CurvePoint] = [*points, *(found for found in on_curve if found)]
    for point in documented:
        # The threshold is one of the scores; the tolerance allows for rounding.
        called = scores >= point.threshold - 1e-12
        assert called[positive].mean() == pytest.approx(point.sensitivity)
        assert point.sensitivity >= point.target_sensitivity
        assert 1 - called[~positive].mean() == pytest.approx(point.specificity)
        # The threshold is the largest with this sensitivity.
        above = scores > point.threshold + 1e-12
        assert above[positive].mean() < point.target_sensitivity
    for point in points:
        assert positive.mean() == pytest.approx(point.prevalence)
        assert point.measured_on == "validation"


@pytest.mark.slow
def test_a_second_export_is_equal(copied: RunFolder, bundle: Bundle, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    path = tmp_path / "model.zip"
    returned = export_run(copied, out=path, progress=lambda done, total: calls.append((done, total)))
    loaded = Bundle.load(path)
    assert returned.info == loaded.info == bundle.info
    assert loaded.graph == bundle.graph
    data = bundle.info.training_data.images
    assert calls[-1] == (data["train"] + data["validation"],) * 2


def test_the_dataset_may_have_moved(
    copied: RunFolder, phantoms: Manifest, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "export_graph", lambda *_: bundle.graph)  # takes seconds
    shutil.copytree(phantoms.root, tmp_path / "moved")
    copied.save_record(copied.record().model_copy(update={"data_root": str(tmp_path / "gone")}))
    with pytest.raises(ImageError, match=r"gone.*\.jpg: no such file"):
        export_run(copied)
    assert Bundle.load(copied.path).info == bundle.info  # the existing bundle is kept
    assert export_run(copied, data_root=tmp_path / "moved").info == bundle.info


def test_an_incomplete_run_is_an_error(copied: RunFolder, tmp_path: Path) -> None:
    copied.save_record(copied.record().model_copy(update={"finished": False}))
    with pytest.raises(DataError, match="is not finished; run the same `lesionlab train` command again"):
        export_run(copied)
    copied.save_record(copied.record().model_copy(update={"finished": True}))
    copied.best.write_bytes(copied.best.read_bytes()[:100])
    with pytest.raises(DataError, match=r"weights .*best\.safetensors cannot be read"):
        export_run(copied)
    with pytest.raises(DataError, match="is not a run folder"):
        export_run(RunFolder(tmp_path))


def test_a_threshold_that_makes_every_image_positive_is_left_out(
    validation: Manifest, caplog: pytest.LogCaptureFixture
) -> None:
    fitted = fit_on_validation(np.zeros((len(validation), 7)), validation, validation, InferenceSettings(), DIAGNOSIS)
    assert fitted["operating_points"] == ()
    assert "no operating point for 95% sensitivity" in caplog.text


@pytest.mark.parametrize("name", ["malignant", "melanoma"])
def test_binary_tasks_are_fitted_on_the_positive_class(phantoms: Manifest, name: str) -> None:
    task = TASKS[name]
    positive = np.array([record.diagnosis in task.members[1] for record in phantoms])
    logits = np.random.default_rng(0).normal(0, 2, (len(phantoms), 2))
    logits[:, 1] += 3 * positive
    settings = InferenceSettings(prior_exponent=1.0, calibration="temperature")
    fitted = fit_on_validation(logits, phantoms, phantoms, settings, task)
    calibration = fitted["calibration"]
    assert isinstance(calibration, Calibration)
    decision = fitted["decision_rule"]
    assert isinstance(decision, DecisionRule)
    np.testing.assert_allclose(decision.weights, [1 / (1 - positive.mean()), 1 / positive.mean()], rtol=1e-4)
    scores = calibration.probabilities(logits)[:, 1]
    points = fitted["operating_points"]
    assert isinstance(points, tuple)
    assert [point.name for point in points] == ["90% sensitivity", "95% sensitivity"]
    for point in points:
        called = scores >= point.threshold - 1e-12
        assert called[positive].mean() == pytest.approx(point.sensitivity)
        assert point.sensitivity >= point.target_sensitivity
        assert 1 - called[~positive].mean() == pytest.approx(point.specificity)
        assert positive.mean() == pytest.approx(point.prevalence)


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e3, 1e17, -1e3])
def test_every_fit_gives_a_bundle_that_loads_and_predicts(
    bundle: Bundle, phantoms: Manifest, tmp_path: Path, task: Task, scale: float
) -> None:
    """From constant over perfect to absurd outputs: thresholds and temperatures at their bounds are valid."""
    logits = scale * np.eye(len(task.classes))[[task.index(record.diagnosis) for record in phantoms]]
    fitted = fit_on_validation(logits, phantoms, phantoms, InferenceSettings(), task)
    changes: dict[str, object] = {
        "task": task.name,
        "classes": task.classes,
        "recipe": {},
        "metrics": {},
        "crop": None,
        "evaluation": None,
    }
    data = bundle.info.training_data.model_copy(update={"classes": {}})
    info = bundle.info.model_copy(update={**changes, **fitted, "training_data": data})
    saved = save_bundle(tmp_path / "bundle", info.model_copy(update={"evaluation_sha256": None}), bundle.graph)
    assert Bundle.load(saved.path).info.calibration == fitted["calibration"]
    probabilities = fitted["calibration"].probabilities(logits)
    assert np.isfinite(fitted["decision_rule"].scores(probabilities)).all()


def test_a_perfect_validation_subset_leaves_a_model_that_does_not_always_abstain(phantoms: Manifest) -> None:
    logits = 1e3 * np.eye(7)[[DIAGNOSIS.index(record.diagnosis) for record in phantoms]]
    rule = fit_on_validation(logits, phantoms, phantoms, InferenceSettings(), DIAGNOSIS)["decision_rule"]
    assert rule.min_confidence < 1


def test_outputs_that_are_no_numbers_are_an_error(phantoms: Manifest) -> None:
    logits = np.zeros((len(phantoms), 7))
    logits[3, 2] = np.nan
    with pytest.raises(DataError, match="are not finite numbers: the training diverged"):
        fit_on_validation(logits, phantoms, phantoms, InferenceSettings(), DIAGNOSIS)


@pytest.mark.slow
def test_a_diverged_but_finite_run_loads_predicts_and_evaluates(
    make_recipe: Callable[..., Recipe], phantoms: Manifest, tmp_path: Path
) -> None:
    recipe = make_recipe("training.epochs=1", "optimizer.learning_rate=30", "optimizer.gradient_clip=0")
    run = train_recipe(recipe, phantoms, tmp_path / "run")
    export_run(run)
    images = Predictor.load(run.bundle).predict_many([phantoms.location(record) for record in phantoms][:3])
    assert all(abs(sum(found.probabilities.values()) - 1) < 1e-6 for found in images if isinstance(found, Prediction))
    assert evaluate_run(run, resamples=20).evaluated.summary.n_images > 0

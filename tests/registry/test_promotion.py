"""Promotion: paired, by source, rejected when worse; and rollback."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lesionlab import RESEARCH_ONLY
from lesionlab.bundle import Bundle, SeenImages
from lesionlab.data import Manifest
from lesionlab.errors import UsageError
from lesionlab.evaluation.predictions import EvaluatedModel, Predictions
from lesionlab.prediction import Predictor
from lesionlab.registry import Registry, check_promotion, promote, rollback
from lesionlab.registry.criteria import accepted
from lesionlab.taxonomy import CODES, DIAGNOSIS

pytestmark = pytest.mark.slow

SOURCES = ("clinic-a", "clinic-b")


def predictions(name: str, correct: np.ndarray) -> Predictions:
    """Return predictions of 700 lesions, of two sources in turn, that are right where the mask says so."""
    labels = np.arange(len(correct)) // 2 % len(CODES)
    predicted = np.where(correct, labels, (labels + 1) % len(CODES))
    probabilities = np.full((len(correct), len(CODES)), 0.1 / (len(CODES) - 1))
    probabilities[np.arange(len(correct)), predicted] = 0.9
    return Predictions(
        model=EvaluatedModel(
            name=name, predictions=name, task="diagnosis", leaky=False, unseen=None, split_sha256=None
        ),
        task=DIAGNOSIS,
        image_ids=tuple(f"{index:04}" for index in range(len(correct))),
        lesion_ids=tuple(f"{index:04}" for index in range(len(correct))),
        diagnoses=tuple(CODES[label] for label in labels),
        predicted=predicted,
        probabilities=probabilities,
    )


def outcomes(present: Predictions, candidate: Predictions, margin: float) -> dict[tuple[str, str], str]:
    sources = {image: SOURCES[int(image) % 2] for image in present.image_ids}
    rows = check_promotion(present, candidate, sources, margin=margin, resamples=200)
    return {(row.images, row.metric): row.outcome for row in rows} | {("", ""): str(accepted(rows))}


@pytest.fixture(scope="module")
def draws() -> np.ndarray:
    return np.random.default_rng(0).random(700)


def test_an_equal_candidate_is_accepted_and_a_worse_one_is_not(draws: np.ndarray) -> None:
    present = predictions("present", draws < 0.8)
    # 100 lesions of a class without a difference exclude a loss of 0.036 and more.
    assert outcomes(present, predictions("candidate", draws < 0.8), 0.03)["", ""] == "False"
    found = outcomes(present, predictions("candidate", draws < 0.8), 0.04)
    assert found["all images", "balanced_accuracy"] == found["clinic-a", "balanced_accuracy"] == "accepted"
    assert found["", ""] == "True"
    found = outcomes(present, predictions("candidate", draws < 0.7), 0.02)
    assert found["all images", "balanced_accuracy"] == found["clinic-b", "balanced_accuracy"] == "rejected"
    assert found["", ""] == "False"
    assert outcomes(present, predictions("candidate", draws < 0.7), 0.2)["", ""] == "True"
    assert outcomes(present, predictions("candidate", draws < 0.9), 0.02)["", ""] == "True"


def test_a_loss_that_is_not_excluded_is_rejected(draws: np.ndarray) -> None:
    other = np.random.default_rng(1).random(700)  # as good, with errors on other images
    found = outcomes(predictions("present", draws < 0.8), predictions("candidate", other < 0.8), 0.005)
    assert found["all images", "balanced_accuracy"] == "rejected"
    assert found["clinic-a", "balanced_accuracy"] == "accepted"


def test_a_loss_on_one_source_is_rejected(draws: np.ndarray) -> None:
    odd = np.arange(700) % 2 == 1
    candidate = predictions("candidate", np.where(odd, draws < 0.7, draws < 0.98))
    found = outcomes(predictions("present", draws < 0.8), candidate, 0.02)
    assert found["all images", "balanced_accuracy"] == "accepted"
    assert found["clinic-a", "balanced_accuracy"] == "accepted"
    assert found["clinic-b", "balanced_accuracy"] == "rejected"
    assert found["", ""] == "False"


@pytest.fixture
def worse(tiny_whole_bundle: Path, tmp_path: Path) -> Callable[[], Bundle]:
    """Return a function that makes a bundle of a network with the classes in another order."""

    def make() -> Bundle:
        import hashlib

        import onnx
        from onnx import numpy_helper

        whole = Bundle.load(tiny_whole_bundle)
        model = onnx.load_from_string(whole.graph)
        for weights in model.graph.initializer:
            if weights.name in ("head", "bias"):
                turned = np.roll(numpy_helper.to_array(weights), 1, axis=0)
                weights.CopyFrom(numpy_helper.from_array(turned, weights.name))
        graph = model.SerializeToString()
        info = whole.info.model_copy(update={"graph_sha256": hashlib.sha256(graph).hexdigest()})
        return replace(whole, graph=graph, info=info, reference=None, evaluation=None)

    return make


@pytest.mark.slow
@pytest.mark.usefixtures("figures_drawn_once")
def test_promotions_are_recorded_and_a_worse_version_is_rejected(
    phantoms: Manifest, tiny_whole_bundle: Path, worse: Callable[[], Bundle], tmp_path: Path
) -> None:
    whole = Bundle.load(tiny_whole_bundle)
    predictor = Predictor.load(whole)
    predicted = [
        max(zip(predictor.predict(phantoms.location(record)).probabilities.values(), CODES, strict=True))[1]
        for record in phantoms
    ]
    records = tuple(
        replace(record, diagnosis=code, source=SOURCES[index % 2])
        for index, (record, code) in enumerate(zip(phantoms, predicted, strict=True))
    )
    data = Manifest(phantoms.root, records)  # labelled by the model itself: it makes no error
    calibrated = whole.info.model_copy(
        update={"calibration": whole.info.calibration.model_copy(update={"temperature": 1.4})}
    )
    registry = Registry(str(tmp_path / "models"))
    for bundle in (whole, replace(whole, info=calibrated), worse()):
        registry.push(bundle)

    first = promote(registry, "tiny@1", "production", data, margin=0.05, reason="first version", resamples=50)
    assert (first.decision, first.present, first.criteria) == ("promoted", None, ())
    assert first.figures["accuracy"].value == 1
    with pytest.raises(UsageError, match="channel production of tiny names version 1 already"):
        promote(registry, "tiny@1", "production", data, margin=0.05, reason="again")

    rejected = promote(registry, "tiny@3", "production", data, margin=0.05, reason="a mistake", resamples=50)
    assert rejected.decision == "rejected"
    assert any(row.metric == "balanced_accuracy" and row.outcome == "rejected" for row in rejected.criteria)
    assert registry.find("tiny@production").version == "1"

    second = promote(registry, "tiny@2", "production", data, margin=1, reason="calibrated again", resamples=50)
    assert second.decision == "promoted", second.criteria
    assert {row.images for row in second.criteria} == {"all images", *SOURCES}
    assert "calibration" in second.changes
    assert "graph_sha256" not in second.changes
    assert registry.find("tiny@production").version == "2"

    back = rollback(registry, "tiny", "production", reason="an alarm")
    assert (back.decision, back.candidate.version, back.number) == ("rolled back", "1", 4)
    assert registry.find("tiny@production").version == "1"
    with pytest.raises(UsageError, match="has no earlier version to go back to"):
        rollback(registry, "tiny", "production", reason="again")

    changes = tmp_path / "models" / "tiny" / "changes"
    assert [json.loads((changes / f"000{n}.json").read_text())["decision"] for n in (1, 2, 3, 4)] == [
        "promoted",
        "rejected",
        "promoted",
        "rolled back",
    ]
    page = (changes / "0002.md").read_text(encoding="utf-8")
    for words in (RESEARCH_ONLY, "a mistake", data.sha256, "balanced accuracy", "rejected", "graph_sha256"):
        assert words in page


@pytest.mark.slow
@pytest.mark.usefixtures("figures_drawn_once")
def test_images_that_a_model_was_fitted_to_are_left_out(
    phantoms: Manifest, tiny_whole_bundle: Path, tmp_path: Path
) -> None:
    whole = Bundle.load(tiny_whole_bundle)
    fitted = phantoms.select([record.image_id for record in phantoms.records[:20]])
    seen = SeenImages.of([fitted], whole.info.training_data.manifest_sha256)
    registry = Registry(str(tmp_path / "models"))
    registry.push(replace(whole, seen_images=seen))
    record = promote(registry, "tiny", "production", phantoms, margin=0.05, reason="first version", resamples=20)
    assert record.seen_checked
    assert record.left_out >= 20
    assert record.n_images == len(phantoms) - record.left_out

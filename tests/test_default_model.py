"""The shipped model: size, description, figures and reference predictions."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from lesionlab import Predictor
from lesionlab.bundle import Bundle
from lesionlab.data import make_split, read_dataset
from lesionlab.evaluation import Evaluation, evaluate_subset
from lesionlab.evaluation.seen import without_seen
from lesionlab.export.prediction_sets import fit_prediction_sets, one_per_lesion
from lesionlab.metrics.conformal import set_members
from lesionlab.phantoms import phantom_image
from lesionlab.recipes import Recipe
from lesionlab.taxonomy import CODES

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"


@pytest.fixture(scope="module")
def shipped() -> Bundle:
    return Bundle.load(ROOT / "src" / "lesionlab" / "models" / "default")


def test_size_and_training_data(shipped: Bundle) -> None:
    info = shipped.info
    assert len(shipped.graph) <= 20_000_000
    assert info.classes == CODES
    assert not info.training_data.leaky
    assert info.training_data.lesions_known
    assert info.licence == "CC-BY-NC-4.0"
    assert Recipe.model_validate(info.recipe).name == info.name
    assert {point.measured_on for point in info.operating_points} == {"test"}


def test_no_path_of_the_build_machine(shipped: Bundle) -> None:
    text = shipped.graph + shipped.info.model_dump_json().encode()
    assert b"/home/" not in text
    assert b"/work" not in text
    assert b"site-packages" not in text


def test_explanations_abstention_and_evaluation(shipped: Bundle) -> None:
    assert (shipped.explainable, shipped.abstains) == (True, True)
    assert shipped.reference is not None
    assert shipped.reference.features is not None
    assert len(shipped.reference.to_bytes()) < 500_000
    predictor = Predictor.load(shipped)
    for image in (
        np.zeros((450, 600, 3), np.uint8),
        np.random.default_rng(0).integers(0, 256, (450, 600, 3), np.uint8),
    ):
        assert predictor.predict(image).abstained
    assert shipped.evaluation is not None
    assert shipped.evaluation.overall == shipped.info.metrics
    # One image of the test set is a copy of a training image with another white balance.
    assert shipped.evaluation.seen is not None
    # Of ISIC 2020 most labels determine no diagnosis.
    left_out = sum(json.loads((RESULTS / "default_model.json").read_bytes())["left_out"].values())
    measured = shipped.evaluation.n_images + shipped.evaluation.seen.images
    assert measured + left_out == shipped.info.training_data.images["test"]
    assert b"/work" not in shipped.evaluation.model_dump_json().encode()


def test_documented_figures_belong_to_this_model(shipped: Bundle) -> None:
    figures = json.loads((RESULTS / "default_model.json").read_text(encoding="utf-8"))
    assert figures["graph_sha256"] == shipped.info.graph_sha256
    assert figures["split_sha256"] == shipped.info.training_data.split_sha256
    stated = {name: estimate.model_dump() for name, estimate in shipped.info.metrics.items()}
    assert figures["overall"] == stated


def test_predictions_equal_the_reference_predictions(shipped: Bundle) -> None:
    golden = json.loads((Path(__file__).parent / "golden_default_model.json").read_text(encoding="utf-8"))
    predictor = Predictor.load(shipped)
    assert golden["bundle"] == shipped.info.identity
    for code in CODES:
        probabilities = predictor.predict(phantom_image(code, seed=0)).probabilities
        # The last bits of Pillow's resize and of the runtime's kernels depend on their versions.
        np.testing.assert_allclose(list(probabilities.values()), golden["probabilities"][code], atol=2e-3)


def test_note_on_an_enlarged_image(shipped: Bundle, tmp_path: Path) -> None:
    phantom_image("nv", seed=0).resize((28, 28)).save(tmp_path / "tiny.png")
    size = shipped.info.preprocessing.size
    notes = Predictor.load(shipped).predict(tmp_path / "tiny.png").notes
    assert f"only 28x28 pixels, enlarged to {size}x{size}" in notes


@pytest.fixture(scope="module")
def evaluation(shipped: Bundle) -> Evaluation:
    """Evaluation of the shipped model on the test lesions of HAM10000, which is split as if it were alone."""
    manifest = read_dataset(Path(os.environ["LESIONLAB_DATA"]) / "ham10000")
    settings = Recipe.model_validate(shipped.info.recipe).split
    split = make_split(manifest, validation=settings.validation, test=settings.test, seed=settings.seed)
    test, seen = without_seen(shipped, manifest.select(split.subsets()["test"]), identifiers=True, keep=False)
    assert seen is not None
    assert (seen.by_identifier, len(test)) == (0, 1490)
    return evaluate_subset(Predictor.load(shipped), test, subset="test", unseen=True, resamples=0)


NEEDS_DATA = pytest.mark.skipif(
    "LESIONLAB_DATA" not in os.environ, reason="LESIONLAB_DATA names no folder with ham10000/"
)


@pytest.mark.slow
@NEEDS_DATA
def test_figures_are_reproduced_on_ham10000(shipped: Bundle, evaluation: Evaluation) -> None:
    overall = evaluation.evaluated.summary.overall
    figures = json.loads((RESULTS / "ham10000.json").read_text(encoding="utf-8"))
    assert figures["graph_sha256"] == shipped.info.graph_sha256
    for name in ("balanced_accuracy", "macro_auc", "malignant_auc", "ece"):
        assert overall[name].value == pytest.approx(figures["overall"][name]["value"], abs=2e-3)


@pytest.mark.slow
@NEEDS_DATA
@pytest.mark.parametrize("coverage", [0.8, 0.9])
def test_prediction_sets_have_their_nominal_coverage(evaluation: Evaluation, coverage: float) -> None:
    """Mean coverage over 200 splits of the lesions into calibration and evaluation is nominal within a point."""
    evaluated, rng = evaluation.evaluated, np.random.default_rng(0)
    lesions = [record.lesion_id for record in evaluated.records]
    covered: dict[str, list[float]] = {"all": [], **{code: [] for code in CODES}}
    for draw in range(200):
        chosen = one_per_lesion(lesions, seed=draw)
        order = rng.permutation(chosen)
        fitted, held_out = order[: len(order) // 2], order[len(order) // 2 :]
        sets = fit_prediction_sets(
            evaluated.labels[fitted], evaluated.probabilities[fitted], [lesions[i] for i in fitted], CODES, coverage
        )
        assert sets is not None
        labels, rows = evaluated.labels[held_out], evaluated.probabilities[held_out]
        # Without the most probable class, which is added to empty sets.
        within = set_members(rows, sets.marginal)[np.arange(len(rows)), labels]
        covered["all"].append(float(within.mean()))
        for index, code in enumerate(CODES):
            limit = sets.class_conditional[code]
            of_class = labels == index
            if limit is not None and sets.lesions[code] >= 40 and of_class.any():
                covered[code].append(float(set_members(rows[of_class], limit)[:, index].mean()))
    assert np.mean(covered["all"]) == pytest.approx(coverage, abs=0.01)
    counted = [code for code, shares in covered.items() if code != "all" and len(shares) == 200]
    assert {"mel", "nv", "bkl"} & set(counted)
    for code in counted:
        assert np.mean(covered[code]) == pytest.approx(coverage, abs=0.02)

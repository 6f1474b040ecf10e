"""Robustness to corruptions: metrics and figure."""

from pathlib import Path

import pytest

from lesionlab.data import Manifest
from lesionlab.evaluation import evaluate_subset, write_evaluation
from lesionlab.evaluation.figures import draw_robustness
from lesionlab.evaluation.robustness import measure_robustness
from lesionlab.evaluation.stored import stored_evaluation
from lesionlab.prediction import Predictor
from lesionlab.taxonomy import DIAGNOSIS


@pytest.fixture(scope="module")
def predictor(tiny_bundle: Path) -> Predictor:
    return Predictor.load(tiny_bundle)


@pytest.mark.slow
def test_every_severity_is_measured_on_the_same_images(predictor: Predictor, phantoms: Manifest) -> None:
    seen: list[tuple[int, int]] = []
    points = measure_robustness(predictor, phantoms, 14, DIAGNOSIS, progress=lambda *done: seen.append(done))
    assert [(p.corruption, p.severity) for p in points[:3]] == [("none", 0), ("blur", 1), ("blur", 2)]
    assert len(points) == 1 + 12 * 5
    assert {point.n_images for point in points} == {14}
    assert seen[-1] == (61 * 14, 61 * 14)
    # Two images of each diagnosis: all are part of the mean recall.
    assert points[0].balanced_accuracy.value is not None
    drawn = draw_robustness(points, mark="leaky")
    assert drawn is not None
    assert drawn.count("<svg") == 1
    assert "leaky" in drawn
    assert draw_robustness((), mark="") is None


@pytest.mark.slow
def test_robustness_is_measured_on_request(predictor: Predictor, phantoms: Manifest, tmp_path: Path) -> None:
    subset = phantoms.select(sorted(record.image_id for record in phantoms)[:12])
    without = evaluate_subset(predictor, subset, subset="all", unseen=True, resamples=10)
    assert without.uncertainty.robustness == ()
    asked = evaluate_subset(predictor, subset, subset="all", unseen=True, resamples=10, corrupted=4)
    assert stored_evaluation(asked).robustness == asked.uncertainty.robustness
    for name, evaluation in (("without", without), ("asked", asked)):
        write_evaluation(tmp_path / name, evaluation)
        page = (tmp_path / name / "report.html").read_text(encoding="utf-8")
        assert ('id="robustness"' in page) == (name == "asked")

"""Thresholds with a guarantee hold their promise, and those for patient data are chosen with patient data."""

import numpy as np
import pytest
import scipy.stats

from lesionlab.export.operating_points import Validation, choose_points, sensitivity_curves
from lesionlab.export.prediction_sets import fit_prediction_sets, one_per_lesion
from lesionlab.metrics import softmax
from lesionlab.taxonomy import TASKS

TASK = TASKS["malignant"]
MALIGNANT = 120  # lesions in a validation set


def lesions(rng: np.random.Generator, malignant: int, benign: int) -> Validation:
    """Draw lesions with one to three images each; the images of a lesion have similar probabilities."""
    labels = np.repeat([1, 0], [malignant, benign])
    images = np.repeat(np.arange(len(labels)), rng.integers(1, 4, len(labels)))
    centre = rng.normal(np.where(labels == 1, 1.5, -1.5), 1.2)
    difference = centre[images] + rng.normal(0, 0.7, len(images))
    logits = np.stack([np.zeros(len(images)), difference], axis=1)
    return Validation(labels[images], softmax(logits), [str(index) for index in images])


@pytest.mark.parametrize("splits", [50, pytest.param(500, marks=pytest.mark.slow)])
def test_guarantees_hold_over_random_splits(splits: int) -> None:
    rng = np.random.default_rng(0)
    population = lesions(rng, 20_000, 20_000)
    new = population.select(np.isin(np.arange(len(population.labels)), one_per_lesion(population.lesion_ids)))
    kept: list[bool] = []
    plain: list[bool] = []
    by_class = []
    for _ in range(splits):
        validation = lesions(rng, MALIGNANT, 200)
        points = {point.name: point for point in choose_points(validation, TASK)}
        scores = new.probabilities[new.labels == 1, 1]
        for confidence, found in (("", plain), (" at 95% confidence", kept)):
            found.append((scores >= points[f"95% sensitivity{confidence}"].threshold).mean() >= 0.95)
        sets = fit_prediction_sets(validation.labels, validation.probabilities, validation.lesion_ids, TASK.classes)
        assert sets is not None
        limits = np.array([sets.class_conditional[code] for code in TASK.classes], dtype=np.float64)
        covered = 1 - new.probabilities[np.arange(len(new.labels)), new.labels] <= limits[new.labels]
        by_class.append([covered[new.labels == index].mean() for index in (0, 1)])
    # The promise: 95%, and a little more, since the number of misses is whole.
    misses = next(k for k in range(MALIGNANT) if scipy.stats.binom.cdf(k + 1, MALIGNANT, 0.05) > 0.05)
    promised = 1 - scipy.stats.binom.cdf(misses, MALIGNANT, 0.05)
    assert promised >= 0.95
    assert scipy.stats.binomtest(sum(kept), splits, promised).pvalue > 0.01
    # About half of the thresholds without a guarantee have less than their sensitivity.
    assert 0.25 < np.mean(plain) < 0.75
    # Class-conditional sets: 90% on average over the splits, at most 1 / (n + 1) more.
    mean, error = np.mean(by_class, axis=0), np.std(by_class, axis=0) / np.sqrt(splits)
    assert (mean >= 0.9 - 3 * error).all()
    assert (mean <= 0.9 + 1 / (MALIGNANT + 1) + 3 * error).all()


def test_a_guarantee_costs_specificity() -> None:
    points = choose_points(lesions(np.random.default_rng(1), MALIGNANT, 300), TASK)
    assert [point.name for point in points] == [
        "90% sensitivity",
        "90% sensitivity at 95% confidence",
        "95% sensitivity",
        "95% sensitivity at 95% confidence",
    ]
    assert [point.confidence for point in points] == [None, 0.95, None, 0.95]
    for plain, guaranteed in (points[:2], points[2:]):
        assert guaranteed.threshold < plain.threshold
        assert guaranteed.sensitivity > plain.sensitivity
        assert guaranteed.specificity < plain.specificity


def test_images_of_one_lesion_do_not_add_confidence() -> None:
    few = lesions(np.random.default_rng(2), 40, 40)
    repeated = np.tile(np.arange(len(few.labels)), 5)
    many = Validation(few.labels[repeated], few.probabilities[repeated], [few.lesion_ids[index] for index in repeated])
    assert "95% sensitivity at 95% confidence" not in {point.name for point in choose_points(many, TASK)}


def test_thresholds_for_patient_data_have_the_sensitivity_with_patient_data() -> None:
    images = lesions(np.random.default_rng(3), MALIGNANT, 300)
    adjusted = softmax(np.log(images.probabilities) * 0.7 + np.array((0, -0.8)))
    with_patients = Validation(images.labels, adjusted, images.lesion_ids)
    points = choose_points(images, TASK, with_patients)
    for alone, point in zip(choose_points(images, TASK), points, strict=True):
        assert alone.patient is None
        assert point.model_copy(update={"patient": None}) == alone
        found = point.with_patient_data()
        sensitivity = (adjusted[images.labels == 1, 1] >= found.threshold).mean()
        assert sensitivity == pytest.approx(found.sensitivity)
        assert sensitivity >= point.target_sensitivity
        # The threshold for images alone has a lower sensitivity on these probabilities.
        assert (adjusted[images.labels == 1, 1] >= point.threshold).mean() < sensitivity
        assert (found.measured_on, found.prevalence) == ("validation", point.prevalence)
    curve = sensitivity_curves(images, TASK, with_patients)[0]
    assert all(point.patient is not None for point in curve.points)
    assert all(point.patient is None for point in sensitivity_curves(images, TASK)[0].points)

"""Calibration, thresholds, sets and selective prediction in a comparison."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, recall_score

from lesionlab.evaluation.comparison import ComparedMetric, compare_predictions
from lesionlab.evaluation.predictions import EvaluatedModel, Predictions
from lesionlab.taxonomy import CODES, DIAGNOSIS

COUNT = 210


def simulated(seed: int, skill: float, **known: Any) -> Predictions:
    """Return predictions for 30 simulated images of each class with everything that can be compared."""
    labels = np.arange(COUNT) % 7
    logits = np.random.default_rng(seed).normal(0, 1, (COUNT, 7))
    logits[np.arange(COUNT), labels] += skill
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    model = EvaluatedModel(
        name=f"m{seed}", predictions="p", task="diagnosis", leaky=False, unseen=True, split_sha256=None
    )
    whole = Predictions(
        model=model,
        task=DIAGNOSIS,
        image_ids=tuple(f"I{n:03d}" for n in range(COUNT)),
        lesion_ids=tuple(f"L{n:03d}" for n in range(COUNT)),
        diagnoses=tuple(CODES[label] for label in labels),
        predicted=probabilities.argmax(axis=1),
        probabilities=probabilities,
        confidence=probabilities.max(axis=1),
        sets=probabilities >= 0.1,
        thresholds={"malignant": {0.95: 0.2}, "melanoma": {0.95: 0.05}},
    )
    return replace(whole, **known)


def rows(a: Predictions, b: Predictions) -> dict[str, ComparedMetric]:
    return {row.metric: row for row in compare_predictions(a, b, resamples=50).metrics}


def test_metrics_equal_their_definitions() -> None:
    a, b = simulated(1, 1.0), simulated(2, 2.5)
    found = rows(a, b)
    labels = a.labels
    for side, predictions in (("a", a), ("b", b)):
        value = {name: getattr(row, side).value for name, row in found.items()}
        malignant = np.isin(labels, [CODES.index(code) for code in ("mel", "bcc", "akiec")])
        called = predictions.probability_of(("mel", "bcc", "akiec")) >= 0.2
        assert value["malignant_sensitivity_at_95"] == pytest.approx(recall_score(malignant, called))
        assert value["malignant_specificity_at_95"] == pytest.approx(recall_score(~malignant, ~called))
        suspected = predictions.probabilities[:, 0] >= 0.05
        assert value["melanoma_sensitivity_at_95"] == pytest.approx(recall_score(labels == 0, suspected))
        assert predictions.sets is not None
        assert predictions.confidence is not None
        assert value["set_coverage"] == pytest.approx(predictions.sets[np.arange(COUNT), labels].mean())
        assert value["set_size"] == pytest.approx(predictions.sets.sum(axis=1).mean())
        kept = np.argsort(-predictions.confidence, kind="stable")[: round(0.8 * COUNT)]
        expected = balanced_accuracy_score(labels[kept], predictions.predicted[kept])
        assert value["balanced_accuracy_at_80"] == pytest.approx(expected)


def test_lower_calibration_error_is_better_and_set_size_is_neutral() -> None:
    good = simulated(3, 1.0)
    sure = np.full((COUNT, 7), 1e-3)
    sure[np.arange(COUNT), good.predicted] = 1 - 6e-3
    overconfident = replace(good, probabilities=sure, sets=np.ones((COUNT, 7), dtype=np.bool_))
    for a, b, better in ((good, overconfident, "A"), (overconfident, good, "B")):
        found = rows(a, b)
        assert found["ece"].verdict.startswith(f"{better} is better: 0.")
        assert found["set_size"].verdict.startswith(f"B differs by {'+' if b is overconfident else '-'}")


@pytest.mark.parametrize(
    ("known", "missing"),
    [
        ({"confidence": None}, {"balanced_accuracy_at_80"}),
        ({"sets": None}, {"set_coverage", "set_size"}),
        ({"thresholds": {"malignant": {0.95: 0.2}}}, {"melanoma_sensitivity_at_95", "melanoma_specificity_at_95"}),
    ],
)
def test_metrics_that_one_file_lacks_are_left_out(known: dict[str, Any], missing: set[str]) -> None:
    whole = set(rows(simulated(1, 1.0), simulated(2, 1.0)))
    assert whole - set(rows(simulated(1, 1.0), simulated(2, 1.0, **known))) == missing

"""Validation metrics within sources."""

import numpy as np
import pytest

from lesionlab.data import ImageRecord
from lesionlab.taxonomy import TASKS
from lesionlab.training.within_source import WithinSource


def record(number: int, label: str, source: str, dx_type: str | None = "histo") -> ImageRecord:
    return ImageRecord(f"i{number}", "i.jpg", f"i{number}", label, source=source, dx_type=dx_type)


def test_a_network_that_knows_the_source_alone_has_half_of_the_pairs() -> None:
    labels = ["mel", "mel", "nv", "mel", "nv", "nv"]
    sources = ["a", "a", "a", "b", "b", "b"]
    records = [record(n, label, source) for n, (label, source) in enumerate(zip(labels, sources, strict=True))]
    malignant = np.array([0.9] * 3 + [0.1] * 3)
    probabilities = np.zeros((6, 7))
    probabilities[:, 0], probabilities[:, 1] = malignant, 1 - malignant
    assert WithinSource(records, TASKS["diagnosis"]).measure(probabilities)["within_source_auc"] == 0.5


def test_only_histopathology_counts_for_the_second_and_labels_without_malignancy_for_none() -> None:
    records = [
        record(0, "mel", "a"),
        record(1, "nv", "a"),
        record(2, "benign", "a", None),
        record(3, "other", "a"),
    ]
    probabilities = np.zeros((4, 7))
    probabilities[:, 0], probabilities[:, 1] = [0.5, 0.2, 0.8, 0.9], [0.5, 0.8, 0.2, 0.1]
    found = WithinSource(records, TASKS["diagnosis"]).measure(probabilities)
    assert found == {"within_source_auc": pytest.approx(0.5), "histology_auc": pytest.approx(1.0)}


def test_one_class_alone_has_no_auc() -> None:
    found = WithinSource([record(0, "mel", "a")], TASKS["diagnosis"]).measure(np.eye(7)[:1])
    assert np.isnan(found["within_source_auc"])

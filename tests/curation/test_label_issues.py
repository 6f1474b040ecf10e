"""Wrong labels come first, by lesion, from models that were not fitted to them."""

from pathlib import Path

import numpy as np
import pytest

from lesionlab.bundle import Bundle
from lesionlab.curation import classes_of_labels, model_features, predict_out_of_fold, rank_labels
from lesionlab.curation.out_of_fold import predict_logistic
from lesionlab.data import ImageRecord, Manifest
from lesionlab.taxonomy import DIAGNOSIS

CLASSES = ("mel", "nv", "bkl")


def records(lesions: int = 90) -> list[ImageRecord]:
    """Return two images of each lesion, with the diagnoses in turn."""
    return [
        ImageRecord(f"i{n:03}{side}", f"{n}{side}.jpg", f"L{n:03}", CLASSES[n % 3])
        for n in range(lesions)
        for side in "ab"
    ]


def separable(images: list[ImageRecord]) -> np.ndarray:
    random = np.random.default_rng(0)
    centres = 3 * np.eye(3, 12)
    return np.stack([centres[CLASSES.index(r.diagnosis)] for r in images]) + random.normal(size=(len(images), 12))


def test_flipped_labels_come_first(tmp_path: Path) -> None:
    images = records()
    features = separable(images)
    flipped = {"L000": "nv", "L004": "bkl", "L008": "mel"}
    given = [ImageRecord(r.image_id, r.path, r.lesion_id, flipped.get(r.lesion_id, r.diagnosis)) for r in images]
    task = classes_of_labels(Manifest(tmp_path, tuple(given)), 5)
    assert task.classes == CLASSES
    probabilities = predict_out_of_fold(features, given, task)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    ranked = rank_labels(given, probabilities, task)
    assert {one.lesion_id for one in ranked[:3]} == set(flipped)
    assert len(ranked) == 90
    assert all(len(one.records) == 2 for one in ranked)
    first = ranked[0]
    assert first.likely_error
    assert first.given == flipped[first.lesion_id]
    assert first.suggested == CLASSES[int(first.lesion_id[1:]) % 3]
    assert first.probability < first.suggested_probability


def test_labels_of_a_lesion_do_not_reach_its_own_probabilities() -> None:
    images = records()
    features = separable(images)
    before = predict_out_of_fold(features, images, DIAGNOSIS)
    changed = [ImageRecord(r.image_id, r.path, r.lesion_id, "bkl") if r.lesion_id == "L000" else r for r in images]
    # The folds follow from the labels; the lesion is still predicted as before, from the others.
    after = predict_out_of_fold(features, changed, DIAGNOSIS)
    assert before[:2].argmax(axis=1).tolist() == after[:2].argmax(axis=1).tolist() == [DIAGNOSIS.index("mel")] * 2


def test_two_labels_of_one_lesion_are_ranked_both() -> None:
    images = [ImageRecord("a", "a.jpg", "L", "mel"), ImageRecord("b", "b.jpg", "L", "nv")]
    probabilities = np.array([[0.1, 0.9, 0, 0, 0, 0, 0], [0.2, 0.8, 0, 0, 0, 0, 0]])
    assert [(one.given, one.suggested) for one in rank_labels(images, probabilities, DIAGNOSIS)] == [
        ("mel", "nv"),
        ("nv", "mel"),
    ]


def test_images_of_a_patient_are_ranked_one_by_one() -> None:
    images = [ImageRecord(name, f"{name}.jpg", "P", "nv", patient_id="P") for name in ("a", "b")]
    probabilities = np.array([[0.1, 0.9, 0, 0, 0, 0, 0], [0.8, 0.2, 0, 0, 0, 0, 0]])
    assert [one.lesion_id for one in rank_labels(images, probabilities, DIAGNOSIS)] == ["b", "a"]


@pytest.mark.parametrize(
    ("counts", "classes"),
    [
        ({"mel": 6, "nv": 9, "scc": 5, "unk": 8, "df": 2}, ("mel", "nv", "scc")),
        ({"benign": 9, "malignant": 6}, ("benign", "malignant")),
        ({"mel": 6, "nv": 3, "benign": 9}, ("benign", "malignant")),
        ({"mel": 6, "other": 9}, ("other", "mel")),
    ],
)
def test_classes_follow_from_the_labels(tmp_path: Path, counts: dict[str, int], classes: tuple[str, ...]) -> None:
    labels = [label for label, count in counts.items() for _ in range(count)]
    images = tuple(ImageRecord(f"i{n}", f"{n}.jpg", f"i{n}", label) for n, label in enumerate(labels))
    assert classes_of_labels(Manifest(tmp_path, images), 5).classes == classes


def test_the_logistic_regression_is_that_of_scikit_learn() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model", reason="the extra train is not installed")
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 200)
    features = random.normal(size=(200, 8)) + np.eye(3, 8)[labels]
    penalty = 20.0
    reference = linear_model.LogisticRegression(C=1 / penalty, tol=1e-8, max_iter=1000).fit(features, labels)
    ours = predict_logistic(features, labels, features, 3, penalty)
    np.testing.assert_allclose(ours, reference.predict_proba(features), atol=2e-3)


def test_features_of_a_bundle(phantoms: Manifest, tiny_bundle: Path) -> None:
    few = phantoms.select(record.image_id for record in phantoms.records[:4])
    features = model_features(few, Bundle.load(tiny_bundle))
    assert len(features) == 4
    assert np.isfinite(features).all()

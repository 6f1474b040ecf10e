"""Sampling by class, by source and confirmation, and SMOTE."""

from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesionlab.data import ImageRecord
from lesionlab.errors import DataError
from lesionlab.recipes import SamplingSettings
from lesionlab.taxonomy import CODES
from lesionlab.training.sampling import draw_weights, epoch_order, smote, weighted_order

Balance = Literal["none", "oversample", "undersample"]

sizes_of_classes = st.lists(st.integers(0, 40), min_size=1, max_size=7).filter(any)
seeds = st.integers(0, 2**32 - 1)


def make_labels(sizes: list[int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))


def make_features(labels: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(0).normal(size=(len(labels), 6))
    return (10 * labels[:, None] + noise).astype(np.float32)


@given(sizes_of_classes, seeds)
def test_without_balancing_every_image_is_sampled_once(sizes: list[int], seed: int) -> None:
    labels = make_labels(sizes)
    order = epoch_order(labels, "none", np.random.default_rng(seed))
    np.testing.assert_array_equal(order, np.random.default_rng(seed).permutation(len(labels)))


@given(sizes_of_classes, seeds)
def test_oversampling_repeats_images_evenly(sizes: list[int], seed: int) -> None:
    labels = make_labels(sizes)
    order = epoch_order(labels, "oversample", np.random.default_rng(seed))
    times = np.bincount(order, minlength=len(labels))
    for label in np.unique(labels):
        own = times[labels == label]
        assert own.sum() == max(sizes)
        assert own.min() >= max(sizes) // len(own)
        assert own.max() - own.min() <= 1


@given(sizes_of_classes, seeds)
def test_undersampling_omits_images(sizes: list[int], seed: int) -> None:
    labels = make_labels(sizes)
    order = epoch_order(labels, "undersample", np.random.default_rng(seed))
    assert len(set(order.tolist())) == len(order)
    assert set(np.unique(labels[order], return_counts=True)[1]) == {min(size for size in sizes if size)}
    assert set(labels[order]) == set(labels)


@pytest.mark.parametrize("balance", ["none", "oversample", "undersample"])
def test_an_epoch_is_shuffled_and_determined_by_its_generator(balance: Balance) -> None:
    labels = np.repeat([0, 1], [90, 30])
    first, again, other = (epoch_order(labels, balance, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    half = labels[first[: len(first) // 2]]
    assert (half == 1).mean() == pytest.approx((labels[first] == 1).mean(), abs=0.15)


def test_the_next_epoch_draws_other_images() -> None:
    labels, rng = np.repeat([0, 1], [90, 30]), np.random.default_rng(0)
    assert set(epoch_order(labels, "undersample", rng)) != set(epoch_order(labels, "undersample", rng))


def test_smote_interpolates_within_each_class() -> None:
    labels = make_labels([40, 12, 3])
    features = make_features(labels)
    points, codes = smote(features, labels, 0, CODES)
    assert points.dtype == np.float32
    assert np.bincount(codes).tolist() == [40, 40, 40]
    np.testing.assert_array_equal(points[: len(labels)], features)
    np.testing.assert_array_equal(codes[: len(labels)], labels)
    for label in range(3):
        own, new = features[labels == label], points[len(labels) :][codes[len(labels) :] == label]
        assert (new >= own.min(axis=0) - 1e-4).all()
        assert (new <= own.max(axis=0) + 1e-4).all()
        assert len(np.unique(new, axis=0)) == len(new)


def test_smote_is_determined_by_its_seed() -> None:
    labels = make_labels([20, 8])
    features = make_features(labels)
    first, again, other = (smote(features, labels, seed, CODES)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("sizes", [[6], [5, 5], [0, 9, 0, 9]])
def test_smote_leaves_balanced_classes_unchanged(sizes: list[int]) -> None:
    labels = make_labels(sizes)
    points, codes = smote(make_features(labels), labels, 0, CODES)
    np.testing.assert_array_equal(codes, labels)
    np.testing.assert_array_equal(points, make_features(labels))


def test_smote_with_a_single_image_of_a_class_is_an_error() -> None:
    labels = make_labels([9, 1, 5])
    with pytest.raises(DataError, match=f"class {CODES[1]} has a single training image"):
        smote(make_features(labels), labels, 0, CODES)


def records_of(counts: dict[tuple[str, str], int], dx_type: str | None = None) -> list[ImageRecord]:
    return [
        ImageRecord(f"{source}-{label}-{n}", "i.jpg", f"{source}-{label}-{n}", label, source=source, dx_type=dx_type)
        for (source, label), count in counts.items()
        for n in range(count)
    ]


def test_with_full_independence_the_source_says_nothing_about_malignancy() -> None:
    records = records_of({("a", "mel"): 30, ("a", "nv"): 70, ("b", "bcc"): 60, ("b", "benign"): 40, ("c", "nv"): 100})
    weights = draw_weights(records, SamplingSettings(independence=1, most_often=100))
    share = {
        (source, malignant): sum(
            w
            for w, r in zip(weights, records, strict=True)
            if r.source == source and (r.diagnosis in ("mel", "bcc")) == malignant
        )
        for source in "abc"
        for malignant in (True, False)
    }
    assert share["a", True] / share["a", False] == pytest.approx(share["b", True] / share["b", False])
    assert weights.mean() == pytest.approx(1)


def test_weights_multiply_by_source_dataset_and_confirmation() -> None:
    records = records_of({("rosendahl", "nv"): 5, ("isic2020", "nv"): 5}, dx_type="follow_up")
    records += records_of({("vidir_modern", "nv"): 5})
    settings = SamplingSettings(weights={"follow_up": 0.5, "isic2020": 0.2, "ham10000": 2.0})
    weights = draw_weights(records, settings)
    np.testing.assert_allclose(weights / weights[-1], [0.5] * 5 + [0.05] * 5 + [1.0] * 5)


def test_no_image_is_drawn_more_often_than_the_limit() -> None:
    records = records_of({("a", "mel"): 2, ("a", "nv"): 500, ("b", "mel"): 300, ("b", "nv"): 300})
    weights = draw_weights(records, SamplingSettings(independence=1, most_often=3))
    assert weights.max() <= 3 + 1e-6
    assert weights.max() == pytest.approx(weights[0])


@given(st.lists(st.floats(0.01, 10), min_size=1, max_size=60), seeds)
def test_a_weighted_epoch_repeats_each_image_by_its_weight_to_within_one(weights: list[float], seed: int) -> None:
    expected = np.array(weights) * len(weights) / sum(weights)
    order = weighted_order(np.array(weights), np.random.default_rng(seed))
    assert len(order) == len(weights)
    times = np.bincount(order, minlength=len(weights))
    assert (np.abs(times - expected) < 1 + 1e-6).all()


def test_balance_and_weights_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="cannot be combined"):
        SamplingSettings(balance="oversample", independence=0.5)

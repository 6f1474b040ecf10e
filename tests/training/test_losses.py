"""Cross-entropy and focal loss, for class indices and soft targets."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor
from torchvision.ops import sigmoid_focal_loss

from lesionlab.recipes import LossSettings
from lesionlab.taxonomy import CODES, TASKS
from lesionlab.training.labels import LabelSets
from lesionlab.training.losses import Loss, class_weights, set_weights

counts_of_seven = st.lists(st.integers(0, 7000), min_size=7, max_size=7).filter(any).map(np.array)
seeds = st.integers(0, 2**32 - 1)
shares = st.floats(0, 0.9)
HAM10000 = np.array([1113, 6705, 514, 327, 1099, 115, 142])
ONES = np.ones(7)


def make_batch(seed: int, classes: int = 7) -> tuple[Tensor, Tensor, np.ndarray]:
    """Return logits, labels and class weights."""
    generator = torch.Generator().manual_seed(seed)
    logits = 4 * torch.randn(16, classes, generator=generator)
    labels = torch.randint(classes, (16,), generator=generator)
    return logits, labels, np.random.default_rng(seed).uniform(0.1, 5, classes)


@given(counts_of_seven, st.sampled_from(["none", "sqrt_balanced", "balanced"]))
def test_the_mean_weight_of_the_training_images_is_one(counts: np.ndarray, kind: str) -> None:
    weights = class_weights(counts, LossSettings.model_validate({"class_weights": kind}), CODES)
    assert (weights * counts).sum() / counts.sum() == pytest.approx(1)
    assert ((weights == 0) == (counts == 0)).all()
    assert np.isfinite(weights).all()
    present = counts > 0
    if kind == "none":
        np.testing.assert_allclose(weights[present], 1)
    else:
        assert (np.diff(weights[present][np.argsort(counts[present], kind="stable")]) <= 1e-12).all()


def test_balanced_weights_are_inverse_frequencies() -> None:
    labels = np.repeat(np.arange(7), HAM10000)
    expected = compute_class_weight("balanced", classes=np.arange(7), y=labels)
    np.testing.assert_allclose(class_weights(HAM10000, LossSettings(class_weights="balanced"), CODES), expected)
    root = class_weights(HAM10000, LossSettings(class_weights="sqrt_balanced"), CODES)
    assert root[5] / root[1] == pytest.approx(np.sqrt(6705 / 115))


def test_alpha_is_taken_by_code_and_not_scaled() -> None:
    classes = TASKS["malignant"].classes
    settings = LossSettings(alpha={classes[1]: 0.7, classes[0]: 0.2})
    assert class_weights(np.array([900, 100]), settings, classes).tolist() == [0.2, 0.7]


@given(seeds, shares)
def test_cross_entropy_is_that_of_torch(seed: int, smoothing: float) -> None:
    logits, labels, weights = make_batch(seed)
    loss = Loss(LossSettings(label_smoothing=smoothing), weights, ONES)(logits, labels)
    expected = F.cross_entropy(logits, labels, torch.tensor(weights).float(), label_smoothing=smoothing)
    torch.testing.assert_close(loss, expected)


@given(seeds, shares, st.sampled_from(["cross_entropy", "focal"]))
def test_one_hot_targets_equal_class_indices(seed: int, smoothing: float, kind: str) -> None:
    logits, labels, weights = make_batch(seed)
    settings = LossSettings.model_validate({"kind": kind, "label_smoothing": smoothing, "logit_adjustment": 0.5})
    loss = Loss(settings, weights, HAM10000 / HAM10000.sum())
    torch.testing.assert_close(loss(logits, F.one_hot(labels, 7).float()), loss(logits, labels))


@given(seeds, st.floats(0, 1), st.sampled_from(["cross_entropy", "focal"]))
def test_the_loss_is_linear_in_soft_targets(seed: int, share: float, kind: str) -> None:
    logits, labels, _ = make_batch(seed)
    loss = Loss(LossSettings.model_validate({"kind": kind}), ONES, ONES)
    partners = labels.roll(1)
    mixed = share * F.one_hot(labels, 7) + (1 - share) * F.one_hot(partners, 7)
    torch.testing.assert_close(loss(logits, mixed), share * loss(logits, labels) + (1 - share) * loss(logits, partners))


@given(seeds, shares)
def test_without_focus_and_weights_the_focal_loss_is_cross_entropy(seed: int, smoothing: float) -> None:
    logits, labels, _ = make_batch(seed)
    focal = Loss(LossSettings(kind="focal", gamma=0, label_smoothing=smoothing), ONES, ONES)(logits, labels)
    torch.testing.assert_close(focal, F.cross_entropy(logits, labels, label_smoothing=smoothing))


@given(seeds, st.floats(0, 5), st.floats(0.05, 0.95))
def test_the_focal_loss_of_two_classes_is_that_of_torchvision(seed: int, gamma: float, alpha: float) -> None:
    logits, labels, _ = make_batch(seed, classes=2)
    loss = Loss(LossSettings(kind="focal", gamma=gamma), np.array([1 - alpha, alpha]), np.ones(2))
    expected = sigmoid_focal_loss(logits[:, 1] - logits[:, 0], labels.float(), alpha, gamma, reduction="mean")
    torch.testing.assert_close(loss(logits, labels), expected, rtol=1e-4, atol=1e-6)


@given(st.floats(0, 10), st.floats(0, 200), st.integers(0, 6))
def test_the_focal_loss_has_a_finite_gradient_at_any_confidence(gamma: float, margin: float, label: int) -> None:
    logits = torch.zeros(1, 7)
    logits[0, 3] = margin
    logits.requires_grad_()
    loss = Loss(LossSettings(kind="focal", gamma=gamma), ONES, ONES)(logits, torch.tensor([label]))
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.isfinite()
    assert gradient.isfinite().all()


@pytest.mark.parametrize("kind", ["cross_entropy", "focal"])
def test_class_frequencies_are_added_to_the_logits(kind: str) -> None:
    logits, labels, weights = make_batch(0)
    frequencies = np.array([0.5, 0.2, 0.1, 0.1, 0.05, 0.05, 0.0])
    plain = Loss(LossSettings.model_validate({"kind": kind}), weights, frequencies)
    adjusted = Loss(LossSettings.model_validate({"kind": kind, "logit_adjustment": 1.5}), weights, frequencies)
    moved = logits.clone()
    moved[:, :6] += 1.5 * torch.tensor(frequencies[:6]).log().float()  # the seventh class has no images
    torch.testing.assert_close(adjusted(logits, labels), plain(moved, labels))
    assert not torch.isclose(adjusted(logits, labels), plain(logits, labels))


def test_the_loss_adds_nothing_to_checkpoints() -> None:
    assert not Loss(LossSettings(), ONES, ONES).state_dict()


@pytest.mark.parametrize("kind", ["cross_entropy", "focal"])
def test_the_loss_is_computed_in_single_precision(kind: str) -> None:
    logits, labels, weights = make_batch(0)
    loss = Loss(LossSettings.model_validate({"kind": kind}), weights, ONES)
    half = logits.bfloat16()
    torch.testing.assert_close(loss(half, labels), loss(half.float(), labels), rtol=0, atol=0)


LABEL_SETS = LabelSets.of(TASKS["diagnosis"], [*CODES, "benign", "malignant"])


@given(seeds, st.sampled_from(["cross_entropy", "focal"]), shares)
def test_label_sets_of_single_classes_do_not_change_the_loss(seed: int, kind: str, smoothing: float) -> None:
    logits, labels, weights = make_batch(seed)
    settings = LossSettings.model_validate({"kind": kind, "label_smoothing": smoothing if kind == "focal" else 0})
    plain = Loss(settings, weights, HAM10000 / HAM10000.sum())
    sets = Loss(settings, weights, HAM10000 / HAM10000.sum(), np.eye(7, dtype=np.bool_))
    torch.testing.assert_close(sets(logits, labels), plain(logits, labels))
    soft = F.one_hot(labels, 7) * 0.7 + F.one_hot(labels.flip(0), 7) * 0.3
    torch.testing.assert_close(sets(logits, soft), plain(logits, soft))


@given(seeds)
def test_a_coarse_label_is_trained_by_the_sum_of_its_probabilities(seed: int) -> None:
    logits, _, _ = make_batch(seed)
    loss = Loss(LossSettings(), np.ones(9), HAM10000 / HAM10000.sum(), LABEL_SETS.members)
    for label in ("benign", "malignant"):
        index = LABEL_SETS.index[label]
        held = torch.from_numpy(LABEL_SETS.members[index])
        expected = -logits.double().softmax(dim=1)[:, held].sum(dim=1).log().mean()
        torch.testing.assert_close(loss(logits, torch.full((16,), index)).double(), expected, rtol=1e-4, atol=1e-5)


def test_a_coarse_label_moves_no_probability_between_the_classes_it_allows() -> None:
    logits = torch.zeros(1, 7, requires_grad=True)
    loss = Loss(LossSettings(), np.ones(9), HAM10000 / HAM10000.sum(), LABEL_SETS.members)
    loss(logits, torch.tensor([LABEL_SETS.index["benign"]])).backward()
    assert logits.grad is not None
    held = torch.from_numpy(LABEL_SETS.members[LABEL_SETS.index["benign"]])
    assert len(set(logits.grad[0, held].tolist())) == len(set(logits.grad[0, ~held].tolist())) == 1
    assert logits.grad[0, held].max() < 0 < logits.grad[0, ~held].min()


def test_the_weight_of_a_label_set_is_the_mean_weight_of_its_images() -> None:
    weights = class_weights(HAM10000, LossSettings(class_weights="balanced"), CODES)
    found = set_weights(weights, HAM10000, LABEL_SETS.members)
    np.testing.assert_allclose(found[:7], weights)
    # Balanced weights give each class the same total: that of a seventh of the images.
    assert found[LABEL_SETS.index["benign"]] == pytest.approx(4 * HAM10000.sum() / 7 / HAM10000[[1, 4, 5, 6]].sum())

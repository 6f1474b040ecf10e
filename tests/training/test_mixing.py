"""Mixing blends images and labels with equal shares, determined by the seed."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from lesionlab.recipes import AugmentationSettings
from lesionlab.training.mixing import BatchMixing

LABELS = torch.arange(6)
# Each image is its label's colour, so that every pixel identifies its source.
IMAGES = (LABELS / 10).view(6, 1, 1, 1).expand(6, 3, 20, 20).contiguous()


def mix(seed: int = 0, **settings: Any) -> tuple[Tensor, Tensor]:
    torch.manual_seed(seed)
    mixed: tuple[Tensor, Tensor] = BatchMixing(AugmentationSettings(**settings), 7)(IMAGES, LABELS)
    return mixed


def blended(images: Tensor) -> bool:
    """Return whether images have colours that no original has."""
    return bool(((images * 10) - (images * 10).round()).abs().max() > 1e-3)


def test_disabled_mixing_returns_the_inputs() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    images, targets = BatchMixing(AugmentationSettings(), 7)(IMAGES, LABELS)
    assert images is IMAGES
    assert targets is LABELS
    assert torch.equal(torch.get_rng_state(), before)


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 10), st.sampled_from(["mixup", "cutmix"]))
def test_targets_are_the_shares_of_the_pixels(seed: int, alpha: float, kind: str) -> None:
    images, targets = mix(seed, **{kind: alpha})
    assert images.shape == IMAGES.shape
    assert targets.shape == (6, 7)
    torch.testing.assert_close(targets.sum(dim=1), torch.ones(6))
    assert targets.min() >= 0
    # The mean colour of an image is the weighted mean of its classes' colours, also for clipped rectangles.
    expected = targets[:, :6] @ (LABELS / 10)
    torch.testing.assert_close(images.mean(dim=(1, 2, 3)), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_every_image_is_mixed_into_one_other(kind: str) -> None:
    _, targets = mix(3, **{kind: 10.0})
    assert (targets > 0).sum(dim=1).tolist() == [2] * 6
    torch.testing.assert_close(targets.sum(dim=0), torch.tensor([1.0] * 6 + [0.0]))


def test_cutmix_pastes_a_rectangle_and_mixup_blends() -> None:
    assert blended(mix(0, mixup=10.0)[0])
    pasted, _ = mix(0, cutmix=10.0)
    assert not blended(pasted)
    changed = (pasted - IMAGES).abs().amax(dim=1) > 0.05
    for hole in changed:
        assert hole.sum() == hole.any(dim=0).sum() * hole.any(dim=1).sum()


def test_with_both_one_is_drawn_per_batch() -> None:
    outcomes = [blended(mix(seed, mixup=5.0, cutmix=5.0)[0]) for seed in range(40)]
    assert 8 <= sum(outcomes) <= 32


@pytest.mark.parametrize("settings", [{"mixup": 1.0}, {"cutmix": 1.0}, {"mixup": 1.0, "cutmix": 1.0}])
def test_mixing_is_determined_by_the_seed(settings: dict[str, float]) -> None:
    first, again, other = (mix(seed, **settings) for seed in (5, 5, 6))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[1], other[1])


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_inputs_are_not_modified(kind: str) -> None:
    images, labels = IMAGES.clone(), LABELS.clone()
    mix(0, **{kind: 1.0})
    assert torch.equal(IMAGES, images)
    assert torch.equal(LABELS, labels)

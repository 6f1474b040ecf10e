"""Measures of maps with known results."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from lesionlab.attribution.artefacts import ARTEFACTS, corners, with_artefact
from lesionlab.attribution.controls import CONTROLS
from lesionlab.attribution.faithfulness import deletion_and_insertion
from lesionlab.attribution.localisation import CHOSEN, dilated, localise
from lesionlab.attribution.network import ExplainedNetwork
from lesionlab.attribution.randomisation import STAGES, randomised, similarity
from lesionlab.attribution.result import mean_estimate

SIZE = 56


@pytest.fixture
def mask() -> np.ndarray:
    found = np.zeros((SIZE, SIZE), bool)
    found[8:24, 8:24] = True
    return found


def test_map_on_the_lesion_has_energy_one(mask: np.ndarray) -> None:
    found = localise(mask.astype(np.float32), mask)
    assert found.energy == {"mask": 1, "half_cell": 1, "cell": 1}
    assert found.pointing == 1
    assert found.area["mask"] == pytest.approx(16 * 16 / SIZE**2)


def test_energy_of_a_constant_map_is_the_area(mask: np.ndarray) -> None:
    found = localise(np.ones((7, 7), np.float32), mask)
    assert found.energy == pytest.approx(found.area)


def test_negative_values_are_ignored(mask: np.ndarray) -> None:
    beside = np.where(mask, 1, -100).astype(np.float32)
    assert localise(beside, mask).energy["mask"] == 1
    nothing = localise(-np.ones((7, 7), np.float32), mask)
    assert np.isnan(nothing.pointing)
    assert all(np.isnan(list(nothing.energy.values())))


def test_map_beside_the_lesion_has_energy_zero(mask: np.ndarray) -> None:
    beside = np.zeros((7, 7), np.float32)
    beside[6, 6] = 1
    found = localise(beside, mask)
    assert (found.energy["cell"], found.pointing) == (0, 0)


def test_masks_are_dilated_on_all_sides(mask: np.ndarray) -> None:
    wide = dilated(mask, 1 / 14)
    rows = np.flatnonzero(wide.any(axis=1))
    assert (rows[0], rows[-1]) == (4, 27)
    assert dilated(mask, 0) is mask
    assert not dilated(np.zeros_like(mask), 0.5).any()


class _Patch(nn.Module):
    """A network that depends on one region only."""

    size = SIZE

    def probabilities(self, images: torch.Tensor) -> torch.Tensor:
        red = images[:, 0, 8:24, 8:24].mean(dim=(1, 2))
        return torch.stack([1 - red, red], dim=1)


def test_deletion_and_insertion_of_a_correct_and_a_wrong_map(mask: np.ndarray) -> None:
    network: ExplainedNetwork = _Patch()  # type: ignore[assignment]
    pixels = np.zeros((SIZE, SIZE, 3), np.uint8)
    pixels[mask] = 255
    correct = deletion_and_insertion(network, pixels, 1, mask.astype(np.float32))
    wrong = deletion_and_insertion(network, pixels, 1, -mask.astype(np.float32))
    assert correct[0] < 0.1
    assert correct[1] > 0.9
    assert wrong[0] > 0.9
    assert wrong[1] < 0.1


def test_layers_are_randomised_from_the_last(make_network: Callable[..., ExplainedNetwork]) -> None:
    network = make_network()
    before = {name: weight.clone() for name, weight in network.named_parameters()}
    changed = {}
    for stage, other in randomised(network, 0):
        found = dict(other.named_parameters())
        changed[stage] = {name for name, weight in before.items() if not torch.equal(weight, found[name])}
        for name, weight in before.items():
            torch.testing.assert_close(found[name].flatten().sort().values, weight.flatten().sort().values)
    assert list(changed) == list(STAGES)
    assert changed["head"] == {"network.head.classifier.weight"}  # its bias is 0
    assert changed["head"] < changed["half"] < changed["all"]
    assert "network.backbone.conv_stem.weight" in changed["all"] - changed["half"]
    assert all(torch.equal(weight, before[name]) for name, weight in network.named_parameters())


def test_similarity_is_1_for_equal_maps_and_undefined_for_a_constant_one() -> None:
    draw = np.random.default_rng(0)
    one, other = draw.random((2, 7, 7)).astype(np.float32)
    assert similarity(one, one) == pytest.approx((1, 1))
    rank, ssim = similarity(one, other)
    assert abs(rank) < 0.5
    assert ssim < 0.5
    assert similarity(one, -one)[0] == pytest.approx(-1)
    assert np.isnan(similarity(one, np.ones_like(one))[0])


@pytest.mark.parametrize("name", ARTEFACTS)
def test_artefacts_do_not_cover_the_lesion(mask: np.ndarray, name: str) -> None:
    pixels = np.full((SIZE, SIZE, 3), 150, np.uint8)
    changed, where = with_artefact(pixels, name, mask, 1)
    assert where.any()
    assert not (where & mask).any()
    np.testing.assert_array_equal(changed[mask], pixels[mask])
    assert (changed[where] != 150).any(axis=1).all()


def test_corners_exclude_the_lesion(mask: np.ndarray) -> None:
    found = corners(mask)
    assert found[0, 0]
    assert found[-1, 0]
    assert found.sum() == 4 * 8 * 8
    assert corners(~mask)[0, 0].sum() == 0


def test_controls_depend_on_the_image_id_only() -> None:
    assert (CONTROLS["random"].map_of("a") != CONTROLS["random"].map_of("b")).any()
    np.testing.assert_array_equal(CONTROLS["random"].map_of("a"), CONTROLS["random"].map_of("a"))
    centre = CONTROLS["centre"].map_of("a")
    assert [int(place) for place in np.unravel_index(centre.argmax(), centre.shape)] == [3, 3]


def test_undefined_values_are_left_out_of_means() -> None:
    found = mean_estimate([1.0, 0.0, float("nan"), 1.0], ["a", "b", "c", "d"])
    assert found.value == pytest.approx(2 / 3)
    assert mean_estimate([float("nan")], ["a"]).value is None
    assert CHOSEN == "half_cell"

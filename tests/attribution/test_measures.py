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
from lesionlab.attribution.result import Similarity, mean_estimate
from lesionlab.metrics import Estimate

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


def test_controls_do_not_depend_on_the_class(
    make_network: Callable[..., ExplainedNetwork], monkeypatch: pytest.MonkeyPatch, mask: np.ndarray
) -> None:
    network, pixels = make_network(), np.zeros((64, 64, 3), np.uint8)

    def control(name: str, image_id: str) -> np.ndarray:
        return CONTROLS[name].map_of(image_id, network, pixels)

    assert (control("random", "a") != control("random", "b")).any()
    np.testing.assert_array_equal(control("random", "a"), control("random", "a"))
    centre = control("centre", "a")
    assert [int(place) for place in np.unravel_index(centre.argmax(), centre.shape)] == [3, 3]
    # Without a crop, the uniform map has the energy of the mask's area.
    assert localise(control("uniform", "a"), mask).energy["mask"] == pytest.approx(mask.mean(), abs=0.01)

    class Finder:
        def boxes(self, images: torch.Tensor) -> torch.Tensor:
            return torch.tensor([[0.25, 0.25, 0.5]]).expand(len(images), 3)

    monkeypatch.setattr(network, "finder", Finder())
    uniform = control("uniform", "a")
    half = np.zeros((64, 64), dtype=np.bool_)
    half[16:48, 16:32] = True  # the left half of the crop
    assert localise(uniform, half).energy["mask"] == pytest.approx(0.5, abs=0.02)
    assert uniform[0, 0] == 0


@pytest.mark.parametrize(
    ("rank", "absolute", "passes"),
    [
        ((-0.1, 0.1), None, True),
        ((-0.55, -0.35), None, False),  # the negative of a map shows the same places
        ((0.35, 0.55), None, False),
        ((-0.1, 0.1), (0.6, 0.8), False),  # similar maps of both signs
        ((-0.1, 0.1), (0.1, 0.3), True),
        ((None, None), None, False),
    ],
)
def test_randomisation_check_is_two_sided(
    rank: tuple[float | None, float | None], absolute: tuple[float, float] | None, passes: bool
) -> None:
    def between(limits: tuple[float | None, float | None]) -> Estimate:
        return Estimate(value=0.0, low=limits[0], high=limits[1])

    found = Similarity(rank=between(rank), ssim=between(rank), absolute_rank=between(absolute) if absolute else None)
    assert found.independent == passes


def test_undefined_values_are_left_out_of_means() -> None:
    found = mean_estimate([1.0, 0.0, float("nan"), 1.0], ["a", "b", "c", "d"])
    assert found.value == pytest.approx(2 / 3)
    assert mean_estimate([float("nan")], ["a"]).value is None
    assert CHOSEN == "half_cell"

"""Augmentation applies the configured changes, with parameters per image."""

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from lesionlab.recipes import AugmentationSettings
from lesionlab.training.augmentation import BatchAugmentation

DISABLED: Mapping[str, Any] = AugmentationSettings.none().model_dump()
CHANGES: tuple[Mapping[str, Any], ...] = (
    {"flip": True},
    {"rotation": 90},
    {"scale": (0.5, 2)},
    {"shear": 45},
    {"stretch": 0.5},
    {"translation": 0.2},
    {"brightness": 0.3},
    {"contrast": 0.3},
    {"saturation": 0.5},
    {"colour_cast": 0.2},
    {"colour_exchange": 1.0},
    {"detail": 1.0},
    {"noise": 0.2},
    {"vignette": 1.0},
    {"artefacts": 1.0},
    {"erase": 1.0},
)


@pytest.fixture(autouse=True)
def few_overlays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lesionlab.training.artefacts._OVERLAYS", 32)


@pytest.fixture
def images() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(8, 3, 5, 5, generator=generator) * 0.6 + 0.2
    return torch.nn.functional.interpolate(coarse, size=(24, 24), mode="bilinear")


def augment(images: Tensor, seed: int = 0, **settings: Any) -> Tensor:
    torch.manual_seed(seed)
    changed: Tensor = BatchAugmentation(AugmentationSettings.model_validate({**DISABLED, **settings}))(images)
    return changed


@pytest.mark.parametrize("settings", [{}, {"erase": 1.0, "rotation": 180, "brightness": 0.9, "contrast": 0.9}])
def test_pixels_stay_within_range(images: Tensor, settings: dict[str, float]) -> None:
    torch.manual_seed(0)
    augmented = BatchAugmentation(AugmentationSettings.model_validate(settings))(images)
    assert augmented.shape == images.shape
    assert augmented.dtype == images.dtype
    assert augmented.min() >= 0
    assert augmented.max() <= 1


def test_disabled_augmentation_is_the_identity(images: Tensor) -> None:
    torch.testing.assert_close(augment(images), images, atol=1e-5, rtol=0)


@pytest.mark.parametrize("settings", CHANGES, ids=[next(iter(settings)) for settings in CHANGES])
def test_each_setting_changes_images_determined_by_the_seed(images: Tensor, settings: dict[str, Any]) -> None:
    augmented = augment(images, **settings)
    assert (augmented - images).abs().amax(dim=(1, 2, 3)).gt(0.01).sum() >= 4
    assert torch.equal(augment(images, **settings), augmented)
    assert not torch.equal(augment(images, seed=1, **settings), augmented)


@pytest.mark.parametrize("settings", CHANGES, ids=[next(iter(settings)) for settings in CHANGES])
def test_parameters_are_drawn_per_image(images: Tensor, settings: dict[str, Any]) -> None:
    same = images[:1].expand(8, -1, -1, -1)
    if "colour_exchange" in settings:  # equal images have no other colour
        same = same * torch.linspace(0.5, 1, 8).view(8, 1, 1, 1)
    augmented = augment(same, **settings)
    assert len({tuple(image.flatten().tolist()) for image in augmented}) >= 3  # flips have four outcomes


def test_images_can_be_returned_smaller(images: Tensor) -> None:
    augmentation = BatchAugmentation(AugmentationSettings.none())
    smaller = augmentation(images, 12)
    reduced = torch.nn.functional.interpolate(images, (12, 12), mode="bilinear", antialias=True)
    torch.testing.assert_close(smaller, reduced, atol=1e-5, rtol=0)
    torch.testing.assert_close(augmentation(images, 24), images, atol=1e-5, rtol=0)


def test_flips_only_move_pixels(images: Tensor) -> None:
    augmented = augment(images, flip=True)
    outcomes = set()
    for before, after in zip(images, augmented, strict=True):
        mirrored = {axes: before.flip(axes) for axes in ((), (1,), (2,), (1, 2))}
        found = [axes for axes, image in mirrored.items() if torch.allclose(image, after, atol=1e-5)]
        assert len(found) == 1
        outcomes.add(found[0])
    assert len(outcomes) >= 3


def test_a_horizontal_flip_keeps_rows(images: Tensor) -> None:
    augmented = augment(images, flip="horizontal")
    mirrored = 0
    for before, after in zip(images, augmented, strict=True):
        if not torch.allclose(before, after, atol=1e-5):
            torch.testing.assert_close(after, before.flip(2), atol=1e-5, rtol=0)
            mirrored += 1
    assert 1 <= mirrored <= 7


@pytest.mark.parametrize("degrees", [20.0, 50.0])
def test_a_shear_moves_rows_sideways(degrees: float, monkeypatch: pytest.MonkeyPatch) -> None:
    # The largest draw of the angle. Pixels hold their own coordinates, from -1 to 1, in two of the channels.
    monkeypatch.setattr(Tensor, "uniform_", lambda self, _low, high: self.fill_(high))
    along = (torch.arange(32) + 0.5) / 16 - 1
    y, x = torch.meshgrid(along, along, indexing="ij")
    sheared = augment((torch.stack([x, y, y]) / 2 + 0.5).unsqueeze(0), shear=degrees)[0] * 2 - 1
    angle = torch.tensor(degrees).deg2rad()
    inside = (x - angle.sin() * y).abs() < 0.9
    torch.testing.assert_close(sheared[0][inside], (x - angle.sin() * y)[inside], atol=1e-4, rtol=0)
    torch.testing.assert_close(sheared[1][inside], (angle.cos() * y)[inside], atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("settings", "draws"),
    [({}, 0), ({"shear": 0}, 0), ({"shear": 10}, 1), ({"flip": "horizontal"}, 1), ({"flip": True}, 2)],
)
def test_disabled_settings_draw_no_random_numbers(
    images: Tensor, settings: dict[str, Any], draws: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Otherwise runs of an earlier version could not be resumed with the same result.
    calls: list[tuple[float, float]] = []
    uniform = Tensor.uniform_

    def counted(self: Tensor, low: float, high: float) -> Tensor:
        calls.append((low, high))
        return uniform(self, low, high)

    monkeypatch.setattr(Tensor, "uniform_", counted)
    augment(images, **settings)
    always = 3 + 2 + 4  # angle, zoom and stretch; two shifts; four colours
    assert len(calls) == always + draws


def test_a_rotation_by_90_degrees_moves_pixels_exactly(images: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    # The largest draw of the angle: 90 degrees.
    monkeypatch.setattr(Tensor, "uniform_", lambda self, _low, high: self.fill_(high))
    augmented = augment(images, rotation=90)
    rotated = [torch.allclose(augmented, images.rot90(turns, (2, 3)), atol=1e-4) for turns in (1, 3)]
    assert sum(rotated) == 1


def test_a_zoom_above_one_enlarges_the_lesion() -> None:
    spot = torch.ones(4, 3, 40, 40)
    spot[:, :, 15:25, 15:25] = 0
    larger = augment(spot, scale=(2, 2))
    smaller = augment(spot, scale=(0.5, 0.5))
    assert (larger < 0.5).float().mean() > 3.5 * (spot < 0.5).float().mean()
    # Zoomed out, the area beyond the border is a reflection of the image.
    assert (smaller[:, :, 15:25, 15:25] < 0.5).float().mean() < 0.5


def test_colour_changes_move_no_pixels(images: Tensor) -> None:
    plain = torch.full((8, 3, 16, 16), 0.5)
    augmented = augment(plain, brightness=0.2, contrast=0.2, saturation=0.2, colour_cast=0.1)
    assert augmented.flatten(2).std(dim=2).max() < 1e-5
    grey = augment(images.mean(dim=1, keepdim=True).expand(-1, 3, -1, -1), saturation=0.9)
    assert (grey - grey.mean(dim=1, keepdim=True)).abs().max() < 1e-5


def test_erasing_covers_at_most_a_rectangle(images: Tensor) -> None:
    changed = (augment(images, erase=1.0) - images).abs().amax(dim=1) > 1e-4
    assert changed.any(dim=(1, 2)).sum() >= 6
    assert changed.float().mean(dim=(1, 2)).max() <= 9 * 9 / 24**2
    assert torch.allclose(augment(images, erase=0.0), images, atol=1e-5)


def test_exchanged_colours_are_those_at_the_border_of_other_images() -> None:
    generator = torch.Generator().manual_seed(1)
    skin = torch.rand(6, 3, 1, 1, generator=generator) * 0.3 + 0.5
    images = skin.expand(6, 3, 32, 32).clone()
    images[:, :, 8:24, 8:24] *= 0.4  # lesions, in proportion to the light
    changed = augment(images, colour_exchange=1.0)
    borders = changed[:, :, 0, 0]
    assert {tuple(row) for row in borders.round(decimals=4).tolist()} == {
        tuple(row) for row in skin[:, :, 0, 0].round(decimals=4).tolist()
    }
    torch.testing.assert_close(changed[:, :, 16, 16] / borders, torch.full((6, 3), 0.4))

"""Artefacts are added to the configured share of the images."""

import pytest
import torch

from lesionlab.training.artefacts import ArtefactOverlays, vignette


@pytest.fixture(autouse=True)
def few_overlays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lesionlab.training.artefacts._OVERLAYS", 32)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_overlays_cover_their_share_of_the_images(share: float) -> None:
    torch.manual_seed(0)
    images = torch.full((200, 3, 48, 48), 0.5)
    drawn = ArtefactOverlays(share)(images)
    changed = ((drawn - images).abs().amax(dim=(1, 2, 3)) > 0.02).float().mean().item()
    assert changed == pytest.approx(share, abs=0.12)
    assert drawn.min() >= 0
    assert drawn.max() <= 1


def test_a_vignette_darkens_corners_and_not_the_middle() -> None:
    torch.manual_seed(0)
    images = torch.full((64, 3, 48, 48), 0.8)
    dark = vignette(images, 1.0)
    corners = torch.stack([dark[:, 0, y, x] for y in (0, -1) for x in (0, -1)])
    assert corners.mean() < 0.35
    torch.testing.assert_close(dark[:, :, 20:28, 20:28], images[:, :, 20:28, 20:28], atol=0.02, rtol=0)
    assert torch.equal(vignette(images, 0.0), images)


def test_overlays_are_drawn_for_each_size() -> None:
    overlays = ArtefactOverlays(1.0)
    for side in (32, 48):
        assert overlays(torch.zeros(2, 3, side, side)).shape == (2, 3, side, side)

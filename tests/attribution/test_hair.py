"""Removal of dark hair."""

import numpy as np
import pytest

from lesionlab.attribution.hair import find_hair, remove_hair
from lesionlab.images.artefacts import DARK_HAIR, hairs


@pytest.fixture
def skin() -> np.ndarray:
    """A smooth spot on skin, uint8 [180, 240, 3]."""
    rows, columns = np.mgrid[0:180, 0:240]
    spot = 60 * np.exp(-(((rows - 90) / 50) ** 2) - ((columns - 120) / 60) ** 2)
    return np.stack([215 - spot, 165 - spot, 150 - spot], axis=-1).round().astype(np.uint8)


def with_hair(skin: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    cover = hairs((skin.shape[1], skin.shape[0]), count, np.random.default_rng(1))
    values = skin + cover[..., None] * (255 * np.array(DARK_HAIR) - skin)
    return values.round().astype(np.uint8), cover > 0.5


def test_hair_is_found_and_filled_in(skin: np.ndarray) -> None:
    image, hair = with_hair(skin, 8)
    found = find_hair(image)
    assert (found & hair).sum() > 0.7 * hair.sum()
    filled, share = remove_hair(image)
    assert share == pytest.approx(found.mean())
    before, after = (np.abs(p.astype(float) - skin).mean() for p in (image, filled))
    assert after < 0.5 * before


def test_an_image_without_hair_is_unchanged(skin: np.ndarray) -> None:
    filled, share = remove_hair(skin)
    assert share == 0
    np.testing.assert_array_equal(filled, skin)


def test_dots_and_edges_are_not_hair(skin: np.ndarray) -> None:
    rows, columns = np.mgrid[0:180, 0:240]
    for y, x in ((40, 60), (90, 120), (130, 180)):
        skin[(rows - y) ** 2 + (columns - x) ** 2 < 16] = (60, 40, 30)
    skin[:, 200:] = (30, 30, 30)
    assert find_hair(skin).sum() == 0


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 40, 3), (8, 8, 3)])
def test_tiny_images_have_no_hair(shape: tuple[int, int, int]) -> None:
    image = np.full(shape, 120, np.uint8)
    assert remove_hair(image)[1] == 0

"""Overlays with hair, rulers, skin markers and bubbles."""

import numpy as np

from lesionlab.images.overlays import draw_overlays


def test_each_overlay_covers_part_of_the_image() -> None:
    overlays = draw_overlays(64, 64, seed=0)
    assert overlays.cover.shape == (64, 64, 64)
    covered = (overlays.cover > 127).mean(axis=(1, 2))
    assert (overlays.cover.max(axis=(1, 2)) > 60).mean() > 0.9
    assert covered.max() < 0.6
    assert covered.mean() < 0.2
    assert ((overlays.tint >= 0) & (overlays.tint <= 1)).all()


def test_overlays_are_reproducible_by_seed() -> None:
    first, again, other = draw_overlays(16, 48, 1), draw_overlays(16, 48, 1), draw_overlays(16, 48, 2)
    np.testing.assert_array_equal(first.cover, again.cover)
    np.testing.assert_array_equal(first.tint, again.tint)
    assert (first.cover != other.cover).any()

"""Sheets of hair, rulers, ink and bubbles: something on each, not everything, and the same for one seed."""

import numpy as np

from lesionlab.phantoms import draw_overlays


def test_each_sheet_covers_something_and_leaves_the_lesion_to_be_seen() -> None:
    sheets = draw_overlays(64, 64, seed=0)
    assert sheets.cover.shape == (64, 64, 64)
    covered = (sheets.cover > 127).mean(axis=(1, 2))
    assert (sheets.cover.max(axis=(1, 2)) > 60).mean() > 0.9
    assert covered.max() < 0.6
    assert covered.mean() < 0.2
    assert ((sheets.tint >= 0) & (sheets.tint <= 1)).all()


def test_a_seed_decides() -> None:
    first, again, other = draw_overlays(16, 48, 1), draw_overlays(16, 48, 1), draw_overlays(16, 48, 2)
    np.testing.assert_array_equal(first.cover, again.cover)
    np.testing.assert_array_equal(first.tint, again.tint)
    assert (first.cover != other.cover).any()

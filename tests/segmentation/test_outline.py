"""The outline of a segmented lesion."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import binary_fill_holes

from lesionlab.segmentation.outline import POINTS, boundary, lesion_outline
from lesionlab.segmentation.shape import largest_region


def area(points: np.ndarray) -> float:
    """Return the area of a polygon; positive if clockwise with y downwards."""
    x, y = points.T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


def disc(side: int, x: float, y: float, radius: float) -> np.ndarray:
    rows, columns = (np.mgrid[:side, :side] + 0.5) / side
    return np.asarray(np.hypot(columns - x, rows - y) <= radius, dtype=np.float32)


@pytest.mark.parametrize("side", [64, 224, 512])
def test_the_outline_of_a_disc_is_a_circle(side: int) -> None:
    outline = lesion_outline(disc(side, 0.4, 0.6, 0.25), threshold=0.5)
    assert outline is not None
    assert 32 < len(outline) <= POINTS
    distances = np.hypot(*(np.array(outline) - (0.4, 0.6)).T)
    assert np.abs(distances - 0.25).max() < 2 / side
    assert area(np.array(outline)) == pytest.approx(np.pi * 0.25**2, rel=0.04)


def test_only_the_largest_region_is_outlined() -> None:
    segmentation = np.maximum(disc(128, 0.3, 0.3, 0.2), disc(128, 0.8, 0.8, 0.1))
    outline = lesion_outline(segmentation, threshold=0.5)
    assert outline is not None
    assert np.array(outline).max() < 0.55


def test_a_lesion_beyond_the_image_is_outlined_along_its_sides() -> None:
    outline = lesion_outline(np.ones((64, 64), np.float32), threshold=0.5)
    assert outline is not None
    assert area(np.array(outline)) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("segmentation", [np.zeros((64, 64), np.float32), disc(64, 0.5, 0.5, 0.02)])
def test_without_a_lesion_there_is_no_outline(segmentation: np.ndarray) -> None:
    assert lesion_outline(segmentation, threshold=0.5) is None


@given(arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.booleans()))
def test_the_boundary_encloses_the_region_and_its_holes(mask: np.ndarray) -> None:
    mask.flat[0] = True
    region = largest_region(mask)
    corners = boundary(region)
    assert area(corners) == binary_fill_holes(region, np.ones((3, 3))).sum()
    assert {tuple(np.abs(step)) for step in np.diff(corners, axis=0)} <= {(0, 1), (1, 0)}

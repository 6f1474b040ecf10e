"""Shapes of regions, compared with geometry and SciPy."""

import math

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull

from lesionlab.segmentation.shape import (
    asymmetry,
    border_irregularity,
    convex_hull,
    largest_diameter,
    largest_region,
    perimeter,
)

Mask = NDArray[np.bool_]
masks = arrays.arrays(np.bool_, st.tuples(st.integers(1, 24), st.integers(1, 24)))


def ellipse(height: float, width: float, turned: float = 0.0, side: int = 201) -> Mask:
    y, x = np.mgrid[:side, :side] - side // 2
    u, v = x * math.cos(turned) + y * math.sin(turned), y * math.cos(turned) - x * math.sin(turned)
    return np.asarray((u / width) ** 2 + (v / height) ** 2 <= 1)


@pytest.mark.slow
@given(masks)
@settings(max_examples=200)
def test_the_largest_region_equals_scipy(mask: Mask) -> None:
    labels, count = ndimage.label(mask)
    region = largest_region(mask)
    sizes = np.bincount(labels.ravel())[1:] if count else [0]
    assert region.sum() == max(sizes)
    if count:
        assert (region == (labels == labels[region][0])).all()


@given(masks.filter(lambda mask: bool(mask.any())))
def test_the_hull_equals_scipy(mask: Mask) -> None:
    corners = np.argwhere(mask)[:, np.newaxis] + np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    reference = ConvexHull(corners.reshape(-1, 2))
    hull = convex_hull(mask)
    around = np.linalg.norm(hull - np.roll(hull, 1, axis=0), axis=1).sum()
    assert around == pytest.approx(reference.area)  # SciPy calls a two-dimensional perimeter `area`


@pytest.mark.parametrize("radius", [20, 50, 90])
def test_a_disc_has_the_measures_of_a_circle(radius: int) -> None:
    disc = ellipse(radius, radius)
    assert perimeter(disc) == pytest.approx(2 * math.pi * radius, rel=0.03)
    assert border_irregularity(disc, convex_hull(disc)) < 0.01
    assert asymmetry(disc) == pytest.approx((0, 0), abs=0.03)
    assert largest_diameter(convex_hull(disc)) == pytest.approx(2 * radius + 1, abs=1.5)


@pytest.mark.parametrize("turned", [0.0, 0.4, 1.1, 2.5])
def test_a_rotated_ellipse_is_symmetric(turned: float) -> None:
    assert asymmetry(ellipse(30, 80, turned)) == pytest.approx((0, 0), abs=0.03)


def test_a_half_disc_has_one_axis_of_symmetry() -> None:
    half = ellipse(80, 80)
    half[101:] = False
    one, other = asymmetry(half)
    assert one < 0.02
    assert 0.1 < other < 0.5


def test_a_star_is_irregular() -> None:
    y, x = np.mgrid[:201, :201] - 100
    star = np.hypot(x, y) <= 60 * (1 + 0.35 * np.sin(9 * np.arctan2(y, x)))
    assert border_irregularity(star, convex_hull(star)) > 0.4


def test_one_pixel_has_a_perimeter() -> None:
    mask = np.zeros((9, 9), dtype=np.bool_)
    mask[4, 4] = True
    assert asymmetry(mask) == (0, 0)
    assert largest_diameter(convex_hull(mask)) == pytest.approx(math.sqrt(2))
    assert perimeter(mask) > 0

"""Shape of a region: largest connected component, asymmetry, perimeter and diameter.

Masks are [h, w]; only that of `largest_region` may be empty.
"""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Points = NDArray[np.float64]  # [K, 2], rows and columns


def largest_region(mask: Mask) -> Mask:
    """Return the largest 4-connected component of a mask [h, w]; empty for an empty mask."""
    runs = list(_runs(mask))
    parent = list(range(len(runs)))

    def root(run: int) -> int:
        while parent[run] != run:
            parent[run] = parent[parent[run]]
            run = parent[run]
        return run

    above: list[int] = []
    current: list[int] = []
    for index, (row, start, end) in enumerate(runs):
        if current and runs[current[0]][0] != row:
            above, current = (current if runs[current[0]][0] == row - 1 else []), []
        current.append(index)
        for other in above:
            if runs[other][1] < end and start < runs[other][2]:
                parent[root(other)] = root(index)
    areas: dict[int, int] = {}
    for index, (_, start, end) in enumerate(runs):
        areas[root(index)] = areas.get(root(index), 0) + end - start
    region = np.zeros_like(mask)
    largest = max(areas, key=lambda index: areas[index], default=None)
    for index, (row, start, end) in enumerate(runs):
        if root(index) == largest:
            region[row, start:end] = True
    return region


def _runs(mask: Mask) -> Iterator[tuple[int, int, int]]:
    """Yield the runs of each row as (row, start, end)."""
    padded = np.pad(mask.astype(np.int8), ((0, 0), (1, 1)))
    rows, columns = np.nonzero(np.diff(padded, axis=1))
    yield from zip(rows[::2].tolist(), columns[::2].tolist(), columns[1::2].tolist(), strict=True)


def asymmetry(mask: Mask) -> tuple[float, float]:
    """Return the share of a region without a counterpart after reflection in each principal axis, the smaller first."""
    points = np.argwhere(mask).astype(np.float64)
    centred = points - points.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    shares = []
    for axis in axes.T:
        mirrored = np.rint(2 * np.outer(centred @ axis, axis) - centred + points.mean(axis=0)).astype(int)
        inside = ((mirrored >= 0) & (mirrored < mask.shape)).all(axis=1)
        overlap = mask[tuple(mirrored[inside].T)].sum()
        shares.append(float(1 - overlap / len(points)))
    return min(shares), max(shares)


def border_irregularity(mask: Mask, hull: Points) -> float:
    """Return the excess of a region's perimeter over that of its convex hull, relative to the latter."""
    around = np.linalg.norm(hull - np.roll(hull, 1, axis=0), axis=1).sum()
    return max(0.0, float(perimeter(mask) / around - 1))


def perimeter(mask: Mask) -> float:
    """Return the perimeter of a mask in pixels, including holes.

    Source: Cauchy-Crofton formula with lines in four directions. The sum of pixel edges would be up to 50% too long.
    """
    inside = np.pad(mask, 1).astype(np.int8)
    crossings = [
        np.abs(np.diff(inside, axis=0)).sum(),
        np.abs(np.diff(inside, axis=1)).sum(),
        np.abs(inside[1:, 1:] - inside[:-1, :-1]).sum() / math.sqrt(2),
        np.abs(inside[1:, :-1] - inside[:-1, 1:]).sum() / math.sqrt(2),
    ]
    return float(math.pi / 8 * sum(crossings))


def largest_diameter(hull: Points) -> float:
    """Return the largest distance between two corners of a convex hull in pixels."""
    return float(np.linalg.norm(hull[:, np.newaxis] - hull, axis=2).max())


def convex_hull(mask: Mask) -> Points:
    """Return the corners of the convex hull of a region's pixels, [K, 2], in order around it.

    Source: Andrew's monotone chain, Information Processing Letters 9, 1979.
    """
    ends = [(row, column) for row, start, end in _runs(mask) for column in (start, end)]
    # Corners of pixels, not centres, so that a region of one pixel has a perimeter.
    corners = sorted({(row + below, column) for row, column in ends for below in (0, 1)})
    hull: list[tuple[int, int]] = []
    for chain in (corners, corners[::-1]):
        begin = len(hull)
        for point in chain:
            while len(hull) - begin >= 2 and _turn(hull[-2], hull[-1], point) <= 0:
                hull.pop()
            hull.append(point)
        hull.pop()
    return np.array(hull, dtype=np.float64)


def _turn(a: tuple[int, int], b: tuple[int, int], c: tuple[int, int]) -> int:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])

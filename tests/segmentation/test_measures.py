"""Measures of a lesion."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from lesionlab.segmentation import measure_lesion
from lesionlab.segmentation.measures import COLOURS, colours_present


def image_of(colour: tuple[int, int, int], size: tuple[int, int] = (120, 90)) -> Image.Image:
    return Image.new("RGB", size, colour)


def disc(radius: float, side: int = 64) -> NDArray[np.float32]:
    y, x = np.mgrid[:side, :side] - side / 2 + 0.5
    return np.asarray(np.hypot(x, y) <= radius, dtype=np.float32)


@pytest.mark.parametrize("name", COLOURS)
def test_each_colour_is_identified(name: str) -> None:
    assert colours_present(np.full((50, 3), COLOURS[name], dtype=np.uint8)) == {name: 1.0}


def test_rare_colours_are_left_out() -> None:
    pixels = np.array([COLOURS["black"]] * 97 + [COLOURS["white"]] * 2 + [COLOURS["red"]], dtype=np.uint8)
    assert colours_present(pixels) == {"black": 0.97}


def test_a_lesion_is_measured_in_the_aspect_ratio_of_its_image() -> None:
    # In a 2:1 image that was resized to a square, a disc is an upright ellipse.
    squashed = disc(16)
    squashed = np.asarray(Image.fromarray(squashed).resize((32, 64)))
    probability = np.zeros((64, 64), dtype=np.float32)
    probability[:, 16:48] = squashed
    measures = measure_lesion(probability, image_of(COLOURS["dark brown"], (200, 100)), threshold=0.5)
    assert measures is not None
    assert measures.border_irregularity < 0.03
    assert measures.asymmetry == pytest.approx((0, 0), abs=0.05)
    assert measures.area == pytest.approx(float((probability >= 0.5).mean()), rel=0.05)
    assert measures.diameter == pytest.approx(0.25, abs=0.02)
    assert not measures.touches_border
    assert measures.colours == {"dark brown": 1.0}


def test_small_regions_are_not_a_lesion() -> None:
    probability = np.zeros((64, 64), dtype=np.float32)
    probability[::9, ::9] = 0.9
    assert measure_lesion(probability, image_of((200, 150, 130)), threshold=0.5) is None


def test_a_lesion_at_the_image_border_is_marked() -> None:
    measures = measure_lesion(np.ones((64, 64), dtype=np.float32), image_of((120, 70, 50)), threshold=0.5)
    assert measures is not None
    assert measures.touches_border
    assert measures.area == 1

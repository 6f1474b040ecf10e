"""Images are valid, deterministic and marked; views of one lesion are similar but not equal."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesionlab.errors import UsageError
from lesionlab.phantoms import draw_lesion, draw_view, phantom_image, render
from lesionlab.taxonomy import CODES

SIZE = (120, 90)


@settings(max_examples=40, deadline=None)
@given(
    code=st.sampled_from(CODES),
    seed=st.integers(0, 2**40),
    width=st.integers(32, 160),
    height=st.integers(24, 160),
)
def test_any_seed_and_size_gives_an_image_with_contrast(code: str, seed: int, width: int, height: int) -> None:
    image = phantom_image(code, seed, (width, height))
    assert image.mode == "RGB"
    assert image.size == (width, height)
    assert np.asarray(image).std() > 5


@pytest.mark.parametrize("code", CODES)
def test_the_same_arguments_give_the_same_pixels(code: str) -> None:
    first = phantom_image(code, 3, SIZE).tobytes()
    assert phantom_image(code, 3, SIZE).tobytes() == first
    assert phantom_image(code, 4, SIZE).tobytes() != first


def test_the_default_size_is_that_of_ham10000() -> None:
    assert phantom_image("nv", 0).size == (600, 450)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(64, 48), (300, 225), (224, 224)])
def test_every_image_has_the_same_mark(size: tuple[int, int]) -> None:
    images = np.stack([np.asarray(phantom_image(code, seed, size)) for code in CODES for seed in range(2)])
    equal = (images == images[0]).all(axis=(0, 3))
    rows, columns = np.nonzero(equal)
    marked = equal[rows.min() :, : columns.max() + 1]
    # Only one solid rectangle in the lower left corner is common to all.
    assert marked.all()
    assert marked.size == equal.sum()
    assert marked.shape[1] >= 28
    assert marked.size < 0.15 * equal.size
    letters = images[0][rows.min() :, : columns.max() + 1].astype(int)
    assert letters.max() - letters.min() > 100


def test_a_larger_image_shows_the_same_lesion() -> None:
    small = np.asarray(phantom_image("mel", 8, (160, 120)), float)
    large = np.asarray(phantom_image("mel", 8, (320, 240)).resize((160, 120)), float)
    # The sensor noise, the mark and the vignette's edge are per pixel; the scene is not.
    assert np.median(np.abs(small - large)) < 8


def test_views_of_one_lesion_are_similar_but_not_equal() -> None:
    rng = np.random.default_rng(2)
    lesion, other = draw_lesion("bkl", rng), draw_lesion("vasc", rng)
    plain = replace(
        draw_view(rng), rotation=0.0, zoom=1.0, shift=(0.0, 0.0), vignette=0.0, hairs=0, bubbles=0, ruler=False
    )
    turned = replace(plain, rotation=np.pi, seed=plain.seed + 1)
    first, second, third = (
        render(shown, view, SIZE).astype(float) for shown, view in ((lesion, plain), (lesion, turned), (other, plain))
    )
    assert not np.array_equal(first, second)
    # Rotated back, the second view resembles the first, unlike another lesion. The rows exclude the mark.
    rows = slice(20, 70)
    same = np.abs(first[rows] - second[::-1, ::-1][rows]).mean()
    different = np.abs(first[rows] - third[rows]).mean()
    assert same < 0.5 * different


@pytest.mark.parametrize(
    ("change", "least"),
    [({"hairs": 20, "dark_hair": True}, 1.0), ({"bubbles": 6}, 0.05), ({"ruler": True}, 0.3), ({"vignette": 1.1}, 5.0)],
)
def test_each_artefact_is_visible(change: dict[str, Any], least: float) -> None:
    rng = np.random.default_rng(7)
    lesion = draw_lesion("nv", rng)
    bare = replace(draw_view(rng), vignette=0.0, hairs=0, bubbles=0, ruler=False, grain=0.0)
    difference = render(lesion, replace(bare, **change), SIZE).astype(float) - render(lesion, bare, SIZE)
    assert np.abs(difference).mean() > least


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("wart", 0, SIZE), "'wart' is none of mel"),
        (("mel", -1, SIZE), "0 or more, not -1"),
        (("mel", 0, (10, 10)), "at least 32x24 pixels, not 10x10"),
    ],
)
def test_invalid_arguments_are_an_error(arguments: tuple[str, int, tuple[int, int]], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        phantom_image(*arguments)

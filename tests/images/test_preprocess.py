"""The one way from an upright image to the network's input."""

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from lesionlab.images import DecodedImage, Preprocessing


def test_the_whole_picture_is_squashed_to_a_square(photograph: Image.Image) -> None:
    pixels = Preprocessing(size=48).apply(photograph)
    assert pixels.shape == (48, 48, 3)
    assert pixels.dtype == np.uint8
    for corner, place in (((0, 0), (0, 0)), ((119, 159), (-1, -1))):
        assert np.abs(pixels[place] - np.asarray(photograph, float)[corner]).max() <= 4


def test_an_image_of_the_right_size_is_left_alone(photograph: Image.Image) -> None:
    image = photograph.resize((64, 64))
    np.testing.assert_array_equal(Preprocessing(size=64).apply(image), np.asarray(image))


def test_shrinking_averages_over_all_pixels() -> None:
    stripes = np.zeros((640, 640, 3), np.uint8)
    stripes[:, ::2] = 200
    assert np.abs(Preprocessing(size=64).apply(Image.fromarray(stripes)).astype(float) - 100).max() <= 4


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ((600, 450), None),
        ((224, 224), None),
        ((450, 600), None),
        ((900, 450), "unusual shape 900x450"),
        ((28, 28), "only 28x28 pixels, enlarged to 224x224"),
    ],
)
def test_notes_what_the_model_has_not_seen(size: tuple[int, int], words: str | None) -> None:
    notes = Preprocessing(size=224).notes(DecodedImage(Image.new("RGB", size), size))
    assert len(notes) == (words is not None)
    assert words is None or words in notes[0]


@pytest.mark.parametrize("settings", [{"size": 8}, {"size": 224, "interpolation": "nearest"}, {"size": 224, "crop": 1}])
def test_refuses_settings_it_does_not_know(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Preprocessing.model_validate(settings)

"""Preprocessing of an upright image to the network's input."""

import io

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from lesionlab.images import DecodedImage, Preprocessing, decode_image


def test_the_whole_image_is_resized_to_a_square(photograph: Image.Image) -> None:
    pixels = Preprocessing(size=48).apply(photograph)
    assert pixels.shape == (48, 48, 3)
    assert pixels.dtype == np.uint8
    for corner, place in (((0, 0), (0, 0)), ((119, 159), (-1, -1))):
        assert np.abs(pixels[place] - np.asarray(photograph, float)[corner]).max() <= 4


def test_an_image_of_the_input_size_is_unchanged(photograph: Image.Image) -> None:
    image = photograph.resize((64, 64))
    np.testing.assert_array_equal(Preprocessing(size=64).apply(image), np.asarray(image))


def test_through_reduces_and_enlarges(photograph: Image.Image) -> None:
    small = Image.fromarray(Preprocessing(size=32).apply(photograph))
    through = Preprocessing(size=96, through=32)
    expected = Preprocessing(size=96).apply(small)
    np.testing.assert_array_equal(through.apply(photograph), expected)
    np.testing.assert_array_equal(through.apply(small), expected)
    tiny = photograph.resize((28, 28), Image.Resampling.BILINEAR)
    enlarged = tiny.resize((96, 96), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(Preprocessing(size=96, through=28).apply(photograph), np.asarray(enlarged))


@pytest.mark.parametrize(("size", "through"), [(96, 28), (224, 0), (64, 128)])
def test_large_files_are_decoded_with_enough_pixels(photograph: Image.Image, size: int, through: int) -> None:
    stream = io.BytesIO()
    photograph.resize((2400, 1800)).save(stream, "JPEG")
    preprocessing = Preprocessing(size=size, through=through)
    decoded = decode_image(stream.getvalue(), at_least=preprocessing.decode_size)
    needed = 2 * (through or size)
    assert needed <= min(decoded.image.size) < 1800
    whole = decode_image(stream.getvalue())
    reduced, full = (preprocessing.apply(d.image).astype(float) for d in (decoded, whole))
    assert np.abs(reduced - full).max() <= 6


def test_an_image_of_the_intermediate_size_has_no_note() -> None:
    preprocessing = Preprocessing(size=96, through=28)
    assert preprocessing.notes(DecodedImage(Image.new("RGB", (28, 28)), (28, 28))) == ()
    assert preprocessing.notes(DecodedImage(Image.new("RGB", (600, 450)), (600, 450))) == ()
    (note,) = preprocessing.notes(DecodedImage(Image.new("RGB", (12, 12)), (12, 12)))
    assert note == "only 12x12 pixels, enlarged to 96x96"


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
def test_unusual_shapes_and_sizes_have_a_note(size: tuple[int, int], words: str | None) -> None:
    notes = Preprocessing(size=224).notes(DecodedImage(Image.new("RGB", size), size))
    assert len(notes) == (words is not None)
    assert words is None or words in notes[0]


@pytest.mark.parametrize("settings", [{"size": 8}, {"size": 224, "interpolation": "nearest"}, {"size": 224, "crop": 1}])
def test_invalid_settings_are_an_error(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Preprocessing.model_validate(settings)

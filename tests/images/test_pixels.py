"""Arrays and tensors of every shape, type and range: converted to the same pixels, or an error with a valid remedy."""

from collections.abc import Callable

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesionlab.errors import ImageError
from lesionlab.images import load_image

PIXELS = np.random.default_rng(0).integers(0, 256, (24, 40, 3), dtype=np.uint8)
images = arrays.arrays(np.uint8, st.tuples(st.integers(5, 12), st.integers(5, 12), st.just(3)))


def loaded(source: object) -> np.ndarray:
    return np.asarray(load_image(source).image)  # type: ignore[arg-type]  # some sources are invalid on purpose


@pytest.mark.parametrize(
    "convert",
    [
        lambda pixels: pixels.astype(np.int64),
        lambda pixels: pixels.astype(np.uint16) * 257,
        lambda pixels: (pixels / 255).astype(np.float32),
        lambda pixels: (pixels / 255).astype(np.float16),
        lambda pixels: pixels.astype(np.float32),
        lambda pixels: pixels.astype(np.float64),
        lambda pixels: pixels.transpose(2, 0, 1),
        lambda pixels: pixels.transpose(2, 0, 1).astype(np.float32) / np.float32(255),
        lambda pixels: np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)]),
        lambda pixels: pixels[:, ::-1][:, ::-1],
    ],
)
def test_every_type_and_layout_has_the_same_pixels(convert: Callable[[np.ndarray], np.ndarray]) -> None:
    np.testing.assert_array_equal(loaded(convert(PIXELS)), PIXELS)


@pytest.mark.parametrize("shape", [(24, 40), (24, 40, 1), (1, 24, 40)])
def test_grey_arrays_are_converted_with_a_note(shape: tuple[int, ...]) -> None:
    decoded = load_image(PIXELS[..., 0].reshape(shape))
    np.testing.assert_array_equal(np.asarray(decoded.image), np.repeat(PIXELS[..., :1], 3, axis=2))
    assert decoded.notes == ("grey image: the model was trained on colour",)


def test_alpha_is_composited_on_white() -> None:
    rgba = np.dstack([PIXELS, np.zeros((24, 40), np.uint8)])
    for source in (rgba, rgba.astype(np.float32) / 255):
        decoded = load_image(source)
        assert (np.asarray(decoded.image) == 255).all()
        assert decoded.notes == ("transparent pixels composited on white",)


def test_16_bit_arrays_are_reduced_with_a_note() -> None:
    assert load_image(PIXELS.astype(np.uint16) * 257).notes == ("16 bits reduced to 8",)


@given(images)
def test_floats_from_0_to_1_and_to_255_are_equal(pixels: np.ndarray) -> None:
    pixels[0, 0] = 255, 0, 2
    np.testing.assert_array_equal(loaded(pixels / 255), pixels)
    np.testing.assert_array_equal(loaded(pixels.astype(np.float32)), pixels)
    np.testing.assert_array_equal(loaded(pixels.astype(np.float32).transpose(2, 0, 1)), pixels)


@given(
    arrays.arrays(
        st.sampled_from([np.float32, np.float64, np.int16, np.int32, np.uint16]),
        st.tuples(st.integers(5, 9), st.integers(5, 9), st.just(3)),
    )
)
def test_pixels_never_wrap(pixels: np.ndarray) -> None:
    """A valid array keeps the order of its values; any other array is an `ImageError`."""
    try:
        values = loaded(pixels).ravel()
    except ImageError:
        return
    assert (np.diff(values[np.argsort(pixels.ravel())].astype(int)) >= 0).all()


def test_an_almost_black_float_image_is_read_as_0_to_1() -> None:
    assert loaded(np.full((8, 8, 3), 1.0)).max() == 255


def test_rounding_errors_of_floats_are_clipped() -> None:
    assert loaded(np.full((8, 8, 3), 1.00001, np.float32)).min() == 255
    assert loaded(np.full((8, 8, 3), -1e-6, np.float32)).max() == 0


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (np.full((40, 40, 3), -1.5), r"values from -1\.5 to -1\.5.*undo the normalisation: pixels \* std \+ mean"),
        (np.full((40, 40, 3), 1.05), r"neither 0 to 1 nor 0 to 255; clip it: pixels\.clip\(0, 1\)"),
        (np.full((40, 40, 3), 300.0), "values from 300 to 300.*divide it by its largest possible value"),
        (np.full((40, 40, 3), np.nan), "NaN or infinite"),
        (np.full((40, 40, 3), np.inf), "NaN or infinite"),
        (np.full((40, 40, 3), -1), "values from -1 to -1, expected 0 to 255"),
        (np.full((40, 40, 3), 70_000), "values from 70000 to 70000, expected 0 to 255"),
        (np.zeros((40, 40, 3), bool), "must hold integers or floats, this one is bool"),
        (np.zeros((40, 40, 2), np.uint8), r"must have the shape .* this one has \(40, 40, 2\)"),
        (np.zeros((0, 40, 3), np.uint8), "must have the shape"),
        (np.zeros(12, np.uint8), "must have the shape"),
        (np.zeros((2, 3, 40, 40), np.uint8), "not a batch of shape .* one by one"),
    ],
)
def test_an_invalid_array_is_an_error_with_a_remedy(source: np.ndarray, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        load_image(source)


def test_the_remedies_work() -> None:
    mean, std = np.float32(0.5), np.float32(0.25)
    normalised = (PIXELS / np.float32(255) - mean) / std
    with pytest.raises(ImageError, match="undo the normalisation"):
        load_image(normalised)
    np.testing.assert_array_equal(loaded(normalised * std + mean), PIXELS)
    assert loaded(np.full((8, 8, 3), 1.05).clip(0, 1)).min() == 255
    wide = PIXELS * 4.0
    assert loaded(wide / wide.max()).max() == 255


@pytest.mark.parametrize("channels_first", [False, True])
def test_tensors_are_converted(channels_first: bool) -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.from_numpy(PIXELS)
    tensor = tensor.permute(2, 0, 1) if channels_first else tensor
    for source in (tensor, tensor.float(), tensor.float() / 255, (tensor.float() / 255).requires_grad_()):
        np.testing.assert_array_equal(loaded(source), PIXELS)
    with pytest.raises(ImageError, match=r"convert it with \.float\(\)"):
        load_image(tensor.bfloat16())

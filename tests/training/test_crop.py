"""Crops to lesions: position, size and pixels."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lesionlab.training.crop import CropToLesion, Shrink, crop_images, lesion_boxes


def disc(x: float, y: float, radius: float, side: int = 96) -> torch.Tensor:
    """Return the mask [1, side, side] of a disc, in fractions of the image's side."""
    rows, columns = np.mgrid[:side, :side]
    distances = (columns + 0.5) / side - x, (rows + 0.5) / side - y
    return torch.from_numpy((np.hypot(*distances) <= radius).astype(np.float32))[None]


@given(x=st.floats(0.3, 0.7), y=st.floats(0.3, 0.7), radius=st.floats(0.08, 0.2), margin=st.sampled_from([1.0, 1.3]))
def test_the_square_of_a_disc_has_its_diameter(x: float, y: float, radius: float, margin: float) -> None:
    left, top, side = lesion_boxes(disc(x, y, radius), 0.5, margin)[0].tolist()
    assert side == pytest.approx(2 * radius * margin, abs=0.01)
    assert (left + side / 2, top + side / 2) == pytest.approx((x, y), abs=0.01)


@given(
    mask=st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).random((1, 24, 24)) ** 4),
    margin=st.floats(1, 4),
)
def test_the_square_lies_within_the_image(mask: np.ndarray, margin: float) -> None:
    left, top, side = lesion_boxes(torch.from_numpy(mask.astype(np.float32)), 0.5, margin)[0].tolist()
    assert 0 < side <= 1
    assert left >= 0
    assert top >= 0
    assert max(left, top) + side <= 1 + 1e-6


def test_without_a_lesion_the_square_is_the_whole_image() -> None:
    assert lesion_boxes(torch.zeros(2, 32, 32), 0.5, 1.3).tolist() == [[0, 0, 1], [0, 0, 1]]


def test_the_square_is_robust_to_small_false_detections() -> None:
    mask = disc(0.4, 0.4, 0.15)
    before = lesion_boxes(mask, 0.5, 1.3)
    mask[0, 90:92, 90:92] = 1.0
    # A bounding box would more than double in size.
    assert (lesion_boxes(mask, 0.5, 1.3) - before).abs().max() < 0.06


@pytest.mark.parametrize("box", [(0.2, 0.3, 0.5), (0.0, 0.0, 1.0), (0.55, 0.1, 0.25)])
@pytest.mark.parametrize("source", [128, 320])
def test_crops_equal_those_of_pillow(photograph: Image.Image, box: tuple[float, float, float], source: int) -> None:
    square = photograph.resize((source, source))
    left, top, side = (source * value for value in box)
    expected = square.resize((128, 128), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))
    images = torch.from_numpy(np.array(square)).permute(2, 0, 1)[None].float()
    found = crop_images(images, torch.tensor([box]), 128)[0].permute(1, 2, 0).numpy()
    # Without the rim, where the filters treat pixels beyond the box differently.
    np.testing.assert_allclose(found[2:-2, 2:-2], np.asarray(expected)[2:-2, 2:-2], atol=1.5)


@pytest.mark.parametrize(("source", "size"), [(224, 96), (128, 128), (48, 96), (100, 32)])
def test_reduction_equals_that_of_pillow_within_one_level(photograph: Image.Image, source: int, size: int) -> None:
    square = photograph.resize((source, source))
    found = Shrink(source, size)(torch.from_numpy(np.array(square))[None])[0].numpy()
    expected = np.asarray(square.resize((size, size), Image.Resampling.BILINEAR))
    assert np.abs(found - expected).max() <= 1


def test_each_image_of_a_batch_is_cropped_on_its_own(photograph: Image.Image) -> None:
    square = torch.from_numpy(np.array(photograph.resize((64, 64))))
    masks = torch.cat([disc(0.3, 0.3, 0.1), disc(0.6, 0.7, 0.2), torch.zeros(1, 96, 96)])
    together, boxes = CropToLesion(64, 0.5, 1.3)(square.expand(3, -1, -1, -1), masks)
    for index in range(3):
        alone, box = CropToLesion(64, 0.5, 1.3)(square[None], masks[index : index + 1])
        torch.testing.assert_close(together[index : index + 1], alone)
        torch.testing.assert_close(boxes[index : index + 1], box)
    torch.testing.assert_close(together[2], square.permute(2, 0, 1).float())


def test_the_input_of_the_segmentation_is_not_rounded() -> None:
    """Rounding would differ between runtimes, and one level can move the square."""
    draw = np.random.default_rng(0)
    square = torch.from_numpy(draw.integers(0, 256, (1, 224, 224, 3), dtype=np.uint8))
    found = Shrink(224, 96)(square)
    assert found.dtype == torch.float32
    assert (found - found.round()).abs().max() > 0.4

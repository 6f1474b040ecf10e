"""An image in whatever a caller holds it."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lesionlab.errors import ImageError
from lesionlab.images import load_image


def test_every_kind_of_source_gives_the_same_pixels(tmp_path: Path, photograph: Image.Image) -> None:
    path = tmp_path / "a.png"
    photograph.save(path)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(path, "a.png")
    data = path.read_bytes()
    sources: list[Any] = [
        path,
        str(path),
        f"{tmp_path}/a.zip::a.png",
        data,
        bytearray(data),
        photograph,
        np.asarray(photograph),
    ]
    for source in (*sources, Image.open(io.BytesIO(data))):
        decoded = load_image(source)
        np.testing.assert_array_equal(np.asarray(decoded.image), np.asarray(photograph))
        assert decoded.original_size == (160, 120)


def test_an_opened_image_is_turned_upright_too(photograph: Image.Image) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    photograph.transpose(Image.Transpose.ROTATE_90).save(stream, "PNG", exif=exif)
    decoded = load_image(Image.open(stream))
    np.testing.assert_array_equal(np.asarray(decoded.image), np.asarray(photograph))


def test_an_array_may_be_as_small_as_those_of_the_28_pixel_table() -> None:
    assert load_image(np.zeros((28, 28, 3), np.uint8)).image.size == (28, 28)
    assert load_image(np.zeros((28, 28), np.uint8)).image.mode == "RGB"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (np.zeros((40, 40, 3)), r"must be uint8 .* this one is float64; scale it: \(255 \* pixels\)"),
        (np.zeros((40, 40, 3), np.int64), "must be uint8 .* this one is int64; convert it"),
        (np.zeros((40, 40, 4), np.uint8), r"must have the shape .* this one has \(40, 40, 4\)"),
        (np.zeros((1, 40, 40, 3), np.uint8), "must have the shape"),
        (np.zeros((0, 40, 3), np.uint8), "must have the shape"),
        (b"", "empty"),
        (None, "not NoneType"),
    ],
)
def test_refuses_with_the_reason(source: object, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        load_image(source)  # type: ignore[arg-type] # what a caller gets wrong

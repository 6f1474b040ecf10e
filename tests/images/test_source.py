"""Loading of one image from every supported source."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lesionlab.errors import ImageError
from lesionlab.images import load_image


def test_every_source_has_the_same_pixels(tmp_path: Path, photograph: Image.Image) -> None:
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


def test_exif_orientation_of_an_opened_image_is_applied(photograph: Image.Image) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    photograph.transpose(Image.Transpose.ROTATE_90).save(stream, "PNG", exif=exif)
    decoded = load_image(Image.open(stream))
    np.testing.assert_array_equal(np.asarray(decoded.image), np.asarray(photograph))


def test_arrays_may_have_28_pixels() -> None:
    assert load_image(np.zeros((28, 28, 3), np.uint8)).image.size == (28, 28)
    assert load_image(np.zeros((28, 28), np.uint8)).image.mode == "RGB"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (b"", "empty"),
        (None, "not NoneType"),
    ],
)
def test_an_invalid_source_is_an_error(source: object, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        load_image(source)  # type: ignore[arg-type] # invalid on purpose

"""Hashes of copies are similar, and follow mirroring and rotation exactly."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lesionlab.errors import ImageError
from lesionlab.images.perceptual_hash import BITS, distances, hash_images, perceptual_hash
from lesionlab.phantoms import phantom_image

TRANSPOSITIONS = list(Image.Transpose)


@pytest.fixture(scope="module")
def image() -> Image.Image:
    return Image.fromarray(np.asarray(phantom_image("mel", seed=3, size=(300, 225))))


def distance(a: Image.Image, b: Image.Image, *, oriented: bool = True) -> float:
    found = distances(perceptual_hash(a)[np.newaxis], perceptual_hash(b)[np.newaxis], oriented=oriented)
    return float(found[0, 0])


@pytest.mark.parametrize("transposition", TRANSPOSITIONS)
def test_mirrored_and_rotated_images_have_the_same_hash(image: Image.Image, transposition: Image.Transpose) -> None:
    turned = image.transpose(transposition)
    assert distance(turned, image) <= 2
    assert distance(turned, image, oriented=False) > 24


def test_size_and_compression_change_few_bits(image: Image.Image, tmp_path: Path) -> None:
    image.save(tmp_path / "low.jpg", quality=50)
    assert distance(Image.open(tmp_path / "low.jpg"), image) <= 24
    assert distance(image.resize((600, 450)), image) <= 12


def test_other_images_differ(image: Image.Image) -> None:
    other = Image.fromarray(np.asarray(phantom_image("mel", seed=4, size=(300, 225))))
    assert 24 < distance(other, image) <= BITS / 2 + 40


def test_files_are_hashed_in_order_and_damaged_ones_are_named(image: Image.Image, tmp_path: Path) -> None:
    image.save(tmp_path / "a.png")
    image.rotate(90).save(tmp_path / "b.png")
    done: list[int] = []
    found = hash_images([str(tmp_path / name) for name in ("a.png", "b.png")], done.append)
    assert (found.shape, done) == ((2, BITS // 8), [1, 2])
    assert (found[0] == perceptual_hash(image)).all()
    with pytest.raises(ImageError, match=r"c\.png: no such file"):
        hash_images([str(tmp_path / "c.png")])
    assert hash_images([]).shape == (0, BITS // 8)

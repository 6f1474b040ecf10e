"""Copies of one image are found whatever was done to them, and their kind is stated."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from lesionlab import RESEARCH_ONLY
from lesionlab.bundle import Bundle
from lesionlab.curation import ImageFeatures, PairKind, describe_images, find_duplicates, render_review
from lesionlab.curation.page import ReviewItem, ShownImage

cv2 = pytest.importorskip("cv2", reason="the extra duplicates is not installed")


def picture(seed: int) -> Image.Image:
    random = np.random.default_rng(seed)
    layers = [
        np.asarray(Image.fromarray(random.integers(0, 256, (n, n, 3), dtype=np.uint8)).resize((224, 224)), dtype=float)
        for n in (5, 14, 40)
    ]
    return Image.fromarray(np.mean(layers, axis=0).astype(np.uint8))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("images")
    for seed in range(5):
        picture(seed).save(folder / f"{seed}.png")
    picture(0).save(folder / "5-identical.bmp")
    picture(1).resize((160, 160)).save(folder / "6-resaved.jpg", quality=60)
    ImageOps.mirror(picture(2)).save(folder / "7-mirrored.jpg")
    picture(3).crop((30, 40, 200, 200)).save(folder / "8-cropped.jpg")
    picture(4).rotate(25).point(lambda value: round(0.8 * value)).save(folder / "9-rotated.jpg")
    return sorted(str(path) for path in folder.iterdir())


@pytest.fixture(scope="module")
def features(images: list[str]) -> ImageFeatures:
    return describe_images(images, Bundle.load(None))


def test_each_kind_of_copy_is_found_and_nothing_else(features: ImageFeatures) -> None:
    found = {(pair.first, pair.second): pair.kind for pair in find_duplicates(features)}
    assert found == {
        (0, 5): PairKind.IDENTICAL,
        (1, 6): PairKind.RESAVED,
        (2, 7): PairKind.MIRRORED,
        (3, 8): PairKind.CROPPED,
        (4, 9): PairKind.CROPPED,
    }


@pytest.mark.slow
def test_two_datasets_are_compared(images: list[str], features: ImageFeatures) -> None:
    other = describe_images(images[5:7], Bundle.load(None))
    found = find_duplicates(features, other)
    assert {(0, 0), (1, 1)} <= {(pair.first, pair.second) for pair in found}
    assert all(0 <= pair.score <= 1 for pair in found)


def test_the_page_is_escaped_and_self_contained(images: list[str], tmp_path: Path) -> None:
    pair = ReviewItem("Same <picture>", (ShownImage(images[0], "a&b"), ShownImage(str(tmp_path / "none.png"), "c")))
    page = render_review("Duplicates", ["1 pair."], [pair])
    assert "Same &lt;picture&gt;" in page
    assert "a&amp;b" in page
    assert "Image not readable" in page
    assert "data:image/jpeg;base64," in page
    assert "://" not in page
    assert RESEARCH_ONLY in page

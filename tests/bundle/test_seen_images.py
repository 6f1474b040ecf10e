"""Training images are recognised in other datasets; other images are not."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from lesionlab.bundle import SeenImages
from lesionlab.bundle.npz import npz_bytes, read_npz
from lesionlab.data import ImageRecord, Manifest
from lesionlab.phantoms import write_phantoms

SALT = "a" * 64
Change = Callable[[Image.Image], Image.Image]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return write_phantoms(tmp_path_factory.mktemp("training") / "data", lesions=60, size=(120, 90))


@pytest.fixture(scope="module")
def index(dataset: Manifest) -> SeenImages:
    return SeenImages.of([dataset], SALT)


def saved(images: Manifest, folder: Path, change: Change, suffix: str, *, renamed: bool, **options: Any) -> Manifest:
    """Save changed copies of the images of a dataset, under other identifiers if renamed."""
    folder.mkdir()
    records = []
    for number, record in enumerate(images):
        name = f"other{number}" if renamed else record.image_id
        with Image.open(images.location(record)) as opened:
            change(opened.convert("RGB")).save(folder / f"{name}.{suffix}", **options)
        lesion = f"lesion{record.lesion_id}" if renamed else record.lesion_id
        records.append(ImageRecord(name, f"{name}.{suffix}", lesion, record.diagnosis))
    return Manifest(folder, tuple(records))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "suffix", "options"),
    [
        (lambda image: image, "png", {}),
        (lambda image: image, "jpg", {"quality": 50}),
        (lambda image: image.resize((240, 180)), "jpg", {"quality": 75}),
        (lambda image: image.resize((96, 96)), "webp", {"quality": 80}),
        (ImageOps.mirror, "jpg", {"quality": 75}),
        (ImageOps.flip, "png", {}),
        (lambda image: image.rotate(90, expand=True), "jpg", {"quality": 75}),
        (lambda image: image.rotate(180), "jpg", {"quality": 75}),
    ],
)
def test_renamed_copies_are_recognised(
    dataset: Manifest, index: SeenImages, tmp_path: Path, change: Change, suffix: str, options: dict[str, int]
) -> None:
    copies = saved(dataset, tmp_path / "copies", change, suffix, renamed=True, **options)
    found, seen = index.find(copies, SALT)
    assert (seen.by_identifier, seen.images, seen.lesions) == (0, len(dataset), dataset.lesion_count)
    assert seen.by_pixels >= 0.95 * len(dataset)
    assert tuple(found) == copies.records


@pytest.mark.slow
def test_images_are_recognised_by_identifier_after_cropping(
    dataset: Manifest, index: SeenImages, tmp_path: Path
) -> None:
    cropped = saved(dataset, tmp_path / "cropped", lambda image: ImageOps.crop(image, 4), "png", renamed=False)
    assert index.find(cropped, SALT)[1].by_identifier == len(dataset)


def test_other_images_of_a_training_lesion_are_seen(dataset: Manifest, index: SeenImages) -> None:
    images = tuple(replace(record, image_id=f"x{record.image_id}") for record in dataset)[:5]
    other = np.zeros_like(index.pixels)
    by_lesion = replace(index, pixels=other, limit=-1).find(Manifest(dataset.root, images), SALT)[1]
    assert (by_lesion.by_identifier, by_lesion.by_pixels) == (5, 0)


@pytest.mark.slow
def test_other_datasets_are_not_seen_though_identifiers_coincide(index: SeenImages, tmp_path: Path) -> None:
    other = write_phantoms(tmp_path / "other", lesions=30, seed=8, size=(120, 90))
    found, seen = index.find(other, SALT)
    assert (found, seen.images, seen.by_identifier, seen.by_pixels) == ([], 0, 0, 0)


def test_all_images_of_a_lesion_are_seen_together(dataset: Manifest, index: SeenImages, tmp_path: Path) -> None:
    other = write_phantoms(tmp_path / "other", lesions=7, seed=8, size=(120, 90))
    shutil.copy(dataset.location(dataset.records[0]), other.location(other.records[0]))
    one_lesion = Manifest(other.root, tuple(replace(r, image_id=f"x{r.image_id}", lesion_id="one") for r in other))
    found, seen = index.find(one_lesion, SALT)
    assert (seen.by_pixels, seen.lesions, seen.images, len(found)) == (1, 1, len(other), len(other))


def test_identifiers_are_neither_readable_nor_comparable_between_datasets(dataset: Manifest, index: SeenImages) -> None:
    content = index.to_bytes()
    raw = b"".join(array.tobytes() for array in read_npz(content).values())
    for record in dataset:
        assert record.image_id.encode() not in raw
        assert record.lesion_id.encode() not in raw
    assert len(content) < 60 * len(dataset) + 2000
    assert not np.isin(SeenImages.of([dataset], "b" * 64).image_id, index.image_id).any()


def test_copies_of_a_file_count_once_and_the_file_is_reproducible(dataset: Manifest, index: SeenImages) -> None:
    twice = [dataset, Manifest(dataset.root, tuple(replace(r, image_id=f"{r.image_id}_copy") for r in dataset))]
    assert len(SeenImages.of(twice, SALT)) == len(dataset)
    again = SeenImages.from_bytes(index.to_bytes())
    assert (again.limit, again.unrelated, len(again)) == (index.limit, index.unrelated, len(dataset))
    assert again.to_bytes() == index.to_bytes() == SeenImages.of([dataset], SALT).to_bytes()


@pytest.mark.parametrize("count", [1, 2])
def test_an_index_of_few_images_works(dataset: Manifest, count: int) -> None:
    few = Manifest(dataset.root, dataset.records[:count])
    assert SeenImages.of([few], SALT).find(few, SALT)[1].by_pixels == count


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pixels": None}, "it lacks pixels"),
        ({"pixels": np.zeros((3, 32), np.uint8)}, "its array image_id has another type or shape"),
        ({"lesion_id": np.zeros(4, np.int64)}, "its array lesion_id has another type or shape"),
        ({"limit": np.zeros(2, np.int64)}, "its array limit has another type or shape"),
        ({"pixels": np.zeros((), np.uint8)}, "its array pixels has another type or shape"),
    ],
)
def test_damage_is_named(index: SeenImages, change: dict[str, np.ndarray | None], message: str) -> None:
    arrays = {k: v for k, v in (read_npz(index.to_bytes()) | change).items() if v is not None}
    with pytest.raises(ValueError, match=message):
        SeenImages.from_bytes(npz_bytes(arrays))

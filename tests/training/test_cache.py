"""The image cache: content, reuse and errors."""

import os
import shutil
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from lesionlab.data import Manifest
from lesionlab.errors import DataError
from lesionlab.images import DecodedImage, Preprocessing, decode_image, load_image, read_image_bytes
from lesionlab.recipes import Recipe
from lesionlab.segmentation import Segmenter
from lesionlab.training import cache
from lesionlab.training.cache import open_image_cache, open_network_inputs
from lesionlab.training.crop import CropToLesion

SMALL = Preprocessing(size=40)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("LESIONLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "images"


@pytest.fixture
def copied(phantoms: Manifest, tmp_path: Path) -> Manifest:
    """A copy of some phantoms that tests may change."""
    shutil.copytree(phantoms.root, tmp_path / "data")
    return Manifest(tmp_path / "data", phantoms.records[:12])


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Paths of the arrays built, one entry per build."""
    made: list[Path] = []
    build: Callable[..., None] = cache._build

    def counted(path: Path, *arguments: object) -> None:
        made.append(path)
        build(path, *arguments)

    monkeypatch.setattr(cache, "_build", counted)
    return made


@pytest.mark.parametrize("preprocessing", [SMALL, Preprocessing(size=96, interpolation="bicubic")])
def test_rows_equal_the_result_of_preprocessing(folder: Path, copied: Manifest, preprocessing: Preprocessing) -> None:
    seen: list[tuple[int, int]] = []
    images = open_image_cache(copied, preprocessing, lambda done, total: seen.append((done, total)))
    assert images.dtype == np.uint8
    assert seen == [(done, 12) for done in range(1, 13)]
    for row, record in zip(images, copied, strict=True):
        data = read_image_bytes(copied.location(record))
        decoded = decode_image(data, at_least=preprocessing.decode_size)
        np.testing.assert_array_equal(row, preprocessing.apply(decoded.image))


def test_the_array_is_built_once(folder: Path, copied: Manifest, builds: list[Path]) -> None:
    first = open_image_cache(copied, SMALL)
    np.testing.assert_array_equal(open_image_cache(copied, SMALL), first)
    # Normalisation is applied in the network: no separate array is built.
    open_image_cache(copied, SMALL.model_copy(update={"mean": (0.1, 0.1, 0.1)}))
    assert len(builds) == 1
    assert [path.name for path in folder.iterdir()] == [builds[0].name]


def test_another_size_filter_or_dataset_has_its_own_array(folder: Path, copied: Manifest, builds: list[Path]) -> None:
    for preprocessing in (SMALL, Preprocessing(size=41), Preprocessing(size=40, interpolation="bicubic")):
        open_image_cache(copied, preprocessing)
    assert len(open_image_cache(Manifest(copied.root, copied.records[:5]), SMALL)) == 5
    assert len(set(builds)) == 4


def test_a_changed_file_gives_a_new_array(folder: Path, copied: Manifest, builds: list[Path]) -> None:
    before = open_image_cache(copied, SMALL)
    file = Path(copied.location(copied.records[3]))
    Image.new("RGB", (64, 48), "green").save(file)
    after = open_image_cache(copied, SMALL)
    assert len(builds) == 2
    changed = [row for row in range(12) if not np.array_equal(before[row], after[row])]
    assert changed == [3]
    status = file.stat()
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    open_image_cache(copied, SMALL)
    assert len(builds) == 3


def test_a_file_that_changes_before_it_is_decoded_is_an_error(folder: Path, copied: Manifest) -> None:
    file = Path(copied.location(copied.records[3]))
    other = Image.new("RGB", (64, 48), "green")
    changed: list[NDArray[np.uint8]] = []

    def load(location: str, **options: Any) -> DecodedImage:
        if location == str(file) and not changed:
            other.save(file)
            changed.append(np.asarray(other))
        return load_image(location, **options)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(DataError) as caught:
        patch.setattr(cache, "load_image", load)
        open_image_cache(copied, SMALL)
    relative = file.relative_to(copied.root)
    assert f"1 of 12 images cannot be used: {relative}: the file has changed since the start" in str(caught.value)
    assert list(folder.iterdir()) == []
    np.testing.assert_array_equal(open_image_cache(copied, SMALL)[3], SMALL.apply(load_image(str(file)).image))


def test_a_damaged_array_is_an_error(folder: Path, copied: Manifest) -> None:
    open_image_cache(copied, SMALL)
    (file,) = folder.iterdir()
    for content in (file.read_bytes()[:5000], b""):
        file.write_bytes(content)
        with pytest.raises(DataError, match=rf"{file} is damaged .*; remove this file"):
            open_image_cache(copied, SMALL)


def test_abandoned_files_are_removed_whatever_the_clock(folder: Path, copied: Manifest) -> None:
    folder.mkdir(parents=True)
    now = time.time()
    for name, modified in (("old", now - 4000), ("recent", now), ("future", now + 4000)):
        (folder / f".{name}.npy.x.part").touch()
        os.utime(folder / f".{name}.npy.x.part", (modified, modified))
    open_image_cache(copied, SMALL)
    assert sorted(path.name for path in folder.glob(".*")) == [".future.npy.x.part", ".recent.npy.x.part"]


def test_a_moved_dataset_keeps_its_array(folder: Path, copied: Manifest, tmp_path: Path, builds: list[Path]) -> None:
    open_image_cache(copied, SMALL)
    copied.root.rename(tmp_path / "moved")
    open_image_cache(Manifest(tmp_path / "moved", copied.records), SMALL)
    assert len(builds) == 1


def test_writing_to_the_array_does_not_change_the_file(folder: Path, copied: Manifest) -> None:
    images = open_image_cache(copied, SMALL)
    before = images[0].copy()
    images[0] = 0
    np.testing.assert_array_equal(open_image_cache(copied, SMALL)[0], before)


def test_members_of_an_archive_are_cached(folder: Path, tmp_path: Path, copied: Manifest) -> None:
    from dataclasses import replace

    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for record in copied:
            archive.write(copied.root / record.path, record.path)
    zipped = Manifest(tmp_path, tuple(replace(record, path=f"set.zip::{record.path}") for record in copied))
    np.testing.assert_array_equal(open_image_cache(zipped, SMALL), open_image_cache(copied, SMALL))


def test_unreadable_images_are_listed_and_no_file_is_left(folder: Path, copied: Manifest) -> None:
    files = [Path(copied.location(copied.records[index])) for index in (1, 4, 7)]
    files[0].write_text("not an image")
    files[1].unlink()
    files[2].write_bytes(files[2].read_bytes()[:200])
    with pytest.raises(DataError, match="3 of 12 images cannot be used") as caught:
        open_image_cache(copied, SMALL)
    for file in files:
        assert f"{file.relative_to(copied.root)}: " in str(caught.value)
    assert "`lesionlab data check` lists all" in str(caught.value)
    assert list(folder.iterdir()) == []


def test_a_long_list_of_unreadable_images_is_shortened(folder: Path, copied: Manifest) -> None:
    for record in copied:
        Path(copied.location(record)).write_bytes(b"")
    with pytest.raises(DataError, match=r"12 of 12 images cannot be used: .*; and 7 more"):
        open_image_cache(copied, SMALL)


def test_crops_are_taken_from_the_source_size(
    folder: Path, copied: Manifest, make_recipe: Callable[..., Recipe], tiny_segmentation: Path, builds: list[Path]
) -> None:
    recipe = make_recipe(f"crop.segmentation={tiny_segmentation}", "input.size=40", "crop.source=96")
    seen, key = open_network_inputs(copied, recipe)
    images = open_image_cache(copied, Preprocessing(**recipe.graph_input.model_dump()))
    assert images.shape == (12, 96, 96, 3)
    segmenter = Segmenter.load(tiny_segmentation)
    found = torch.from_numpy(segmenter.segment_squares(images))
    expected, _ = CropToLesion(40, segmenter.info.threshold, recipe.crop.margin)(torch.from_numpy(images), found)
    np.testing.assert_array_equal(seen, expected.round().permute(0, 2, 3, 1).numpy())
    again, same = open_network_inputs(copied, recipe)
    assert same == key
    np.testing.assert_array_equal(again, seen)
    assert len(builds) == 2
    # Another source size has another array, and so has the whole image.
    for change in ("crop.source=80", "crop.source=0"):
        other = make_recipe(f"crop.segmentation={tiny_segmentation}", "input.size=40", change)
        assert open_network_inputs(copied, other)[1] != key
    assert open_network_inputs(copied, make_recipe("input.size=40"))[0].shape == (12, 40, 40, 3)

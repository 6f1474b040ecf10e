"""Archives of DermaMNIST become datasets with their subsets."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lesionlab.data import import_hmnist, read_dataset
from lesionlab.errors import DataError


def write_archive(path: Path, changes: dict[str, np.ndarray] | None = None) -> Path:
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for key, count in (("train", 7), ("val", 2), ("test", 3)):
        arrays[f"{key}_images"] = rng.integers(0, 256, (count, 28, 28, 3), np.uint8)
        arrays[f"{key}_labels"] = np.arange(count, dtype=np.uint8)[:, None]
    np.savez(path, **(arrays | (changes or {})))
    return path


def test_the_classes_and_subsets_are_those_of_the_archive(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "dermamnist.npz")
    manifest = import_hmnist(archive, tmp_path / "out")
    train = [record for record in manifest if record.subset == "train"]
    assert [record.diagnosis for record in train] == ["akiec", "bcc", "bkl", "df", "mel", "nv", "vasc"]
    assert [record.subset for record in manifest].count("validation") == 2
    assert train[0].image_id == "dermamnist_train_00000"
    assert not manifest.lesions_known
    assert read_dataset(tmp_path / "out") == manifest


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("retinamnist.npz", {}, "not DermaMNIST by its name"),
        ("dermamnist.npz", {"val_labels": np.array([0, 7])}, "val_labels has other values than 0 to 6"),
        ("dermamnist.npz", {"test_images": np.zeros((3, 28, 28), np.uint8)}, "test_images is uint8"),
        ("dermamnist.npz", {"test_images": np.array([None])}, "not a complete DermaMNIST archive"),
    ],
)
def test_other_archives_are_an_error(tmp_path: Path, name: str, changes: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(DataError, match=message):
        import_hmnist(write_archive(tmp_path / name, changes), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_damaged_archive_is_an_error(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "dermamnist.npz")
    archive.write_bytes(archive.read_bytes()[:5000])
    with pytest.raises(DataError, match="not a complete DermaMNIST archive"):
        import_hmnist(archive, tmp_path / "out")

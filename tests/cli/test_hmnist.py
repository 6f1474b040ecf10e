"""Tests of `lesionlab data mini`, `import-hmnist` and `export-hmnist`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lesionlab.data import Manifest, make_split, read_dataset, read_hmnist

Cli = Callable[..., Any]


@pytest.mark.slow
def test_dataset_round_trips_through_a_pixel_table(phantoms: Manifest, tmp_path: Path, cli: Cli) -> None:
    exported = cli("data", "export-hmnist", phantoms.root, "--out", tmp_path / "hmnist_28_28_RGB.csv")
    assert exported.code == 0
    assert f"{len(phantoms)} images of 28x28 pixels, RGB" in exported.out
    imported = cli("data", "import-hmnist", tmp_path / "hmnist_28_28_RGB.csv", "--out", tmp_path / "set")
    assert imported.code == 0
    assert f"{len(phantoms)} images" in imported.out
    assert "leakage between subsets cannot be excluded" in imported.err
    again = read_dataset(tmp_path / "set")
    assert [record.diagnosis for record in again] == [record.diagnosis for record in phantoms]
    assert {record.source for record in again} == {"hmnist_28_28_RGB"}
    assert cli("data", "check", tmp_path / "set").code == 0


def test_grey_table_of_eight_pixels(phantoms: Manifest, tmp_path: Path, cli: Cli) -> None:
    done = cli("data", "export-hmnist", phantoms.root, "--out", tmp_path / "t.csv", "--size", 8, "--grey")
    assert done.code == 0
    assert read_hmnist(tmp_path / "t.csv")[0].shape == (len(phantoms), 8, 8, 1)


def test_mini_dataset_keeps_lesions_and_metadata(phantoms: Manifest, tmp_path: Path, cli: Cli) -> None:
    made = cli("data", "mini", phantoms.root, "--out", tmp_path / "mini", "--images", 60, "--size", 40)
    assert made.code == 0
    assert "60 images of" in made.out
    small = read_dataset(tmp_path / "mini")
    originals = {record.image_id: record for record in phantoms}
    for record in small:
        original = originals[record.image_id]
        facts = ("lesion_id", "diagnosis", "age", "sex", "site", "dx_type", "source")
        assert [getattr(record, name) for name in facts] == [getattr(original, name) for name in facts]
    assert small.lesions_known
    assert not make_split(small).leaky
    from PIL import Image

    with Image.open(small.location(small.records[0])) as image:
        assert image.size == (40, 40)
        assert np.asarray(image).std() > 1  # not uniform


def test_same_seed_draws_the_same_mini_dataset(phantoms: Manifest, tmp_path: Path, cli: Cli) -> None:
    for name, seed in (("one", 1), ("again", 1), ("two", 2)):
        cli("data", "mini", phantoms.root, "--out", tmp_path / name, "--images", 20, "--seed", seed)
    tables = {name: (tmp_path / name / "manifest.csv").read_text() for name in ("one", "again", "two")}
    assert tables["one"] == tables["again"] != tables["two"]


@pytest.mark.parametrize(("size", "code"), [(7, 2), (8, 0)])
def test_mini_images_have_a_minimum_size(phantoms: Manifest, tmp_path: Path, cli: Cli, size: int, code: int) -> None:
    made = cli("data", "mini", phantoms.root, "--out", tmp_path / "new", "--images", 7, "--size", size)
    assert made.code == code
    assert cli("data", "check", tmp_path / "new").code == code


def test_error_is_one_line_and_leaves_no_file(phantoms: Manifest, tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "bad.csv").write_text("pixel0000,label\n256,0\n")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep")
    for code, words, *arguments in (
        (1, "bad.csv: line 2: pixel0000 is '256'", "import-hmnist", tmp_path / "bad.csv", "--out", tmp_path / "new"),
        (2, "full exists; choose another --out", "mini", phantoms.root, "--out", tmp_path / "full", "--images", 20),
        (1, "5,000 were requested", "mini", phantoms.root, "--out", tmp_path / "new", "--images", 5000),
        (2, "request at least 7", "mini", phantoms.root, "--out", tmp_path / "new", "--images", 3),
        (2, "there is no such file or folder", "export-hmnist", tmp_path / "none", "--out", tmp_path / "new"),
    ):
        outcome = cli("data", *arguments)
        assert outcome.code == code
        assert words in outcome.err
        assert len(outcome.err.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.csv", "full"]
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine.txt"]

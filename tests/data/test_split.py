"""Split files are read back exactly; changed files are an error."""

import json
from itertools import chain
from pathlib import Path

import pytest

from lesionlab.data import ImageRecord, Manifest, Split, load_split, make_split
from lesionlab.errors import DataError, UsageError


def manifest_of(lesions: int = 12, images_each: int = 2) -> Manifest:
    codes = ("mel", "nv")
    records = tuple(
        ImageRecord(f"image_{lesion}_{number}", "x.jpg", f"lesion_{lesion}", codes[lesion % 2])
        for lesion in range(lesions)
        for number in range(images_each)
    )
    return Manifest(Path("data"), records)


def with_change(split: Split, change: dict[str, object]) -> Split:
    return Split.model_validate(split.model_dump() | change)


def test_a_saved_split_is_read_back(tmp_path: Path) -> None:
    for options in ({}, {"folds": 3, "test": 0.0}, {"by_image": True}):
        split = make_split(manifest_of(), **options)
        split.save(tmp_path / "split.json")
        assert load_split(tmp_path / "split.json") == split
        stored = json.loads((tmp_path / "split.json").read_text())
        assert (stored["sha256"], stored["leaky"]) == (split.sha256, split.leaky)


def test_the_hash_changes_with_anything_that_changes() -> None:
    split = make_split(manifest_of())
    image_id = next(iter(split.assignment))
    other = "train" if split.assignment[image_id] == "test" else "test"
    changes: list[dict[str, object]] = [
        {"unit": "image"},
        {"seed": 1},
        {"fractions": {"validation": 0.2, "test": 0.15}},
        {"manifest_sha256": "0" * 64},
        {"lesions_known": False},
        {"assignment": split.assignment | {image_id: other}},
        {"assignment": split.assignment | {"another": "train"}},
    ]
    hashes = {split.sha256} | {with_change(split, change).sha256 for change in changes}
    assert len(hashes) == len(changes) + 1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"seed": 0', '"seed": 1', "was edited"),
        ('"leaky": false', '"leaky": true', "was edited"),
        ('"schema_version": 1', '"schema_version": 2', "a split of version 2, but version 1 is supported"),
        ('"sha256"', '"hash"', "not a split"),
        ("{", "", "not valid JSON"),
    ],
)
def test_an_edited_or_damaged_file_is_an_error(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "split.json"
    make_split(manifest_of()).save(path)
    text = path.read_text()
    # The last occurrence of the key "sha256": "manifest_sha256" precedes it.
    path.write_text(new.join(text.rsplit(old, 1)))
    with pytest.raises(DataError, match=message):
        load_split(path)


def test_an_invalid_file_with_a_valid_hash_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    split = make_split(manifest_of())
    split.model_copy(update={"assignment": {"a": "exam"}}).save(path)
    with pytest.raises(DataError, match=r"not a valid split .*'exam' is none of train, validation, test"):
        load_split(path)
    with pytest.raises(DataError, match="cannot be read: No such file"):
        load_split(tmp_path / "nowhere.json")


def test_a_split_is_valid_for_its_own_manifest_only() -> None:
    manifest = manifest_of()
    split = make_split(manifest)
    split.check_against(manifest)
    other = manifest_of(lesions=14)
    with pytest.raises(DataError, match=f"{manifest.sha256[:12]}.*{other.sha256[:12]}.*lesionlab data split"):
        split.check_against(other)


def test_folds_are_validated_in_turn_and_the_test_subset_is_fixed() -> None:
    split = make_split(manifest_of(lesions=40), folds=4, test=0.2)
    validated: list[str] = []
    tests = set()
    for fold in range(4):
        subsets = split.subsets(fold)
        assert sorted(chain(*subsets.values())) == sorted(split.assignment)
        validated += subsets["validation"]
        tests.add(tuple(subsets["test"]))
    assert len(tests) == 1
    assert sorted([*validated, *tests.pop()]) == sorted(split.assignment)


def test_without_a_test_subset_every_fold_is_tested_once() -> None:
    split = make_split(manifest_of(lesions=40), folds=4, test=0)
    rounds = [split.subsets(fold) for fold in range(4)]
    assert sorted(image for subsets in rounds for image in subsets["test"]) == sorted(split.assignment)
    for fold, subsets in enumerate(rounds):
        assert subsets["validation"] == rounds[(fold + 1) % 4]["test"]
        assert sorted(chain(*subsets.values())) == sorted(split.assignment)


def test_a_fold_that_does_not_exist_is_an_error() -> None:
    plain, folded = make_split(manifest_of()), make_split(manifest_of(40), folds=3)
    with pytest.raises(UsageError, match="the split has no folds"):
        plain.subsets(0)
    with pytest.raises(UsageError, match="the folds 0 to 2: select one"):
        folded.subsets()
    with pytest.raises(UsageError, match="there is no fold 3"):
        folded.subsets(3)

"""The split that data come with becomes a split of the manifest."""

from collections import Counter
from dataclasses import replace

import pytest

from lesionlab.data import Manifest, given_split
from lesionlab.errors import DataError


def with_subsets(manifest: Manifest, *names: str | None) -> Manifest:
    """Give the lesions the subsets in turn."""
    lesions = sorted({record.lesion_id for record in manifest})
    subset = {lesion: names[number % len(names)] for number, lesion in enumerate(lesions)}
    return replace(manifest, records=tuple(replace(r, subset=subset[r.lesion_id]) for r in manifest))


def test_given_subsets_are_kept(phantoms: Manifest) -> None:
    manifest = with_subsets(phantoms, "train", "train", "validation", "test")
    split = given_split(manifest)
    assert split.assignment == {record.image_id: record.subset for record in manifest}
    assert (split.unit, split.leaky) == ("lesion", False)
    split.check_against(manifest)


def test_a_missing_validation_subset_is_taken_from_training(phantoms: Manifest) -> None:
    manifest = with_subsets(phantoms, "train", "train", "train", "train", "test")
    split = given_split(manifest, validation=0.3, seed=1)
    found = Counter((record.subset, split.assignment[record.image_id]) for record in manifest)
    assert set(found) == {("train", "train"), ("train", "validation"), ("test", "test")}
    assert split == given_split(manifest, validation=0.3, seed=1)


def test_lesions_in_several_subsets_make_the_split_leaky(phantoms: Manifest) -> None:
    lesions = Counter(record.lesion_id for record in phantoms)
    divided = next(lesion for lesion, count in lesions.items() if count > 1)
    manifest = with_subsets(phantoms, "train", "validation")
    first = next(record for record in manifest if record.lesion_id == divided)
    records = tuple(replace(record, subset="test") if record == first else record for record in manifest)
    assert given_split(replace(manifest, records=records)).leaky


def test_images_without_a_subset_are_an_error(phantoms: Manifest) -> None:
    with pytest.raises(DataError, match="have no given subset"):
        given_split(with_subsets(phantoms, "train", None))
    with pytest.raises(DataError, match="no image is in the training subset"):
        given_split(with_subsets(phantoms, "test"))

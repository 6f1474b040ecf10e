"""Split protocols: by lesion with a complete test subset, or as published."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace

import pytest

from lesionlab.data import Manifest, make_split
from lesionlab.errors import DataError, RecipeError
from lesionlab.recipes import Recipe, SplitProtocol, load_recipe, possible_protocols, prepare_split, usable_split


def test_a_number_of_images_does_not_reduce_the_test_subset(
    make_recipe: Callable[..., Recipe], phantoms: Manifest
) -> None:
    whole, split_of_all = prepare_split(make_recipe(), phantoms)
    assert (whole, split_of_all) == (phantoms, make_split(phantoms, validation=0.2, test=0.25))
    manifest, split = prepare_split(make_recipe("data.images=60"), phantoms)
    split.check_against(manifest)
    subsets, all_subsets = split.subsets(), split_of_all.subsets()
    assert set(subsets["test"]) == set(all_subsets["test"])
    assert len(subsets["train"]) == pytest.approx(60 * 0.55, abs=1)
    assert len(subsets["validation"]) == pytest.approx(60 * 0.2, abs=1)
    assert all(set(subsets[name]) <= set(all_subsets[name]) for name in subsets)
    assert not split.leaky


def test_a_dataset_of_exactly_this_size_is_used_completely(
    make_recipe: Callable[..., Recipe], phantoms: Manifest
) -> None:
    # Lesions have several images, so that a subset rarely has exactly its share.
    manifest, split = prepare_split(make_recipe(f"data.images={len(phantoms)}"), phantoms)
    split.check_against(manifest)
    assert len(phantoms) - len(manifest) <= 5
    more, _ = prepare_split(make_recipe(f"data.images={2 * len(phantoms)}"), phantoms)
    assert more == phantoms


def test_copies_made_before_the_split_are_shared_between_subsets(phantoms: Manifest) -> None:
    recipe = load_recipe("custom-cnn-oversampled")
    manifest, split = prepare_split(recipe, phantoms, SplitProtocol.PUBLISHED)
    split.check_against(manifest)
    assert split.leaky
    assert len(manifest) > len(phantoms)
    subsets_of_path = defaultdict(set)
    for record in manifest:
        subsets_of_path[record.path].add(split.assignment[record.image_id])
    assert any({"train", "test"} <= subsets for subsets in subsets_of_path.values())
    whole, by_lesion = prepare_split(recipe, phantoms)
    assert (whole, by_lesion.leaky) == (phantoms, False)


def test_the_published_split_without_the_copies(phantoms: Manifest, make_recipe: Callable[..., Recipe]) -> None:
    recipe = load_recipe("custom-cnn-oversampled")
    assert possible_protocols(recipe) == (SplitProtocol.PUBLISHED, SplitProtocol.IMAGE, SplitProtocol.LESION)
    manifest, split = prepare_split(recipe, phantoms, SplitProtocol.IMAGE)
    split.check_against(manifest)
    assert manifest == phantoms
    assert split.leaky
    # Without copies this equals the published protocol.
    other = load_recipe("efficientnetb3-focal")
    assert possible_protocols(other) == (SplitProtocol.PUBLISHED, SplitProtocol.LESION)
    with pytest.raises(RecipeError, match="no copies were made before the published split"):
        prepare_split(other, phantoms, SplitProtocol.IMAGE)
    assert possible_protocols(make_recipe()) == (SplitProtocol.LESION,)


def test_the_published_number_of_images_is_drawn_first(phantoms: Manifest) -> None:
    recipe = load_recipe("mobilenetv2-mini-melanoma", ["data.images=60"])
    manifest, split = prepare_split(recipe, phantoms, SplitProtocol.PUBLISHED)
    assert len(manifest) == 60
    assert len(split.subsets()["test"]) == pytest.approx(12, abs=7)


def test_a_recipe_without_a_published_protocol_is_an_error(
    make_recipe: Callable[..., Recipe], phantoms: Manifest
) -> None:
    with pytest.raises(RecipeError, match=r"recipe phantom-demo has no table \[published\]"):
        prepare_split(make_recipe(), phantoms, SplitProtocol.PUBLISHED)


def test_other_diagnoses_are_an_error_or_left_out(phantoms: Manifest, make_recipe: Callable[..., Recipe]) -> None:
    first = phantoms.records[0].lesion_id
    records = tuple(replace(r, diagnosis="scc") if r.lesion_id == first else r for r in phantoms)
    mixed = replace(phantoms, records=records)
    with pytest.raises(DataError, match=r"determines? no class of task diagnosis \(scc \d+\); leave them out with"):
        prepare_split(make_recipe(), mixed)
    recipe = make_recipe("data.other_diagnoses=leave-out")
    images, split = prepare_split(recipe, mixed)
    assert {r.lesion_id for r in mixed} - {r.lesion_id for r in images} == {first}
    assert set(split.assignment) == {record.image_id for record in images}
    plain = make_split(phantoms)
    whole = plain.model_copy(update={"manifest_sha256": mixed.sha256})
    images, part = usable_split(recipe, mixed, whole)
    part.check_against(images)
    assert part.assignment == {record.image_id: plain.assignment[record.image_id] for record in images}

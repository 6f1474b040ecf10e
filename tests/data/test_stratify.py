"""Properties of a split, for any manifest."""

import math
import random
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesionlab.data import ImageRecord, Manifest, leave_source_out, lesion_sources, make_split
from lesionlab.errors import DataError, UsageError
from lesionlab.taxonomy import CODES


def build(lesions: dict[str, list[int]], *, lesions_known: bool = True) -> Manifest:
    """Return a manifest; `lesions` holds the number of images of each lesion by diagnosis."""
    records = [
        ImageRecord(f"{code}_{lesion}_{image}", "x.jpg", f"L_{code}_{lesion}", code)
        for code, sizes in lesions.items()
        for lesion, size in enumerate(sizes)
        for image in range(size)
    ]
    return Manifest(Path("data"), tuple(records), lesions_known)


def counted(least: int) -> st.SearchStrategy[Manifest]:
    sizes = st.lists(st.integers(1, 4), min_size=least, max_size=30)
    return st.dictionaries(st.sampled_from(CODES), sizes, min_size=1).map(build)


def lesions_by_subset(manifest: Manifest, assignment: dict[str, str]) -> dict[str, dict[str, set[str]]]:
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for record in manifest:
        found[record.diagnosis][assignment[record.image_id]].add(record.lesion_id)
    return found


shares = st.floats(0.05, 0.45)
seeds = st.integers(0, 2**31)


@pytest.mark.slow
@given(counted(3), shares, shares, seeds)
def test_lesions_are_not_divided_and_classes_keep_their_proportions(
    manifest: Manifest, validation: float, test: float, seed: int
) -> None:
    split = make_split(manifest, validation=validation, test=test, seed=seed)
    assert list(split.assignment) == [record.image_id for record in manifest]
    assert sum(map(len, split.subsets().values())) == len(manifest)
    fractions = {"train": 1 - validation - test, "validation": validation, "test": test}
    for subsets in lesions_by_subset(manifest, split.assignment).values():
        count = sum(map(len, subsets.values()))
        assert len(set().union(*subsets.values())) == count  # no lesion in two subsets
        # At least one of each; otherwise within one lesion of the share, as far as this minimum allows.
        forced = sum(max(0.0, 1 - count * share) for share in fractions.values())
        for name, share in fractions.items():
            assert len(subsets[name]) >= 1
            assert abs(len(subsets[name]) - count * share) < 1 + forced + 1e-9


@pytest.mark.slow
@given(counted(6), st.integers(3, 5), st.sampled_from([0.0, 0.2]), seeds)
def test_folds_do_not_divide_lesions_and_differ_by_one_lesion_per_class(
    manifest: Manifest, folds: int, test: float, seed: int
) -> None:
    split = make_split(manifest, folds=folds, test=test, seed=seed)
    names = [f"fold_{fold}" for fold in range(folds)]
    totals: Counter[str] = Counter()
    for subsets in lesions_by_subset(manifest, split.assignment).values():
        count = sum(map(len, subsets.values()))
        assert len(set().union(*subsets.values())) == count
        sizes = [len(subsets[name]) for name in names]
        assert min(sizes) >= 1
        assert max(sizes) - min(sizes) <= 1
        assert (len(subsets["test"]) >= 1) == (test > 0)
        totals.update({name: len(subsets[name]) for name in names})
    assert max(totals.values()) - min(totals.values()) <= 1


@pytest.mark.slow
@given(counted(3), seeds)
def test_the_order_of_the_records_does_not_matter(manifest: Manifest, seed: int) -> None:
    records = list(manifest)
    random.Random(seed).shuffle(records)  # noqa: S311 - no secret
    shuffled = Manifest(manifest.root, tuple(records))
    assert make_split(shuffled, seed=seed).sha256 == make_split(manifest, seed=seed).sha256


def test_a_split_is_determined_by_the_seed_on_every_machine() -> None:
    manifest = build({"mel": [1] * 8, "nv": [2] * 12})
    assert make_split(manifest).subsets()["test"] == ["mel_6_0", "nv_7_0", "nv_7_1", "nv_9_0", "nv_9_1"]
    assert make_split(manifest, seed=1).assignment != make_split(manifest).assignment


def test_a_class_is_split_independently_of_the_others() -> None:
    small = make_split(build({"mel": [1] * 20})).assignment
    large = make_split(build({"mel": [1] * 20, "df": [1] * 9})).assignment
    assert {image: large[image] for image in small} == small


def test_a_split_by_image_is_leaky_and_splits_images_evenly() -> None:
    manifest = build({"mel": [4] * 25}, lesions_known=False)
    split = make_split(manifest, by_image=True)
    assert split.leaky
    assert split.unit == "image"
    assert not split.lesions_known
    assert Counter(split.assignment.values()) == {"train": 70, "validation": 15, "test": 15}
    sides = lesions_by_subset(manifest, split.assignment)["mel"]
    assert sides["train"] & sides["test"]
    assert not make_split(manifest).leaky


def test_a_lesion_with_two_diagnoses_follows_the_most_frequent_one() -> None:
    plain = list(build({"mel": [1] * 3, "nv": [1] * 2}))
    mixed = [ImageRecord(f"mixed_{n}", "x.jpg", "mixed", code) for n, code in enumerate(("mel", "nv", "nv"))]
    split = make_split(Manifest(Path("data"), (*plain, *mixed)))  # with this one nv has three lesions
    assert len({split.assignment[record.image_id] for record in mixed}) == 1


@pytest.mark.parametrize(
    ("lesions", "options", "message"),
    [
        ({"mel": [1] * 5, "df": [3, 3]}, {}, "class df has 2 lesions: too few for train, validation and test"),
        ({"df": [3]}, {"validation": 0.0}, "class df has 1 lesion: too few for train and test, .* at least 2"),
        ({"df": [1] * 5}, {"folds": 5}, "class df has 5 lesions: too few for each of 5 folds and test"),
        ({"df": [1] * 4}, {"folds": 5, "test": 0.0}, "class df has 4 lesions: too few for each of 5 folds, "),
        ({"df": [2]}, {"by_image": True}, "class df has 2 images"),
    ],
)
def test_a_class_that_is_too_small_is_an_error(
    lesions: dict[str, list[int]], options: dict[str, float], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        make_split(build(lesions), **options)  # type: ignore[arg-type] # mypy does not match the keys


def test_rare_diagnoses_beside_the_classes_are_in_training() -> None:
    manifest = build({"mel": [1] * 9, "nv": [1] * 9, "mal_oth": [1], "scc": [1] * 9})
    split = make_split(manifest)
    found = defaultdict(set)
    for record in manifest:
        found[record.diagnosis].add(split.assignment[record.image_id])
    assert found["mal_oth"] == {"train"}
    assert found["scc"] == found["mel"] == {"train", "validation", "test"}
    folds = make_split(manifest, folds=3)
    assert {folds.assignment[r.image_id] for r in manifest if r.diagnosis == "mal_oth"} == {"fold_0"}


@pytest.mark.parametrize(
    "options",
    [
        {"test": 1.0},
        {"validation": -0.1},
        {"validation": math.nan},
        {"validation": 0.5, "test": 0.5},
        {"validation": 0.0, "test": 0.0},
        {"folds": 1},
        {"folds": 2, "test": 0.0},
    ],
)
def test_invalid_fractions_and_folds_are_an_error(options: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        make_split(build({"mel": [1] * 9}), **options)  # type: ignore[arg-type] # mypy does not match the keys


def with_sources(phantoms: Manifest, names: tuple[str, ...]) -> Manifest:
    """Return phantoms with sources in turn by lesion."""
    lesions = sorted({record.lesion_id for record in phantoms})
    source = {lesion: names[number % len(names)] for number, lesion in enumerate(lesions)}
    return replace(phantoms, records=tuple(replace(record, source=source[record.lesion_id]) for record in phantoms))


def test_a_source_is_held_out_and_no_lesion_is_divided(phantoms: Manifest) -> None:
    manifest = with_sources(phantoms, ("a", "b", "c"))
    # One lesion with two images of one source and one of another, and one with one image of each.
    spread = [("x", "a"), ("x", "a"), ("x", "b"), ("y", "a"), ("y", "b")]
    extra = [
        replace(manifest.records[0], image_id=f"extra_{number}", lesion_id=lesion, source=source)
        for number, (lesion, source) in enumerate(spread)
    ]
    manifest = replace(manifest, records=(*manifest.records, *extra))
    assert lesion_sources(manifest) | {"x": "a", "y": "a"} == lesion_sources(manifest)
    tested: list[str] = []
    for source in ("a", "b", "c"):
        split = leave_source_out(manifest, source, validation=0.3, seed=1)
        split.check_against(manifest)
        assert not split.leaky
        subsets = split.subsets()
        lesions = {name: {record.lesion_id for record in manifest.select(ids)} for name, ids in subsets.items() if ids}
        assert sum(map(len, lesions.values())) == manifest.lesion_count
        assert {lesion_sources(manifest)[lesion] for lesion in lesions["test"]} == {source}
        fitted = {record.source for name in ("train", "validation") for record in manifest.select(subsets[name])}
        assert source not in fitted or source == "b"  # an image of b belongs to a lesion of a
        assert {record.diagnosis for record in manifest.select(subsets["validation"])} == set(CODES)
        tested += subsets["test"]
    assert sorted(tested) == [record.image_id for record in manifest]
    assert leave_source_out(manifest, "a").sha256 == leave_source_out(manifest, "a").sha256


def test_source_with_most_lesions_of_a_class_is_named(phantoms: Manifest) -> None:
    kept = next(record.lesion_id for record in phantoms if record.diagnosis == "df")
    records = tuple(replace(r, source="a" if r.diagnosis == "df" and r.lesion_id != kept else "b") for r in phantoms)
    with pytest.raises(DataError, match="without the source a: class df has 1 lesion: too few for train"):
        leave_source_out(replace(phantoms, records=records), "a")

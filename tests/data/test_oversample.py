"""Properties of oversampling by copies."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesionlab.data import ImageRecord, Manifest, oversample, without_copies
from lesionlab.errors import DataError
from lesionlab.taxonomy import CODES


def build(counts: dict[str, int]) -> Manifest:
    records = [
        ImageRecord(f"{code}_{number}", f"{code}/{number}.jpg", f"L_{code}_{number // 2}", code, age=40.0 + number)
        for code, count in counts.items()
        for number in range(count)
    ]
    return Manifest(Path("data"), tuple(records), lesions_known=False)


counted = st.dictionaries(st.sampled_from(CODES), st.integers(1, 25), min_size=1)


@given(counted)
def test_every_diagnosis_is_copied_evenly_to_the_largest_size(counts: dict[str, int]) -> None:
    manifest = build(counts)
    balanced = oversample(manifest)
    assert {code: count for code, count in balanced.counts().items() if count} == dict.fromkeys(
        [code for code in CODES if code in counts], max(counts.values())
    )
    for code in counts:
        times = Counter(record.path for record in balanced if record.diagnosis == code)
        assert max(times.values()) - min(times.values()) <= 1


@given(counted)
def test_copies_differ_from_their_image_only_in_the_id(counts: dict[str, int]) -> None:
    manifest = build(counts)
    originals = {record.image_id: record for record in manifest}
    for record in oversample(manifest):
        name, _, number = record.image_id.partition("~")
        assert replace(record, image_id=name) == originals[name]
        assert number == "" or int(number) >= 2


@given(counted)
def test_without_copies_only_the_images_remain(counts: dict[str, int]) -> None:
    manifest = build(counts)
    assert without_copies(oversample(manifest)) == manifest
    assert without_copies(manifest) == manifest


def test_copies_are_numbered_from_two() -> None:
    balanced = oversample(build({"nv": 5, "df": 2}))
    assert [record.image_id for record in balanced if record.diagnosis == "df"] == [
        "df_0",
        "df_0~2",
        "df_0~3",
        "df_1",
        "df_1~2",
    ]
    assert not balanced.lesions_known


def test_copies_of_copies_are_an_error() -> None:
    some = [record for record in oversample(build({"nv": 5, "df": 2})) if record.image_id != "df_0~3"]
    with pytest.raises(DataError, match=r"data: df_0~2 is a copy already"):
        oversample(Manifest(Path("data"), tuple(some)))

"""What a stratified subset promises."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesionlab.data import ImageRecord, Manifest, draw_subset, read_dataset
from lesionlab.errors import DataError, UsageError
from lesionlab.taxonomy import CODES


def build(counts: dict[str, int]) -> Manifest:
    """Return a manifest with so many images of each diagnosis, two of a lesion."""
    records = [
        ImageRecord(f"{code}_{number}", f"{number}.jpg", f"L_{code}_{number // 2}", code, age=50.0, source="made-up")
        for code, count in counts.items()
        for number in range(count)
    ]
    return Manifest(Path("data"), tuple(records))


counted = st.dictionaries(st.sampled_from(CODES), st.integers(1, 60), min_size=1)


@given(counted, st.data(), st.integers(0, 2**31))
def test_every_diagnosis_keeps_its_share_and_at_least_one_image(
    counts: dict[str, int], data: st.DataObject, seed: int
) -> None:
    manifest = build(counts)
    images = data.draw(st.integers(len(counts), len(manifest)))
    subset = draw_subset(manifest, images, seed)
    assert len(subset) == images
    assert set(subset.records) <= set(manifest.records)  # lesions and facts included
    shares = {code: images * count / len(manifest) for code, count in counts.items()}
    forced = sum(max(0.0, 1 - share) for share in shares.values())
    for code, share in shares.items():
        assert subset.counts()[code] >= 1
        assert abs(subset.counts()[code] - share) < 1 + forced + 1e-9


def test_remainders_go_to_the_largest() -> None:
    # Shares of 10: 5.6, 3.1, 1.3.
    subset = draw_subset(build({"nv": 56, "mel": 31, "bcc": 13}), 10)
    assert {code: count for code, count in subset.counts().items() if count} == {"nv": 6, "mel": 3, "bcc": 1}


def test_the_order_of_rows_has_no_say_and_the_seed_has() -> None:
    manifest = build({"nv": 40, "mel": 20})
    drawn = draw_subset(manifest, 12, seed=3)
    assert draw_subset(Manifest(manifest.root, manifest.records[::-1]), 12, seed=3) == drawn
    assert draw_subset(manifest, 12, seed=4) != drawn


def test_the_draw_is_the_same_everywhere() -> None:
    # The first by SHA-256 of `0:<image_id>`; reckoned without this package.
    drawn = draw_subset(build({"nv": 10, "mel": 5}), 3, seed=0)
    assert [record.image_id for record in drawn] == ["mel_0", "nv_1", "nv_8"]


def test_of_a_diagnosis_the_drawn_images_stay_when_more_are_drawn() -> None:
    manifest = build({"nv": 40, "mel": 20})
    assert set(draw_subset(manifest, 12).records) < set(draw_subset(manifest, 30).records)


def test_whether_lesions_are_known_is_kept() -> None:
    manifest = build({"nv": 4})
    assert draw_subset(manifest, 2).lesions_known
    assert not draw_subset(Manifest(manifest.root, manifest.records, lesions_known=False), 2).lesions_known


def test_more_images_than_there_are_is_an_error() -> None:
    with pytest.raises(DataError, match=r"data: has 4 images, 5 were asked for"):
        draw_subset(build({"nv": 4}), 5)


@pytest.mark.parametrize("images", [-1, 0, 2])
def test_fewer_images_than_diagnoses_is_an_error(images: int) -> None:
    with pytest.raises(UsageError, match=r"3 diagnoses \(mel, nv, df\), and each needs an image; ask for at least 3"):
        draw_subset(build({"nv": 4, "mel": 2, "df": 1}), images)


@pytest.mark.skipif("LESIONLAB_DATA" not in os.environ, reason="LESIONLAB_DATA names no folder with ham10000/")
def test_a_thousand_images_of_ham10000() -> None:
    whole = read_dataset(Path(os.environ["LESIONLAB_DATA"]) / "ham10000")
    subset = draw_subset(whole, 1000)
    assert len(subset) == 1000
    for code, count in whole.counts().items():
        assert abs(subset.counts()[code] - 1000 * count / len(whole)) < 1

"""Properties of a stratified subset."""

import os
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from lesionlab.data import ImageRecord, Manifest, draw_subset, read_dataset
from lesionlab.data.stratify import largest_remainder
from lesionlab.errors import DataError, UsageError
from lesionlab.taxonomy import CODES


def build(counts: dict[str, int]) -> Manifest:
    """Return a manifest with this number of images per diagnosis, two per lesion."""
    records = [
        ImageRecord(f"{code}_{number}", f"{number}.jpg", f"L_{code}_{number // 2}", code, age=50.0, source="made-up")
        for code, count in counts.items()
        for number in range(count)
    ]
    return Manifest(Path("data"), tuple(records))


class_counts = st.dictionaries(st.sampled_from(CODES), st.integers(1, 60), min_size=1)


def drawn_counts(counts: dict[str, int], images: int) -> dict[str, int]:
    drawn = draw_subset(build(counts), images).counts()
    return {code: drawn[code] for code in counts}


@given(class_counts, st.floats(0, 1), st.integers(0, 2**31))
@example({"vasc": 2, "mel": 23, "nv": 1, "bkl": 1, "df": 28, "bcc": 58}, 0.15, 0)
def test_classes_keep_their_proportions_and_at_least_one_image(
    counts: dict[str, int], fraction: float, seed: int
) -> None:
    manifest = build(counts)
    images = len(counts) + round(fraction * (len(manifest) - len(counts)))
    subset = draw_subset(manifest, images, seed)
    assert len(subset) == images
    assert set(subset.records) <= set(manifest.records)  # with lesions and metadata
    shares = {code: images * count / len(manifest) for code, count in counts.items()}
    minimum = sum(max(0.0, 1 - share) for share in shares.values())
    for code, share in shares.items():
        # Below its share by one image and by its share of the cost of the minimum; never above by one.
        assert 1 <= subset.counts()[code] < max(1, share) + 1
        cost = minimum * counts[code] / sum(counts[other] for other in counts if shares[other] >= 1 or other == code)
        assert subset.counts()[code] > share - 1 - cost - 1e-9


@given(class_counts, st.floats(0, 1))
def test_a_minimum_that_costs_nothing_changes_no_count(counts: dict[str, int], fraction: float) -> None:
    counts = {code: counts[code] for code in CODES if code in counts}  # equal remainders go by this order
    images = len(counts) + round(fraction * (sum(counts.values()) - len(counts)))
    shares = {code: count / sum(counts.values()) for code, count in counts.items()}
    plain = largest_remainder(images, shares)
    assume(all(plain.values()))
    assert drawn_counts(counts, images) == plain


def test_the_minimum_of_rare_classes_is_shared_by_all_others() -> None:
    # Shares of 22: 0.4, 4.5, 0.2, 0.2, 5.5, 11.3; of the 19 that are left 4.0, 4.9, 10.1 for mel, df, bcc.
    counts = {"vasc": 2, "mel": 23, "nv": 1, "bkl": 1, "df": 28, "bcc": 58}
    assert drawn_counts(counts, 22) == {"vasc": 1, "mel": 4, "nv": 1, "bkl": 1, "df": 5, "bcc": 10}


def test_a_class_that_falls_below_one_image_afterwards_gets_one_as_well() -> None:
    # Shares of 5: 0.2, 0.2, 0.6, 4.0; without the two rarest 0.4 and 2.6 of 3.
    assert drawn_counts({"df": 1, "vasc": 1, "akiec": 3, "nv": 20}, 5) == {"df": 1, "vasc": 1, "akiec": 1, "nv": 2}


def test_remainders_go_to_the_largest() -> None:
    # Shares of 10: 5.6, 3.1, 1.3.
    assert drawn_counts({"nv": 56, "mel": 31, "bcc": 13}, 10) == {"nv": 6, "mel": 3, "bcc": 1}


def test_the_draw_depends_on_the_seed_and_not_on_the_order_of_rows() -> None:
    manifest = build({"nv": 40, "mel": 20})
    drawn = draw_subset(manifest, 12, seed=3)
    assert draw_subset(Manifest(manifest.root, manifest.records[::-1]), 12, seed=3) == drawn
    assert draw_subset(manifest, 12, seed=4) != drawn


def test_the_draw_is_the_same_on_every_machine() -> None:
    # The first by SHA-256 of `0:<image_id>`, computed without this package.
    drawn = draw_subset(build({"nv": 10, "mel": 5}), 3, seed=0)
    assert [record.image_id for record in drawn] == ["mel_0", "nv_1", "nv_8"]


def test_a_larger_draw_contains_the_smaller_one() -> None:
    manifest = build({"nv": 40, "mel": 20})
    assert set(draw_subset(manifest, 12).records) < set(draw_subset(manifest, 30).records)


def test_whether_lesions_are_known_is_kept() -> None:
    manifest = build({"nv": 4})
    assert draw_subset(manifest, 2).lesions_known
    assert not draw_subset(Manifest(manifest.root, manifest.records, lesions_known=False), 2).lesions_known


def test_more_images_than_available_is_an_error() -> None:
    with pytest.raises(DataError, match=r"data: has 4 images, 5 were requested"):
        draw_subset(build({"nv": 4}), 5)


@pytest.mark.parametrize("images", [-1, 0, 2])
def test_fewer_images_than_diagnoses_is_an_error(images: int) -> None:
    with pytest.raises(UsageError, match=r"3 diagnoses \(mel, nv, df\), and each needs an image; request at least 3"):
        draw_subset(build({"nv": 4, "mel": 2, "df": 1}), images)


@pytest.mark.slow
@pytest.mark.skipif("LESIONLAB_DATA" not in os.environ, reason="LESIONLAB_DATA is not set (a folder with ham10000/)")
def test_a_thousand_images_of_ham10000() -> None:
    whole = read_dataset(Path(os.environ["LESIONLAB_DATA"]) / "ham10000")
    subset = draw_subset(whole, 1000)
    assert len(subset) == 1000
    for code, count in whole.counts().items():
        assert abs(subset.counts()[code] - 1000 * count / len(whole)) < 1

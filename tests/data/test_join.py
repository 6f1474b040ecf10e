"""Joined datasets: one manifest, and a split that no shared lesion crosses."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesionlab.data import ImageRecord, Manifest, join_datasets, make_split, split_datasets
from lesionlab.data.decisions import PAIR_COLUMNS, apply_decisions, write_decisions

LABELS = ("mel", "nv", "bcc", "akiec", "bkl", "df", "vasc")


def dataset(folder: Path, prefix: str, lesions: int, source: str = "unknown", label: str | None = None) -> Manifest:
    """Return a dataset with two images of each lesion."""
    return Manifest(
        folder,
        tuple(
            ImageRecord(f"{prefix}{n}", f"images/{prefix}{n}.jpg", f"{prefix}-{n // 2}", label or LABELS[n // 2 % 7])
            if source == "unknown"
            else ImageRecord(
                f"{prefix}{n}",
                f"images/{prefix}{n}.jpg",
                f"{prefix}-{n // 2}",
                label or LABELS[n // 2 % 7],
                source=source,
            )
            for n in range(2 * lesions)
        ),
    )


def test_paths_lead_to_the_same_files_and_unknown_sources_get_the_name_of_the_folder(tmp_path: Path) -> None:
    first, second = dataset(tmp_path / "a", "A", 7, "isic2020"), dataset(tmp_path / "b" / "clinic", "B", 7)
    joined = join_datasets([first, second])
    expected = {r.image_id: (one.root / r.path).resolve() for one in (first, second) for r in one}
    assert {r.image_id: Path(joined.location(r)) for r in joined} == expected
    assert {r.source for r in joined if r.image_id.startswith("B")} == {"clinic"}
    assert {r.source for r in joined if r.image_id.startswith("A")} == {"isic2020"}


def test_one_dataset_is_unchanged(tmp_path: Path) -> None:
    one = dataset(tmp_path, "A", 35)
    assert join_datasets([one]) is one
    assert split_datasets(one, validation=0.2, test=0.2, seed=3) == make_split(one, validation=0.2, test=0.2, seed=3)


def test_an_image_of_two_datasets_is_used_once_and_its_lesions_are_one(tmp_path: Path) -> None:
    first, second = dataset(tmp_path / "a", "A", 7), dataset(tmp_path / "b", "B", 7)
    again = ImageRecord("A0", "again.jpg", "B-3", "nv")
    joined = join_datasets([first, Manifest(second.root, (*second.records, again))])
    assert len(joined) == 28
    lesions = {record.image_id: record.lesion_id for record in joined}
    assert {lesions[name] for name in ("A0", "A1", "B6", "B7")} == {"A-0"}
    assert next(r.path for r in joined if r.image_id == "A0") == "a/images/A0.jpg"


def test_equal_ids_of_different_lesions_stay_apart(tmp_path: Path) -> None:
    first = Manifest(tmp_path / "a", (ImageRecord("x1", "x1.jpg", "1", "nv"),))
    second = Manifest(tmp_path / "b", (ImageRecord("y1", "y1.jpg", "1", "mel"),))
    assert join_datasets([first, second]).lesion_count == 2


@given(seed=st.integers(0, 1000), shared=st.sets(st.tuples(st.integers(0, 34), st.integers(0, 20)), max_size=15))
def test_the_first_dataset_keeps_its_split_and_shared_lesions_are_on_one_side(
    tmp_path_factory: pytest.TempPathFactory, seed: int, shared: set[tuple[int, int]]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    # One pair per lesion: several would make lesions of the first dataset one, and its split another.
    pairs = list({b: (a, b) for a, b in shared}.values())
    first, second = dataset(folder / "z", "Z", 35), dataset(folder / "b", "B", 21, label="malignant")
    joined = join_datasets([first, second])
    path = folder / "shared.csv"
    write_decisions(
        path, PAIR_COLUMNS, ({"first": f"B-{b}", "second": f"Z-{a}", "decision": "same lesion"} for a, b in pairs)
    )
    joined, applied = apply_decisions(joined, [path])
    assert applied.merged == len(pairs)
    split = split_datasets(joined, validation=0.2, test=0.2, seed=seed)
    alone = make_split(first, validation=0.2, test=0.2, seed=seed).assignment
    assert {name: split.assignment[name] for name in alone} == alone
    sides: dict[str, set[str]] = {}
    for record in joined:
        sides.setdefault(record.lesion_id, set()).add(split.assignment[record.image_id])
    assert all(len(found) == 1 for found in sides.values())
    split.check_against(joined)

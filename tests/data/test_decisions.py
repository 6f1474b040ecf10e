"""Decisions about pairs and labels change a manifest, and every line is counted."""

from pathlib import Path

import pytest

from lesionlab.data import ImageRecord, Manifest, make_split
from lesionlab.data.decisions import LABEL_COLUMNS, PAIR_COLUMNS, AppliedDecisions, apply_decisions, write_decisions
from lesionlab.errors import DataError


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return Manifest(tmp_path, tuple(ImageRecord(f"i{n}", f"i{n}.jpg", f"L{n // 2}", "nv") for n in range(40)))


def write(path: Path, *rows: tuple[str, str, str]) -> Path:
    write_decisions(path, PAIR_COLUMNS, ({"first": a, "second": b, "decision": decision} for a, b, decision in rows))
    return path


def write_labels(path: Path, *rows: tuple[str, str, str, str]) -> Path:
    write_decisions(path, LABEL_COLUMNS, (dict(zip(LABEL_COLUMNS, row, strict=True)) for row in rows))
    return path


def test_lesions_are_merged_and_copies_left_out(manifest: Manifest, tmp_path: Path) -> None:
    path = write(
        tmp_path / "d.csv",
        ("i0", "i2", "same lesion"),
        ("i3", "i5", "Same picture"),
        ("i6", "i8", "different"),
        ("i6", "i9", ""),
        ("i6", "elsewhere", "same lesion"),
    )
    decided, applied = apply_decisions(manifest, [path])
    assert applied == AppliedDecisions(merged=2, left_out=("i5",), undecided=1, elsewhere=1)
    lesions = {record.image_id: record.lesion_id for record in decided}
    assert {lesions[name] for name in ("i0", "i1", "i2", "i3", "i4")} == {"L0"}
    assert lesions["i6"] != lesions["i8"]
    assert "i5" not in lesions
    for seed in range(5):
        assignment = make_split(decided, validation=0.3, test=0.3, seed=seed).assignment
        assert len({assignment[name] for name in ("i0", "i1", "i2", "i3", "i4")}) == 1


def test_one_of_several_copies_is_kept_in_any_order_of_the_pairs(manifest: Manifest, tmp_path: Path) -> None:
    pairs = [("i0", "i2"), ("i2", "i4"), ("i4", "i0")]
    for number in range(3):
        rows = pairs[number:] + pairs[:number]
        decided, applied = apply_decisions(
            manifest, [write(tmp_path / "d.csv", *((*pair, "same picture") for pair in rows))]
        )
        assert len(applied.left_out) == 2
        assert len({"i0", "i2", "i4"} & {record.image_id for record in decided}) == 1


def test_a_file_saved_by_a_spreadsheet_is_read(manifest: Manifest, tmp_path: Path) -> None:
    text = write(tmp_path / "d.csv", ("i0", "i2", "same lesion")).read_text(encoding="utf-8")
    (tmp_path / "d.csv").write_text(text.replace(",", ";"), encoding="utf-8-sig")
    assert apply_decisions(manifest, [tmp_path / "d.csv"])[1].merged == 1


def test_a_file_without_pairs_changes_nothing(manifest: Manifest, tmp_path: Path) -> None:
    decided, applied = apply_decisions(manifest, [write(tmp_path / "d.csv")])
    assert (decided, applied) == (manifest, AppliedDecisions())


def test_labels_are_changed_and_lesions_excluded(manifest: Manifest, tmp_path: Path) -> None:
    path = write_labels(
        tmp_path / "labels.csv",
        ("L0", "nv", "mel", "Relabel"),
        ("L1", "nv", "mel", "exclude"),
        ("L2", "nv", "mel", "keep"),
        ("L3", "nv", "mel", ""),
        ("elsewhere", "nv", "mel", "exclude"),
    )
    decided, applied = apply_decisions(manifest, [path])
    assert applied == AppliedDecisions(relabelled=("i0", "i1"), excluded=("i2", "i3"), undecided=1, elsewhere=1)
    assert {r.image_id: r.diagnosis for r in decided if r.image_id < "i10" or r.diagnosis == "mel"} == {
        "i0": "mel",
        "i1": "mel",
    }
    assert {r.image_id for r in manifest} - {r.image_id for r in decided} == {"i2", "i3"}
    assert decided.sha256 != manifest.sha256


def test_a_label_holds_for_a_merged_lesion(manifest: Manifest, tmp_path: Path) -> None:
    pairs = write(tmp_path / "pairs.csv", ("i0", "i2", "same lesion"))
    labels = write_labels(tmp_path / "labels.csv", ("L1", "nv", "bkl", "relabel"))
    for paths in ([pairs, labels], [labels, pairs]):
        decided, applied = apply_decisions(manifest, paths)
        assert applied == AppliedDecisions(merged=1, relabelled=("i0", "i1", "i2", "i3"))
        assert {r.lesion_id for r in decided if r.diagnosis == "bkl"} == {"L0"}


def test_a_label_holds_for_one_image_of_a_patient(tmp_path: Path) -> None:
    images = tuple(ImageRecord(f"i{n}", f"i{n}.jpg", "P1", "nv", patient_id="P1") for n in range(3))
    labels = write_labels(tmp_path / "labels.csv", ("i1", "nv", "mel", "relabel"))
    decided, applied = apply_decisions(Manifest(tmp_path, images), [labels])
    assert applied == AppliedDecisions(relabelled=("i1",))
    assert [record.diagnosis for record in decided] == ["nv", "mel", "nv"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("L0", "mel", "nv", "keep"), "line 2: no image of lesion L0 has the label 'mel'; the data have changed"),
        (("L0", "nv", "mole", "relabel"), "line 2: suggested 'mole' is none of mel, nv"),
        (("L0", "nv", "mel", "same lesion"), "line 2: decision 'same lesion' is none of keep, relabel, exclude"),
    ],
)
def test_a_label_that_cannot_be_decided_is_an_error_with_its_line(
    manifest: Manifest, tmp_path: Path, row: tuple[str, str, str, str], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        apply_decisions(manifest, [write_labels(tmp_path / "labels.csv", row)])


def test_another_decision_is_an_error_with_its_line(manifest: Manifest, tmp_path: Path) -> None:
    path = write(tmp_path / "d.csv", ("i0", "i2", "same lesion"), ("i0", "i4", "maybe"))
    with pytest.raises(DataError, match=r"d\.csv line 3: decision 'maybe' is none of same picture"):
        apply_decisions(manifest, [path])


def test_another_file_is_an_error(manifest: Manifest, tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="no column first"):
        apply_decisions(manifest, [tmp_path / "d.csv"])

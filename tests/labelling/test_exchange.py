"""Labels come in as tables and go out as a manifest that training reads."""

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest

from lesionlab.data import Manifest, read_dataset
from lesionlab.errors import DataError, LesionlabError, UsageError
from lesionlab.labelling.exchange import PROVENANCE, manifest_with_labels, read_labels, readings_as_csv
from lesionlab.labelling.images import read_images
from lesionlab.labelling.store import Event, EventKind, LabelStore, LesionStatus

OPENED = Event(id="opened", kind=EventKind.OPENED, content={"name": "d", "sha256": "0", "readings": 2})


@pytest.fixture
def table(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "labels.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_two_tables_give_a_manifest_that_is_read_as_a_dataset(
    phantoms: Manifest, table: Callable[[str], Path], tmp_path: Path
) -> None:
    a, b, c = list({record.lesion_id: record for record in phantoms}.values())[:3]
    text = f"image_id,diagnosis,reader\n{a.image_id},Melanoma,Anna\n{a.image_id},mel,Bert\n{b.image_id},nv,Anna\n"
    with LabelStore("sqlite://") as store:
        store.append(OPENED)
        events = read_labels(table(text + f"{b.image_id},bkl,Bert\n{c.image_id},nv,Anna\n"), phantoms)
        store.append(*events)
        store.append(*events)  # the same file again
        state = store.state()
        assert state.status(b.lesion_id) is LesionStatus.DISAGREED
        content = {"kind": "diagnosis", "diagnosis": "bkl"}
        decided = Event(id="x", kind=EventKind.ADJUDICATED, reader="Cora", lesion=b.lesion_id, content=content)
        state = store.append(decided)
        labelled = manifest_with_labels(state, phantoms)
        rows = {row["lesion_id"]: row for row in csv.DictReader(io.StringIO(labelled))}
        assert {lesion: row["diagnosis"] for lesion, row in rows.items()} == {a.lesion_id: "mel", b.lesion_id: "bkl"}
        assert rows[b.lesion_id]["label_origin"] == "adjudication"
        assert rows[b.lesion_id]["label_readers"] == "Anna; Bert; Cora"
        assert set(PROVENANCE) <= rows[a.lesion_id].keys()
        path = tmp_path / "manifest.csv"
        path.write_text(labelled, encoding="utf-8")
        read = read_dataset(phantoms.root, metadata=path)
        assert {r.lesion_id: (r.diagnosis, r.dx_type) for r in read} == {
            a.lesion_id: ("mel", "consensus"),
            b.lesion_id: ("bkl", "consensus"),
        }
        readings = readings_as_csv(state)
        with LabelStore("sqlite://") as again:
            again.append(OPENED)
            again.append(*read_labels(table(readings), phantoms))
            result = again.state().result(b.lesion_id)
            assert result is not None
            assert result.diagnosis == "bkl"
            assert [r.answer.value for r in again.state().all_readings()] == [
                r.answer.value for r in state.all_readings()
            ]


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("image_id,diagnosis\nnone,mel\n", DataError, "line 2: no image or lesion .* 'none'"),
        ("image_id,diagnosis\n{0},flea\n", DataError, "line 2: .*flea"),
        ("image_id,diagnosis\n{0},mel\n{0},nv\n", DataError, "line 3: .* another label"),
        ("image_id,diagnosis,seconds\n{0},mel,long\n", DataError, "seconds 'long'"),
        ("image_id,answer\n{0},perhaps\n", DataError, "'perhaps' is none of diagnosis"),
        ("image_id,remark\n{0},mel\n", DataError, "no column of the diagnosis"),
    ],
)
def test_wrong_tables_are_explained(
    phantoms: Manifest, table: Callable[[str], Path], text: str, error: type[LesionlabError], message: str
) -> None:
    with pytest.raises(error, match=message):
        read_labels(table(text.format(phantoms.records[0].image_id)), phantoms, "Anna")


def test_a_reader_is_needed(phantoms: Manifest, table: Callable[[str], Path]) -> None:
    path = table(f"image_id,answer\n{phantoms.records[0].image_id},Cannot tell\n")
    with pytest.raises(UsageError, match="--reader"):
        read_labels(path, phantoms)
    with pytest.raises(UsageError, match="name"):
        read_labels(path, phantoms, "x" * 65)
    assert read_labels(path, phantoms, "Anna")[0].answer.kind == "cannot tell"


def test_nothing_to_export_is_an_error(phantoms: Manifest) -> None:
    with LabelStore("sqlite://") as store, pytest.raises(DataError, match="label some"):
        manifest_with_labels(store.append(OPENED), phantoms)


def test_images_without_labels_are_read(phantoms: Manifest, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("a", "b", "c"):
        (folder / f"{name}.jpg").write_bytes(Path(phantoms.location(phantoms.records[0])).read_bytes())
    found = read_images(folder)
    assert [(r.image_id, r.lesion_id, r.diagnosis) for r in found] == [(name, name, "unk") for name in "abc"]
    (folder / "lesions.csv").write_text("image_id,lesion_id,age\na,L1,50\nb,L1,\nc,L2,\n")
    grouped = read_images(folder)
    assert [(r.lesion_id, r.age) for r in grouped] == [("L1", 50.0), ("L1", None), ("L2", None)]
    assert grouped.lesions_known
    assert {r.diagnosis for r in read_images(phantoms.root)} == {r.diagnosis for r in phantoms}

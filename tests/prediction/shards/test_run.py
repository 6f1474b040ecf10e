"""Runs in shards: every image exactly once, whatever ends the run."""

import errno
import os
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from lesionlab.data import Manifest
from lesionlab.errors import DataError, LesionlabError, UsageError
from lesionlab.images.files import LeftOut
from lesionlab.prediction import Predictor
from lesionlab.prediction.shards import run as run_module
from lesionlab.prediction.shards.folder import Counts, Request, RunFolder, ShardResult
from lesionlab.prediction.shards.plan import plan_shards
from lesionlab.prediction.shards.run import predict_missing
from lesionlab.prediction.shards.shard import Piece
from lesionlab.prediction.shards.worker import ShardWorker, WorkerDeath

IMAGES, SIZE = 12, 4


class InThisProcess:
    """Workers without processes, some of whose images are fatal."""

    def __init__(self, predictor: Predictor, fatal: Iterable[int] = ()) -> None:
        self.worker = ShardWorker(predictor, "", 2)
        self.fatal = set(fatal)
        self.predicted: list[int] = []

    def results(self, pieces: Iterable[Piece], *, alone: bool = False) -> Iterator[ShardResult | WorkerDeath]:
        for piece in pieces:
            stop = SIZE if piece.stop is None else piece.stop
            positions = {piece.number * SIZE + position for position in range(piece.start, stop)}
            known = {piece.number * SIZE + position for position in piece.failed}
            if (positions - known) & self.fatal:
                yield WorkerDeath(piece, "its worker was killed")
            else:
                self.predicted.append(piece.number)
                yield self.worker(piece)


@pytest.fixture(scope="module")
def predictor(tiny_whole_bundle: Path) -> Predictor:
    return Predictor.load(tiny_whole_bundle, threads=1)


@pytest.fixture
def images(phantoms: Manifest, tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for index, record in enumerate(phantoms.records[:IMAGES]):
        (folder / f"{index:02d}.jpg").write_bytes(Path(phantoms.location(record)).read_bytes())
    (folder / "05.jpg").write_bytes(b"no image")
    return folder


def request(images: Path, **changes: Any) -> Request:
    given: dict[str, Any] = {
        "images": (str(images),),
        "model": "tiny",
        "bundle_sha256": "0" * 64,
        "options": {},
        "shard_size": SIZE,
    }
    return Request(**given | changes)


def predict(images: Path, out: Path, workers: InThisProcess, *, retry_failed: bool = False) -> Counts:
    shards = plan_shards([str(images)], SIZE, LeftOut())
    with RunFolder.opened(out, request(images), shards) as run:
        return predict_missing(run, workers, lambda *_: None, retry_failed=retry_failed)


def rows(out: Path, table: str) -> list[dict[str, Any]]:
    found = [row for part in sorted((out / table).glob("part-*.parquet")) for row in pq.read_table(part).to_pylist()]
    return sorted(found, key=lambda row: str(row["image"]))


def check(images: Path, out: Path, failed: Iterable[int]) -> None:
    """Check that each image is in one of both tables once."""
    names = [str(images / f"{index:02d}.jpg") for index in range(IMAGES)]
    bad = [names[index] for index in sorted(failed)]
    assert [row["image"] for row in rows(out, "failures")] == bad
    assert [row["image"] for row in rows(out, "predictions")] == [name for name in names if name not in bad]
    assert not list(out.glob("**/*.part"))


def test_a_run_started_again_predicts_what_is_missing(predictor: Predictor, images: Path, tmp_path: Path) -> None:
    out, workers = tmp_path / "run", InThisProcess(predictor)
    assert predict(images, out, workers) == Counts(11, 0, 1, 0)
    check(images, out, {5})
    first = rows(out, "predictions")
    (out / "predictions" / "part-000001.parquet").unlink()  # the last file of a shard that is written
    truncated = out / "failures" / "part-000002.parquet"
    truncated.write_bytes(truncated.read_bytes()[:-5])
    (out / "predictions" / ".part-000001.parquet.abc.part").write_bytes(b"half")
    assert predict(images, out, workers) == Counts(11, 0, 1, 0)
    assert workers.predicted == [0, 1, 2, 1, 2]
    assert rows(out, "predictions") == first
    check(images, out, {5})


def test_shards_with_failures_are_predicted_again_on_request(
    predictor: Predictor, images: Path, tmp_path: Path
) -> None:
    out, workers = tmp_path / "run", InThisProcess(predictor)
    predict(images, out, workers)
    (images / "05.jpg").write_bytes((images / "04.jpg").read_bytes())
    predict(images, out, workers)
    check(images, out, {5})
    assert predict(images, out, workers, retry_failed=True) == Counts(12, 0, 0, 0)
    assert workers.predicted == [0, 1, 2, 1]
    check(images, out, ())


def test_times_of_files_do_not_matter(predictor: Predictor, images: Path, tmp_path: Path) -> None:
    out, workers = tmp_path / "run", InThisProcess(predictor)
    predict(images, out, workers)
    for index, path in enumerate(sorted(out.glob("**/*"))):
        os.utime(path, (0, 0) if index % 2 else (4e9, 4e9))  # as written before and after the clock went back
    predict(images, out, workers)
    assert workers.predicted == [0, 1, 2]


@pytest.mark.slow
@pytest.mark.parametrize("fatal", [{3}, {0, 7, 11}, {4, 5, 6}])
def test_images_that_end_their_worker_are_failures(
    predictor: Predictor, images: Path, tmp_path: Path, fatal: set[int]
) -> None:
    out = tmp_path / "run"
    predict(images, out, InThisProcess(predictor, fatal))
    check(images, out, fatal | {5})
    errors = {row["error"] for row in rows(out, "failures") if row["image"] != str(images / "05.jpg")}
    assert errors <= {"not predicted: its worker was killed"}


def test_a_cause_outside_the_images_ends_the_run(
    predictor: Predictor, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    monkeypatch.setattr(run_module, "_MANY_FATAL", SIZE - 1)
    with pytest.raises(LesionlabError, match=r"shard 0 cannot be predicted: its worker was killed"):
        predict(images, out, InThisProcess(predictor, range(IMAGES)))
    predict(images, out, InThisProcess(predictor))
    check(images, out, {5})


def test_a_full_disk_ends_the_run_and_loses_nothing(
    predictor: Predictor, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, synced = tmp_path / "run", os.fsync
    for written in range(8):  # the manifest, the description, and two files for each shard
        left = iter(range(written - len(list(out.glob("**/*.*")))))

        def fsync(descriptor: int, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            synced(descriptor)

        monkeypatch.setattr(os, "fsync", fsync)
        with pytest.raises(LesionlabError, match=r"cannot write .*: No space left on device"):
            predict(images, out, InThisProcess(predictor))
        monkeypatch.undo()
    predict(images, out, InThisProcess(predictor))
    check(images, out, {5})


def test_a_shard_predicted_again_is_complete_only_with_both_tables(
    predictor: Predictor, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, out, workers, replace = tmp_path / "images.tar", tmp_path / "run", InThisProcess(predictor), os.replace

    def pack() -> None:
        with tarfile.open(archive, "w") as stream:
            for path in sorted(images.iterdir()):
                stream.add(path, path.name)

    def ended(source: str, target: Path) -> None:
        if target.parent.name == "predictions":
            raise KeyboardInterrupt
        replace(source, target)

    pack()
    predict(archive, out, workers)
    assert len(rows(out, "failures")) == 1
    (images / "05.jpg").write_bytes((images / "04.jpg").read_bytes())
    pack()
    monkeypatch.setattr(os, "replace", ended)
    with pytest.raises(KeyboardInterrupt):
        predict(archive, out, workers, retry_failed=True)
    monkeypatch.undo()
    assert predict(archive, out, workers) == Counts(IMAGES, 0, 0, 0)
    assert [row["image"] for row in rows(out, "predictions")] == [f"{archive}::{i:02d}.jpg" for i in range(IMAGES)]


def test_a_run_is_continued_with_the_same_request_only(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"

    def start(**changes: Any) -> None:
        with RunFolder.opened(out, request(images, **changes), plan_shards([str(images)], SIZE, LeftOut())):
            pass

    start()
    for changes, message in (
        ({"model": "other"}, "model: tiny before, other now"),
        ({"options": {"tta": "True"}}, "tta: None before, True now"),
        ({"shard_size": 7}, "shard_size: 4 before, 7 now"),
        ({"version": "0.0.1"}, "version"),
    ):
        with pytest.raises(UsageError, match=message):
            start(**changes)
    with RunFolder.opened(out, request(images), ()), pytest.raises(DataError, match="another process is working"):
        start()
    (out / "manifest.jsonl").write_text("")
    with pytest.raises(DataError, match=r"manifest.jsonl was changed"):
        start()
    (out / "run.json").write_text("{")
    with pytest.raises(DataError, match="cannot be read"):
        start()
    (out / "run.json").unlink()
    (out / "notes.txt").touch()
    with pytest.raises(UsageError, match="the folder holds other files"):
        start()
    with (
        pytest.raises(UsageError, match="this is a file"),
        RunFolder.opened(out / "notes.txt", request(images), ()),
    ):
        pass


def test_a_number_of_images_that_differs_from_the_manifest_is_an_error(
    predictor: Predictor, images: Path, tmp_path: Path
) -> None:
    import pyarrow as pa

    table, out = tmp_path / "images.parquet", tmp_path / "run"
    content = (images / "00.jpg").read_bytes()
    pq.write_table(pa.table({"jpg": [content] * 4}), table)
    with RunFolder.opened(out, request(table), plan_shards([str(table)], SIZE, LeftOut())) as run:
        pq.write_table(pa.table({"jpg": [content] * 5}), table)
        with pytest.raises(DataError, match="the data have changed"):
            predict_missing(run, InThisProcess(predictor), lambda *_: None)
    assert not list(out.glob("predictions/*"))

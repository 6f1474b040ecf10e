"""What a worker predicts: the same rows from files, URLs, tar archives and Parquet files as without shards."""

import io
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lesionlab.data import Manifest
from lesionlab.errors import DataError, UsageError
from lesionlab.images.files import LeftOut
from lesionlab.prediction import Predictor
from lesionlab.prediction.io.writers import ResultFormat, result_writer
from lesionlab.prediction.shards.plan import plan_shards
from lesionlab.prediction.shards.shard import Piece, Shard
from lesionlab.prediction.shards.worker import ShardWorker
from lesionlab.results import Failure

IMAGES = 21
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def predictor(tiny_whole_bundle: Path) -> Predictor:
    return Predictor.load(tiny_whole_bundle, threads=1)


@pytest.fixture(scope="module")
def files(phantoms: Manifest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Images by name, one of them damaged."""
    contents = [Path(phantoms.location(record)).read_bytes() for record in phantoms.records[:IMAGES]]
    contents[4] = contents[4][:300]
    return {f"{index:03d}.jpg": content for index, content in enumerate(contents)}


@pytest.fixture(scope="module")
def folder(files: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sharded") / "images"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def expected(predictor: Predictor, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Rows, Rows]:
    """The rows without shards, with file names as names: predictions and failures."""
    path = tmp_path_factory.mktemp("expected") / "rows.parquet"
    failures = []
    with result_writer(ResultFormat.PARQUET, path) as write:
        for result in predictor.predict_many(folder):
            if isinstance(result, Failure):
                failures.append(result.model_dump())
            else:
                write(result)
    rows: Rows = pq.read_table(path).to_pylist()
    return _by_file(rows), _by_file(failures)


def _by_file(rows: Rows) -> Rows:
    return [row | {"image": row["image"].rpartition("::")[2].rpartition("/")[2]} for row in rows]


def tar(path: Path, files: dict[str, bytes], mode: Any = "w") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def predicted(predictor: Predictor, *arguments: object, size: int = 4) -> tuple[Rows, Rows]:
    """Return the rows of all shards."""
    worker = ShardWorker(predictor, "", 2)
    found: tuple[Rows, Rows] = ([], [])
    for number, shard in enumerate(plan_shards(map(str, arguments), size, LeftOut())):
        again = Shard.from_json(shard.to_json())
        assert again == shard
        result = worker(Piece(number, again))
        for rows, content, count in zip(
            found, (result.predictions, result.failures), (result.counts.predicted, result.counts.failed), strict=True
        ):
            table = pq.read_table(io.BytesIO(content))
            assert len(table) == count
            rows.extend(table.to_pylist())
        assert shard.count in (None, result.counts.images)
    return found


@pytest.mark.parametrize("size", [2, 4, 8, 100])
def test_files_have_the_same_rows_as_without_shards(
    predictor: Predictor, folder: Path, expected: tuple[Rows, Rows], size: int
) -> None:
    rows, failures = predicted(predictor, folder, size=size)
    assert (_by_file(rows), _by_file(failures)) == expected
    assert [failure["image"] for failure in failures] == [str(folder / "004.jpg")]
    assert {row["image"] for row in rows} == {str(path) for path in folder.iterdir()} - {str(folder / "004.jpg")}


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tgz"])
def test_a_tar_archive_has_the_same_rows(
    predictor: Predictor, files: dict[str, bytes], expected: tuple[Rows, Rows], tmp_path: Path, suffix: str
) -> None:
    mode = "w" if suffix == ".tar" else "w:gz"
    path = tar(tmp_path / f"images{suffix}", files | {"000.json": b"{}", ".hidden.jpg": b"x", "000.cls": b"4"}, mode)
    rows, failures = predicted(predictor, path)
    assert (_by_file(rows), _by_file(failures)) == expected
    assert rows[0]["image"] == f"{path}::000.jpg"
    result = ShardWorker(predictor, str(tmp_path), 2)(Piece(0, Shard(None, tar=path.name)))
    assert result.counts.left_out == 3
    assert pq.read_table(io.BytesIO(result.predictions))["image"][0].as_py() == f"{path.name}::000.jpg"


def test_joined_tar_archives_are_read_to_their_end(
    predictor: Predictor, files: dict[str, bytes], expected: tuple[Rows, Rows], tmp_path: Path
) -> None:
    parts = [tar(tmp_path / f"{start}.tar", dict(list(files.items())[start : start + 10])) for start in (0, 10, 20)]
    joined = tmp_path / "joined.tar"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    rows, failures = predicted(predictor, joined)
    assert (_by_file(rows), _by_file(failures)) == expected
    ranged = predicted(predictor, tmp_path / "{0..0}.tar", tmp_path / "1*.tar", tmp_path / "20.tar", size=100)
    assert tuple(map(_by_file, ranged)) == expected


def test_no_image_of_a_truncated_or_damaged_tar_archive_is_lost_unreported(
    predictor: Predictor, files: dict[str, bytes], tmp_path: Path
) -> None:
    whole = tar(tmp_path / "whole.tar", dict(list(files.items())[:4])).read_bytes()
    last = whole.rindex(b"003.jpg")
    cuts = [100, 512, 700, last, last + 512, last + 600]  # within a member, and between members
    for number, cut in enumerate(cuts):
        path = tmp_path / f"cut{number}.tar"
        path.write_bytes(whole[:cut])
        rows, failures = predicted(predictor, path)
        assert failures[-1]["image"] == str(path), cut
        assert "copy it again" in failures[-1]["error"]
        assert len(rows) + len(failures) <= 4
    damaged = bytearray(whole)
    damaged[last : last + 100] = b"\xff" * 100
    path.write_bytes(damaged)
    rows, failures = predicted(predictor, path)
    assert len(rows) == 3
    assert [failure["image"] for failure in failures] == [str(path)]
    missing = ShardWorker(predictor, "", 2)(Piece(0, Shard(None, tar=str(tmp_path / "gone.tar"))))
    assert missing.counts.failed == 1


def _bytes_column(files: dict[str, bytes]) -> dict[str, Any]:
    return {"image_id": list(files), "jpeg": list(files.values()), "age": [50] * len(files)}


def _hugging_face(files: dict[str, bytes]) -> dict[str, Any]:
    return {"image": [{"bytes": content, "path": name} for name, content in files.items()], "label": [1] * len(files)}


@pytest.mark.parametrize("columns", [_bytes_column, _hugging_face])
def test_a_parquet_file_with_bytes_has_the_same_rows(
    predictor: Predictor,
    files: dict[str, bytes],
    expected: tuple[Rows, Rows],
    tmp_path: Path,
    columns: Callable[[dict[str, bytes]], dict[str, Any]],
) -> None:
    path = tmp_path / "images.parquet"
    pq.write_table(pa.table(columns(files)), path, row_group_size=2)
    found = predicted(predictor, path)
    assert tuple(map(_by_file, found)) == expected
    assert found[0][0]["image"] == f"{path}::000.jpg"
    shards = list(plan_shards([str(path)], 4, LeftOut()))
    assert [shard.count for shard in shards] == [4, 4, 4, 4, 4, 1]
    path.write_bytes(path.read_bytes()[:-100])  # no footer
    result = ShardWorker(predictor, "", 2)(Piece(0, shards[1]))
    failures = pq.read_table(io.BytesIO(result.failures)).to_pylist()
    assert [failure["image"] for failure in failures] == [f"{path}::{row}" for row in range(4, 8)]
    assert "cannot be read" in failures[0]["error"]


def test_rows_without_bytes_or_names(predictor: Predictor, files: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / "images.parquet"
    pq.write_table(pa.table({"content": [files["000.jpg"], None, b""]}), path)
    rows, failures = predicted(predictor, path)
    assert [row["image"] for row in rows] == [f"{path}::0"]
    assert [failure["image"] for failure in failures] == [f"{path}::1", f"{path}::2"]
    for columns in ({"text": ["a"]}, {"a": [b"x"], "b": [b"y"]}):
        pq.write_table(pa.table(columns), path)
        with pytest.raises(DataError, match="one column with the bytes of images"):
            list(plan_shards([str(path)], 4, LeftOut()))
    path.write_bytes(b"text")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        list(plan_shards([str(path)], 4, LeftOut()))


@contextmanager
def web_server(folder: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.slow
def test_images_and_archives_are_read_from_urls(
    predictor: Predictor, folder: Path, files: dict[str, bytes], expected: tuple[Rows, Rows], tmp_path: Path
) -> None:
    pytest.importorskip("fsspec")
    from_urls = predicted(predictor, f"file://{folder}", size=8)
    assert tuple(map(_by_file, from_urls)) == expected
    assert from_urls[0][0]["image"] == f"file://{folder}/000.jpg"
    assert tuple(map(_by_file, predicted(predictor, f"file://{folder}/*.jpg"))) == expected
    pq.write_table(pa.table(_bytes_column(files)), tmp_path / "images.parquet")
    tar(tmp_path / "images.tar", files)
    with web_server(tmp_path) as address:
        for name in ("images.tar", "images.parquet"):
            assert tuple(map(_by_file, predicted(predictor, f"{address}/{name}"))) == expected
    with web_server(folder) as address:
        rows, failures = predicted(predictor, f"{address}/000.jpg", f"{address}/none.jpg")
        assert (len(rows), len(failures)) == (1, 1)
        assert failures[0] == {"image": f"{address}/none.jpg", "error": "no such file"}


def test_an_image_that_has_ended_workers_is_not_read_again(predictor: Predictor, folder: Path) -> None:
    (shard,) = plan_shards([str(folder)], 100, LeftOut())
    piece = Piece(0, shard, start=2, stop=5, failed={3: "too large"})
    result = ShardWorker(predictor, "", 2)(piece)
    failures = pq.read_table(io.BytesIO(result.failures)).to_pylist()
    assert failures[0] == {"image": str(folder / "003.jpg"), "error": "too large"}
    assert [failure["image"][-7:] for failure in failures] == ["003.jpg", "004.jpg"]
    halves = piece.halves("")
    assert halves is not None
    assert [(half.start, half.stop) for half in halves] == [(2, 3), (3, 5)]
    assert halves[0].halves("") is None


def test_arguments_that_name_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for argument, message in (
        ("none.tar", "there is no such file"),
        ("*.parquet", "no file matches"),
        ("{0..2}.tar", "0.tar: there is no such file"),
        ("nosuch://bucket/a.tar", "nosuch://bucket/a.tar: not a URL that can be read"),
        ("nosuch://bucket/a.jpg", "not a URL that can be read"),
    ):
        with pytest.raises(UsageError, match=message):
            list(plan_shards([argument], 4, LeftOut()))

"""Worker processes: equal rows, lost workers, fatal images, and kills at random moments."""

import io
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest
from PIL import Image

from lesionlab.data import Manifest
from lesionlab.errors import LesionlabError
from lesionlab.images.files import LeftOut
from lesionlab.prediction import Predictor
from lesionlab.prediction.shards.plan import plan_shards
from lesionlab.prediction.shards.processes import Processes
from lesionlab.prediction.shards.shard import Piece
from lesionlab.prediction.shards.worker import ShardWorker, WorkerDeath
from tests.interrupts import INTERRUPTIBLE

pytestmark = pytest.mark.slow
KILLS = 30
# Called in a worker for the name of each image.
FATAL = """
import os, signal
from lesionlab.bundle import Patient

def patient_of(name):
    if name.endswith("5.jpg"):
        {}
    return Patient()
"""

# 100 MiB more than the worker has at its first image.
LIMITED = """
import resource
from pathlib import Path
from lesionlab.bundle import Patient

def patient_of(name):
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 100 * 2**20, resource.RLIM_INFINITY))
    return Patient()
"""


@pytest.fixture(scope="module")
def predictor(tiny_whole_bundle: Path) -> Predictor:
    return Predictor.load(tiny_whole_bundle, threads=1)


@pytest.fixture
def pieces(phantoms: Manifest, tmp_path: Path) -> list[Piece]:
    for index, record in enumerate(phantoms.records[:8]):
        (tmp_path / f"{index}.jpg").write_bytes(Path(phantoms.location(record)).read_bytes())
    return [Piece(number, shard) for number, shard in enumerate(plan_shards([str(tmp_path)], 4, LeftOut()))]


def workers_of(process: int) -> list[psutil.Process]:
    children = psutil.Process(process).children()
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]  # not the resource tracker


def test_processes_give_the_same_bytes(predictor: Predictor, pieces: list[Piece]) -> None:
    worker = ShardWorker(predictor, "", 2)
    found = sorted(Processes(worker, 2).results(pieces), key=lambda result: result.piece.number)
    assert found == [worker(piece) for piece in pieces]
    assert list(Processes(worker, 2).results([])) == []
    assert workers_of(os.getpid()) == []


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", r"killed \(signal 9\); memory may be exhausted"),
        ("os.abort()", "SIGABRT"),
        ("os._exit(3)", "exit code 3"),
        ("raise MemoryError", "memory may be exhausted"),
        ("from lesionlab.errors import MemoryExhaustedError as E; raise E('no memory')", "memory may be exhausted"),
    ],
)
def test_a_fatal_image_gives_a_reason(
    predictor: Predictor,
    pieces: list[Piece],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    action: str,
    reason: str,
) -> None:
    import importlib
    import re

    name = f"fatal_{abs(hash(action))}"
    (tmp_path / f"{name}.py").write_text(FATAL.format(action))
    monkeypatch.syspath_prepend(tmp_path)
    worker = ShardWorker(predictor, "", 2, importlib.import_module(name).patient_of)
    found = {result.piece.number: result for result in Processes(worker, 2).results(pieces)}
    death = found[1]
    assert isinstance(death, WorkerDeath)
    assert re.search(reason, death.reason)
    assert not isinstance(found[0], WorkerDeath)


@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of a process")
def test_an_image_too_large_for_the_memory_is_a_failure(
    predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib

    (tmp_path / "limited.py").write_text(LIMITED)
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "images"
    folder.mkdir()
    for index, size in enumerate([(64, 48), (8000, 7000), (64, 48)]):
        Image.new("RGB", size, "tan").save(folder / f"{index}.png")
    worker = ShardWorker(predictor, "", 1, importlib.import_module("limited").patient_of)
    pieces = [Piece(number, shard) for number, shard in enumerate(plan_shards([str(folder)], 1, LeftOut()))]
    found = [result for result in Processes(worker, 1).results(pieces) if not isinstance(result, WorkerDeath)]
    assert [result.counts.predicted for result in found] == [1, 0, 1]
    (row,) = pq.read_table(io.BytesIO(found[1].failures)).to_pylist()
    assert row["error"] == "not enough memory to decode the image; scale it down"


def test_workers_that_cannot_start_are_one_error(
    predictor: Predictor, pieces: list[Piece], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib

    module = tmp_path / "fatal_import.py"
    module.write_text(FATAL.format("pass"))
    monkeypatch.syspath_prepend(tmp_path)
    worker = ShardWorker(predictor, "", 2, importlib.import_module("fatal_import").patient_of)
    module.write_text("import os; os._exit(7)")
    with pytest.raises(LesionlabError, match="no worker process can start: its worker ended with exit code 7"):
        list(Processes(worker, 2).results(pieces))


def table(out: Path, name: str) -> list[dict[str, Any]]:
    rows = [row for part in (out / name).glob("part-*.parquet") for row in pq.read_table(part).to_pylist()]
    return sorted(rows, key=lambda row: str(row["image"]))


@pytest.mark.timeout(1800)
def test_kills_at_random_moments_lose_and_double_nothing(
    tiny_whole_bundle: Path, spot: Callable[..., Image.Image], tmp_path: Path
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    spot(0.5, 0.5, 0.2, (2000, 1500)).save(folder / "0000.jpg")
    for index in range(1, 600):
        os.link(folder / "0000.jpg", folder / f"{index:04d}.jpg")
    (folder / "0300.jpg").unlink()
    (folder / "0300.jpg").write_bytes(b"no image")
    os.symlink("/proc/self/mem", folder / "0301.jpg.link.jpg")  # reading it is an input/output error

    def start(out: str) -> "subprocess.Popen[bytes]":
        command = [
            sys.executable,
            "-m",
            "lesionlab",
            "predict",
            "images",
            "--resume",
            "--out",
            out,
            "--shard-size",
            "3",
        ]
        command += ["--model", str(tiny_whole_bundle), "--workers", "2", "--quiet"]
        return subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE)

    def parts(out: str) -> int:
        return len(list((tmp_path / out).glob("predictions/part-*")))

    draw, kills, attempts, victims = random.Random(1), 0, 0, [0, 0]  # noqa: S311 - not for security
    while kills < KILLS:
        before, process = parts("killed"), start("killed")
        attempts += 1
        # Every other time while the command starts, and else while it predicts, as long as a shard is missing.
        while attempts % 2 and parts("killed") == before and process.poll() is None:
            time.sleep(0.02)
        for _ in range(3):
            time.sleep(draw.uniform(0, 1))
            if process.poll() is not None:
                break
            with suppress(psutil.Error):
                family = [psutil.Process(process.pid), *workers_of(process.pid)]
                victim = draw.choice(family)
                victim.kill()
                victims[victim is not family[0]] += 1
                kills += 1
        process.kill()
        process.communicate()
    assert all(victims)
    for out in ("killed", "whole"):
        process = start(out)
        _, errors = process.communicate()
        assert process.returncode == 1, errors  # one image is damaged, and one cannot be read
    for name in ("predictions", "failures"):
        assert table(tmp_path / "killed", name) == table(tmp_path / "whole", name)
    predictions, failures = (table(tmp_path / "killed", name) for name in ("predictions", "failures"))
    assert len(predictions) == 599
    assert len({row["image"] for row in predictions}) == 599
    reasons = [row["error"] for row in failures]
    assert "not an image" in reasons[0]
    assert "Input/output error" in reasons[1]
    assert not list((tmp_path / "killed").glob("**/*.part"))


def test_the_end_of_the_command_ends_its_workers(
    tiny_whole_bundle: Path, spot: Callable[..., Image.Image], tmp_path: Path
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for index in range(100):
        spot(0.5, 0.5, 0.2, (2000, 1500)).save(folder / f"{index:04d}.jpg")
    for sent, code in ((signal.SIGKILL, -9), (signal.SIGINT, 130)):
        command: list[str | Path] = [
            sys.executable,
            "-c",
            INTERRUPTIBLE,
            "predict",
            folder,
            "--resume",
            "--out",
            tmp_path / str(code),
        ]
        command += ["--model", tiny_whole_bundle, "--workers", "2", "--shard-size", "50"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE)
        while len(workers := workers_of(process.pid)) < 2:
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(sent)
        _, errors = process.communicate()
        assert process.returncode == code
        assert psutil.wait_procs(workers, timeout=30)[1] == []
        if code == 130:
            assert b"start the same command again" in errors

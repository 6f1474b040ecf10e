"""A Ray cluster of two nodes on this machine: workers, a node and the driver are killed."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image

from lesionlab.bundle import Patient
from lesionlab.data import Manifest
from lesionlab.images.files import LeftOut
from lesionlab.prediction import Predictor
from lesionlab.prediction.shards.folder import Request, RunFolder
from lesionlab.prediction.shards.plan import plan_shards
from lesionlab.prediction.shards.ray_data import RayWorkers
from lesionlab.prediction.shards.run import predict_missing
from lesionlab.prediction.shards.worker import ShardWorker
from lesionlab.ray_cluster import ray_cluster
from tests.ray_nodes import TwoNodes

pytest.importorskip("ray")
# Ray warns on import, and on leftovers of the processes that are killed here.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
IMAGES = 300


@pytest.fixture
def start(
    tiny_whole_bundle: Path, spot: Callable[..., Image.Image], tmp_path: Path
) -> "Callable[..., subprocess.Popen[bytes]]":
    """Return a function that starts `lesionlab predict` on images, one of them damaged."""
    folder = tmp_path / "images"
    folder.mkdir()
    spot(0.5, 0.5, 0.2, (2000, 1500)).save(folder / "0000.jpg")
    for index in range(1, IMAGES):
        os.link(folder / "0000.jpg", folder / f"{index:04d}.jpg")
    (folder / "0100.jpg").unlink()
    (folder / "0100.jpg").write_bytes(b"no image")

    def run(*options: str) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "lesionlab", "predict", "images", "--shard-size", "6", "--quiet"]
        command += ["--model", str(tiny_whole_bundle), *options]
        return subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE)

    return run


def parts(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in out.glob("*/part-*.parquet")}


def wait_for(condition: Callable[[], Any], process: "subprocess.Popen[bytes]") -> None:
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.1)


def finished(process: "subprocess.Popen[bytes]") -> None:
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 1, errors  # one image is damaged
    assert b"1 of 300 images could not be predicted" in errors
    assert b"Traceback" not in errors
    assert b"Warning" not in errors


def test_a_killed_worker_node_and_driver_lose_and_double_nothing(
    two_nodes: TwoNodes, start: "Callable[..., subprocess.Popen[bytes]]", tmp_path: Path
) -> None:
    out, address = tmp_path / "cluster", two_nodes.address

    def done(number: int) -> bool:
        return len(parts(out)) // 2 >= number

    driver = start("--ray", address, "--out", "cluster")
    wait_for(lambda: done(3), driver)
    driver.kill()
    driver.communicate()
    kept = parts(out)
    driver = start("--ray", address, "--out", "cluster")
    wait_for(lambda: done(len(kept) // 2 + 3), driver)
    assert two_nodes.workers("MapWorker")
    two_nodes.workers("MapWorker")[0].kill()
    before = len(parts(out)) // 2
    wait_for(lambda: done(before + 3), driver)
    two_nodes.kill_second()
    finished(driver)
    finished(start("--resume", "--out", "local"))
    assert parts(out) == parts(tmp_path / "local")
    assert kept.items() <= parts(out).items()
    rows = [row for part in (out / "predictions").iterdir() for row in pq.read_table(part)["image"].to_pylist()]
    assert sorted(rows) == [f"images/{index:04d}.jpg" for index in range(IMAGES) if index != 100]


def test_an_image_that_ends_its_worker_is_left_out_in_the_end(
    tiny_whole_bundle: Path, phantoms: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_worker_niceness", "0")
    images = tmp_path / "images"
    images.mkdir()
    for index, record in enumerate(phantoms.records[:6]):
        (images / f"{index}.jpg").write_bytes(Path(phantoms.location(record)).read_bytes())

    def patient_of(image: str) -> Patient:
        if image.endswith("4.jpg"):
            os._exit(1)
        return Patient()

    worker = ShardWorker(Predictor.load(tiny_whole_bundle, threads=1), "", 2, patient_of)
    request = Request(images=("images",), model="tiny", bundle_sha256="0" * 64, options={}, shard_size=3)
    shards = plan_shards([str(images)], 3, LeftOut())
    with ray_cluster("local"), RunFolder.opened(tmp_path / "run", request, shards) as run:
        counts = predict_missing(run, RayWorkers(worker, 2, 0), lambda _counts, _complete: None)
    assert (counts.predicted, counts.failed) == (5, 1)
    (failure,) = [row for part in (tmp_path / "run/failures").iterdir() for row in pq.read_table(part).to_pylist()]
    assert failure["image"].endswith("4.jpg")
    assert failure["error"].startswith("not predicted: its worker was lost 3 times; memory may be exhausted")


@pytest.mark.parametrize("address", ["127.0.0.1:1", "auto"])
def test_addresses_without_a_cluster_are_one_line(
    start: "Callable[..., subprocess.Popen[bytes]]", address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    process = start("--ray", address, "--out", "out")
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert errors.startswith(f"error: --ray {address}: no connection to a Ray cluster".encode())
    assert errors.count(b"\n") == 1

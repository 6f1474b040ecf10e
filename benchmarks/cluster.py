"""Throughput of `lesionlab predict` in shards by number of workers, a run with faults on two Ray nodes, and its cost.

    python benchmarks/cluster.py --data FOLDER [--images 2000] [--rounds 3] [--faults 50000] [--out FILE] [--docs FILE]

The images are hard links to those of the dataset. Each command is measured from its start to its end, in rounds that
alternate between the numbers of workers. For `--faults`, two raylets with one core each run on this machine: a worker,
the driver and a node are killed, one after the other, and the result is compared file by file with that of one machine.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import pyarrow.parquet as pq
from common import command as command_line
from common import environment, options, publish

from lesionlab.bundle import Bundle
from lesionlab.data import read_dataset

Result = dict[str, Any]
SIZES = (10_000, 1_000_000, 100_000_000)
CORES = (2, 64, 1024)
SHARD = 250
# Amazon EC2 on demand, us-east-1, 2026: c7i.large (2 vCPU) 0.08925 $/h; g6.xlarge 0.8048 $/h.
DOLLARS_PER_CORE_HOUR, DOLLARS_PER_G6 = 0.0446, 0.8048
PUBLISHED = {"Daft": 263, "Ray Data": 1410, "Spark": 2707}  # seconds for 803,580 images on eight g6.xlarge
PUBLISHED_IMAGES, PUBLISHED_MACHINES = 803_580, 8


def link_images(folder: Path, data: Path, count: int) -> float:
    """Link images into folders of 1,000; return their mean size in bytes."""
    manifest = read_dataset(data)
    locations, total = [manifest.location(record) for record in manifest], 0
    for index in range(count):
        links = folder / f"{index // 1000:05d}"
        links.mkdir(parents=True, exist_ok=True)
        source = locations[index % len(locations)]
        total += os.path.getsize(source)
        try:
            os.link(source, links / f"{index:07d}.jpg")
        except OSError:  # another file system
            os.symlink(os.path.abspath(source), links / f"{index:07d}.jpg")
    return total / count


# Workers of Ray have a low priority by default, and would get no core beside other processes.
os.environ.setdefault("RAY_worker_niceness", "0")


def predict(folder: Path, out: Path, *arguments: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "lesionlab", "predict", "images", "--out", str(out), "--shard-size", str(SHARD)]
    return subprocess.Popen([*command, "--quiet", *arguments], cwd=folder)


def seconds(folder: Path, name: str, *arguments: str) -> float:
    began = time.perf_counter()
    if predict(folder, folder / name, *arguments).wait():
        raise SystemExit(f"lesionlab predict {' '.join(arguments)} has failed")
    return time.perf_counter() - began


def throughput(folder: Path, images: int, rounds: int, model: list[str]) -> Result:
    """Return images per second by number of workers and by engine."""
    runs = {
        "1 process": ("--resume", "--workers", "1"),
        "2 processes": ("--resume", "--workers", "2"),
        "Ray, 1 worker": ("--ray", "local", "--workers", "1"),
        "Ray, 2 workers": ("--ray", "local", "--workers", "2"),
    }
    found: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds):
        for name, arguments in runs.items():
            found[name].append(images / seconds(folder, f"{name} {number}", *arguments, *model))
    return {name: {"rounds": rates, "images_per_second": median(rates)} for name, rates in found.items()}


def parts(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in out.glob("*/part-*.parquet")}


def wait_for_shards(out: Path, number: int, process: "subprocess.Popen[bytes]") -> None:
    while len(list(out.glob("predictions/part-*.parquet"))) < number:
        if process.poll() is not None:
            raise SystemExit("the driver has ended early")
        time.sleep(0.5)


def with_faults(folder: Path, images: int, model: list[str]) -> Result:
    """Predict on two raylets; kill a worker, the driver and a node; compare with one machine."""
    from ray.cluster_utils import Cluster

    seconds(folder, "whole", "--resume", *model)
    node: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 200 * 2**20}
    cluster: Any = Cluster(initialize_head=True, head_node_args=node)
    second = cluster.add_node(**node)
    out, shards = folder / "faults", -(-images // SHARD)
    arguments = ("--ray", str(cluster.address), *model)

    def kill_worker() -> None:
        raylets = [node.all_processes["raylet"][0].process.pid for node in cluster.list_all_nodes()]
        children = [child for raylet in raylets for child in psutil.Process(raylet).children(recursive=True)]
        next(child for child in children if "MapWorker" in " ".join(child.cmdline())).kill()

    process = predict(folder, out, *arguments)
    faults: dict[str, Callable[[], None]] = {
        "worker": kill_worker,
        "driver": process.kill,
        "node": lambda: cluster.remove_node(second, allow_graceful=False),
    }
    began, at = time.perf_counter(), {}
    for position, (name, kill) in enumerate(faults.items(), start=1):
        wait_for_shards(out, position * shards // 4, process)
        at[name] = len(list(out.glob("predictions/part-*.parquet")))
        kill()
        if name == "driver":
            process.wait()
            process = predict(folder, out, *arguments)
    code = process.wait()
    duration = time.perf_counter() - began
    cluster.shutdown()
    names = [name for part in (out / "predictions").iterdir() for name in pq.read_table(part)["image"].to_pylist()]
    return {
        "images": images,
        "exit_code": code,
        "killed_after_shards": at,
        "shards": shards,
        "seconds": round(duration, 1),
        "rows": len(names),
        "distinct_images": len(set(names)),
        "files_equal_to_one_machine": parts(out) == parts(folder / "whole"),
    }


def measure(arguments: argparse.Namespace) -> Result:
    model = ["--model", str(arguments.model)] if arguments.model else []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        size = link_images(folder / "images", arguments.data, arguments.images)
        rates = throughput(folder, arguments.images, arguments.rounds, model)
        written = sum(map(len, parts(folder / "1 process 0").values())) / arguments.images
        faults = None
    if arguments.faults:
        with tempfile.TemporaryDirectory() as temporary:
            link_images(Path(temporary) / "images", arguments.data, arguments.faults)
            faults = with_faults(Path(temporary), arguments.faults, model)
    return {
        "what": "lesionlab predict --resume and --ray over linked images, as processes, from start to end",
        "command": command_line(arguments),
        "bundle": Bundle.load(arguments.model).info.identity,
        "images": arguments.images,
        "bytes_read_per_image": round(size),
        "bytes_written_per_image": round(written),
        "throughput": rates,
        "two_workers_over_one": {
            "processes": rates["2 processes"]["images_per_second"] / rates["1 process"]["images_per_second"],
            "ray": rates["Ray, 2 workers"]["images_per_second"] / rates["Ray, 1 worker"]["images_per_second"],
        },
        "faults": faults,
        "environment": environment("onnxruntime", "ray", "pyarrow"),
    }


def table(result: Result) -> str:
    """Return the tables of throughput and of cost, with their arithmetic."""
    rates = result["throughput"]
    rate = rates["2 processes"]["images_per_second"] / 2
    lines = ["| workers | images/s | images/s per worker |", "| --- | ---: | ---: |"]
    for name, found in rates.items():
        speed, number = found["images_per_second"], 2 if "2" in name else 1
        lines.append(f"| {name} | {speed:.1f} | {speed / number:.1f} |")
    ratios = result["two_workers_over_one"]
    longer = [
        result["images"] * (1 / rates[f"Ray, {ray}"]["images_per_second"] - 1 / rates[own]["images_per_second"])
        for ray, own in (("1 worker", "1 process"), ("2 workers", "2 processes"))
    ]
    lines += [
        "",
        (
            f"Two workers over one: {ratios['processes']:.2f} by processes, {ratios['ray']:.2f} by Ray. A run of "
            f"{result['images']:,} images by Ray, which starts a cluster first, takes {longer[0]:.1f} s longer with "
            f"one worker and {longer[1]:.1f} s longer with two."
        ),
        "",
        *faults_in_words(result["faults"]),
    ]
    lines += cost(rate, result["bytes_read_per_image"], result["bytes_written_per_image"])
    return "\n".join(lines)


def faults_in_words(faults: Result | None) -> list[str]:
    if faults is None:
        return []
    after = faults["killed_after_shards"]
    equal = "equal" if faults["files_equal_to_one_machine"] else "not equal"
    return [
        (
            f"{faults['images']:,} images on two nodes of Ray; killed were a worker after {after['worker']}, the "
            f"driver after {after['driver']} and a node after {after['node']} of {faults['shards']} shards: "
            f"{faults['rows']:,} rows of {faults['distinct_images']:,} images, byte for byte {equal} to those of one "
            "machine."
        ),
        "",
    ]


def cost(rate: float, read: float, written: float) -> list[str]:
    """Return the lines of the table of cost for a rate in images per second and core, and bytes per image."""
    hours = " | ".join(f"hours on {cores:,} cores" for cores in CORES)
    lines = [
        (
            f"core-hours = images / {rate:.1f} images/s / 3600; hours = core-hours / cores; dollars = core-hours x "
            f"{DOLLARS_PER_CORE_HOUR} $ (c7i, on demand); bytes read = images x {read / 1000:.1f} kB; bytes written = "
            f"images x {written / 1000:.2f} kB."
        ),
        "",
        f"| images | core-hours | {hours} | dollars | read | written |",
        "| ---: " * (len(CORES) + 5) + "|",
    ]
    for images in SIZES:
        core_hours = images / rate / 3600
        each = " | ".join(short(core_hours / cores) for cores in CORES)
        lines.append(
            f"| {images:,} | {short(core_hours)} | {each} | {short(core_hours * DOLLARS_PER_CORE_HOUR)} | "
            f"{short(images * read / 1e9)} GB | {short(images * written / 1e9)} GB |"
        )
    lines += ["", "| published | images/s on eight g6.xlarge | dollars per million images |", "| --- | ---: | ---: |"]
    for name, duration in PUBLISHED.items():
        speed = PUBLISHED_IMAGES / duration
        dollars = 1e6 / speed / 3600 * PUBLISHED_MACHINES * DOLLARS_PER_G6
        lines.append(f"| {name}: {PUBLISHED_IMAGES:,} images in {duration} s | {speed:,.0f} | {dollars:.2f} |")
    own = 1e6 / rate / 3600 * DOLLARS_PER_CORE_HOUR
    lines.append(f"| lesionlab, at {rate:.1f} images/s per core, for comparison | | {own:.2f} |")
    return lines


def short(number: float) -> str:
    """Return a number with two or more digits."""
    return "< 0.01" if number < 0.01 else f"{number:.2f}" if number < 10 else f"{number:,.0f}"


def main() -> None:
    parser = options(__doc__, "data!", "model", "images", "rounds", "out", "table", "docs", images=2000, rounds=3)
    parser.add_argument("--faults", type=int, default=0, help="number of images of the run with faults")
    publish("cluster", parser.parse_args(), measure, table)


if __name__ == "__main__":
    main()

"""`lesionlab predict` over very many files as a process: is its memory constant, and its time linear?

    python benchmarks/many_files.py [--files 100000] [--data FOLDER] [--model BUNDLE] [--out FILE]

The files are hard links of a few hundred images. While the process runs, its memory and the lines that it has written
are sampled; the time for 1,000 images is the slope of a straight line through the samples, after the first tenth.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from lesionlab.bundle import Bundle
from lesionlab.data import read_dataset
from lesionlab.files import write_json
from lesionlab.phantoms import phantom_image

ORIGINALS, IN_A_FOLDER, SAMPLES = 300, 1000, 200


def make_files(folder: Path, data: Path | None, count: int) -> None:
    """Link files into folders of 1,000, as there are file systems that dislike more."""
    originals = folder / "originals"
    originals.mkdir()
    manifest = read_dataset(data) if data else None
    for index in range(ORIGINALS):
        place = originals / f"{index}.jpg"
        if manifest is None:
            phantom_image("mel", seed=index).save(place)
        else:
            place.write_bytes(Path(manifest.location(manifest.records[index])).read_bytes())
    for index in range(count):
        links = folder / "images" / f"{index // IN_A_FOLDER:05d}"
        links.mkdir(parents=True, exist_ok=True)
        os.link(originals / f"{index % ORIGINALS}.jpg", links / f"{index:07d}.jpg")


def watch(command: list[str | Path], results: Path, count: int, interval: float) -> np.ndarray:
    """Run the command; return samples of seconds, images done and memory in MiB, [N, 3]."""
    samples: list[tuple[float, float, float]] = []
    began = time.perf_counter()
    with results.open("wb") as stream, subprocess.Popen(command, stdout=stream) as process:
        done, read = 0, 0
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            with results.open("rb") as written:
                written.seek(read)
                new = written.read()
            read, done = read + len(new), done + new.count(b"\n")
            memory = 0 if watched.status() == psutil.STATUS_ZOMBIE else watched.memory_info().rss
            if memory and done:
                samples.append((time.perf_counter() - began, done, memory / 2**20))
            time.sleep(interval)
    if process.returncode or results.read_bytes().count(b"\n") != count:
        raise SystemExit(f"lesionlab predict ended with {process.returncode}")
    return np.array(samples)


def fitted(samples: np.ndarray) -> dict[str, float]:
    """Return the straight line through time over images, and through memory over images."""
    seconds, done, memory = samples[samples[:, 1] >= 0.1 * samples[-1, 1]].T
    slope, offset = np.polyfit(done, seconds, 1)
    residual = np.abs(seconds - (slope * done + offset)).max()
    growth = np.polyfit(done, memory, 1)[0]
    return {
        "seconds_per_1000_images": 1000 * float(slope),
        "largest_residual_seconds": float(residual),
        "largest_residual_share_of_the_time": float(residual / seconds[-1]),
        "mib_at_a_tenth": float(memory[0]),
        "mib_at_the_end": float(memory[-1]),
        "mib_highest": float(memory.max()),
        "mib_per_1000_images": 1000 * float(growth),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--data", type=Path, help="dataset whose first images are repeated; default: phantoms")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        make_files(folder, arguments.data, arguments.files)
        command: list[str | Path] = [Path(sys.executable).with_name("lesionlab"), "predict", folder / "images"]
        command += ["--format", "jsonl"] + (["--model", str(arguments.model)] if arguments.model else [])
        interval = max(0.1, min(10.0, 0.02 * arguments.files / SAMPLES))
        samples = watch(command, folder / "results.jsonl", arguments.files, interval)
    result: dict[str, Any] = {
        "what": "lesionlab predict --format jsonl over hard links of a few hundred images, as a process",
        "command": f"python benchmarks/many_files.py --files {arguments.files}",
        "bundle": Bundle.load(arguments.model).info.identity,
        "files": arguments.files,
        "images": ORIGINALS,
        "seconds": round(float(samples[-1, 0]), 1),
        **{key: round(value, 4) for key, value in fitted(samples).items()},
        "samples": len(samples),
        "environment": {"python": platform.python_version(), "onnxruntime": version("onnxruntime")}
        | {"cores": len(os.sched_getaffinity(0))},
    }
    print(json.dumps(result, indent=2))
    if arguments.out:
        write_json(arguments.out, result)


if __name__ == "__main__":
    main()

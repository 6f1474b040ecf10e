"""Memory and time of `lesionlab predict` over many files: constant memory and linear time are expected.

    python benchmarks/many_files.py [--files 100000] [--data FOLDER] [--model BUNDLE] [--out FILE]

The files are hard links to a few hundred images. While the process runs, its memory and the number of written lines are
sampled. The time for 1,000 images is the slope of a linear fit to the samples after the first tenth.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from common import command as command_line
from common import options, versions, write

from lesionlab.bundle import Bundle
from lesionlab.cpu import available_cores
from lesionlab.data import read_dataset
from lesionlab.phantoms import phantom_image

ORIGINALS, IN_A_FOLDER, SAMPLES = 300, 1000, 200


def make_files(folder: Path, data: Path | None, count: int) -> None:
    """Link files into folders of 1,000, since some file systems are slow with more."""
    originals = folder / "originals"
    originals.mkdir()
    manifest = read_dataset(data) if data else None
    for index in range(ORIGINALS):
        path = originals / f"{index}.jpg"
        if manifest is None:
            phantom_image("mel", seed=index).save(path)
        else:
            path.write_bytes(Path(manifest.location(manifest.records[index])).read_bytes())
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
    """Return linear fits of time and memory over the number of images."""
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
    parser = options(__doc__, "data", "model", "out")
    parser.add_argument("--files", type=int, default=100_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make_files(folder, arguments.data, arguments.files)
        command: list[str | Path] = [Path(sys.executable).with_name("lesionlab"), "predict", folder / "images"]
        command += ["--format", "jsonl"] + (["--model", str(arguments.model)] if arguments.model else [])
        interval = max(0.1, min(10.0, 0.02 * arguments.files / SAMPLES))
        samples = watch(command, folder / "results.jsonl", arguments.files, interval)
    result: dict[str, Any] = {
        "what": "lesionlab predict --format jsonl over hard links of a few hundred images, as a process",
        "command": command_line(arguments),
        "bundle": Bundle.load(arguments.model).info.identity,
        "files": arguments.files,
        "images": ORIGINALS,
        "seconds": round(float(samples[-1, 0]), 1),
        **{key: round(value, 4) for key, value in fitted(samples).items()},
        "samples": len(samples),
        "environment": versions("onnxruntime") | {"cores": available_cores()},
    }
    write(arguments, result)


if __name__ == "__main__":
    main()

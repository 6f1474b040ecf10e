"""Throughput from JPEG files to predictions: lesionlab and common pipelines, on the same files and cores.

    python benchmarks/speed.py [--data FOLDER] [--model NAME=BUNDLE ...] [--environments FOLDER] [--rounds 3]
        [--only PIPELINE ...] [--images 512] [--out FILE] [--docs FILE]
    python benchmarks/speed.py --table FILE [--docs FILE]

Each pipeline is a script in `pipelines/`, run in a separate environment. In every round, each pipeline is started again
and predicts single images, then many, from files of three sizes. The networks of the common pipelines are those of the
published systems, with random weights, which do not change the time. `--environments` keeps the installed environments
for the next run. Needs `uv`, the package index and about 8 GB. The second form writes the table of an earlier run.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from common import command, options, publish
from PIL import Image

from lesionlab.bundle import Bundle
from lesionlab.data import read_dataset
from lesionlab.phantoms import phantom_image

ROOT = Path(__file__).resolve().parent.parent
PIPELINES = Path(__file__).with_name("pipelines")
SIZES = {"224x224": (224, 224), "600x450": (600, 450), "3000x2000": (3000, 2000)}
ONE_BY_ONE, FEW, BATCH = 20, 64, 32
PACKAGES: dict[str, tuple[str | Path, ...]] = {
    "lesionlab": (ROOT, "--constraints", ROOT / "constraints.txt", "--reinstall-package", "lesionlab"),
    "onnxruntime": ("onnxruntime", "pillow"),
    "torch": ("torch", "torchvision", "timm"),
    "keras": ("tensorflow", "pillow"),
}
GPU_LIBRARIES = ("nvidia", "triton", "cuda")
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}

Row = dict[str, float]


@dataclass(frozen=True)
class Pipeline:
    """A pipeline: its environment, script and arguments."""

    environment: str
    script: str
    arguments: tuple[str, ...] = ()
    slow: bool = False  # predicts fewer images


def all_pipelines(bundles: dict[str, Path], graph: Path, backbone: str) -> dict[str, Pipeline]:
    ours = {
        f"lesionlab, {name}": Pipeline("lesionlab", "lesionlab_pipeline.py", (str(path.resolve()),))
        for name, path in bundles.items()
    }
    return ours | {
        "our graph, plain ONNX Runtime": Pipeline("onnxruntime", "onnxruntime_pipeline.py", (str(graph),)),
        "our network, timm eager": Pipeline("torch", "torch_pipeline.py", (f"timm:{backbone}",)),
        "our network, torch.compile": Pipeline("torch", "torch_pipeline.py", (f"timm:{backbone}", "--compile")),
        "Keras EfficientNet-B3, 300": Pipeline("keras", "keras_pipeline.py", ("EfficientNetB3", "300"), slow=True),
        "Keras MobileNetV2, 96": Pipeline("keras", "keras_pipeline.py", ("MobileNetV2", "96")),
        "torch ResNet-50": Pipeline("torch", "torch_pipeline.py", ("resnet50",), slow=True),
        "torch ResNet-34": Pipeline("torch", "torch_pipeline.py", ("resnet34",), slow=True),
    }


def make_files(folder: Path, data: Path | None, count: int) -> dict[str, list[str]]:
    """Write the same images as JPEG files of each size, fewer of the largest."""
    if data is not None:
        manifest = read_dataset(data)
        locations = [manifest.location(record) for record in manifest.records[:count]]
    files: dict[str, list[str]] = {}
    for name, size in SIZES.items():
        wanted = min(count, FEW) if name == "3000x2000" else count
        (folder / name).mkdir()
        files[name] = [str(folder / name / f"{index:04d}.jpg") for index in range(wanted)]
        for index, file in enumerate(files[name]):
            image = Image.open(locations[index % len(locations)]) if data else phantom_image("mel", seed=index % FEW)
            image.convert("RGB").resize(size, Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
    return files


def install(folder: Path, environment: str) -> Path:
    """Create or update an environment; return its Python interpreter."""
    python = folder / environment / "bin" / "python"
    if not python.exists():
        subprocess.run(["uv", "venv", "-q", "--python", sys.executable, folder / environment], check=True)  # noqa: S607
    install_command: list[str | Path] = ["uv", "pip", "install", "-q", "--python", python, *PACKAGES[environment]]
    subprocess.run(install_command, check=True)
    return python


def installed(python: Path) -> Row:
    """Return the size of an environment in MiB without bytecode, also without GPU libraries."""
    site = next(python.parent.parent.glob("lib/python3*/site-packages"))
    sizes = {"gpu": 0, "other": 0}
    for path in site.rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            sizes["gpu" if path.relative_to(site).parts[0] in GPU_LIBRARIES else "other"] += path.stat().st_size
    return {"install_mib": sum(sizes.values()) / 2**20, "install_mib_without_gpu_libraries": sizes["other"] / 2**20}


@contextmanager
def started(pipeline: Pipeline, python: Path, first: str) -> Iterator[tuple[subprocess.Popen[str], float]]:
    """Start a pipeline; yield its process and the seconds to its first prediction."""
    process_command: list[str | Path] = [python, PIPELINES / pipeline.script, first, *pipeline.arguments]
    began = time.perf_counter()
    with subprocess.Popen(
        process_command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | QUIET,
    ) as process:
        try:
            read_message(process)
            yield process, time.perf_counter() - began
        finally:
            process.kill()


def read_message(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Return the next message of a pipeline; skip the output of its libraries."""
    for line in process.stdout or ():
        if line.startswith("{"):
            found: dict[str, Any] = json.loads(line)
            return found
    raise SystemExit(f"the pipeline failed: {process.args!r}")


def seconds_for(process: subprocess.Popen[str], files: Sequence[str], *, one_by_one: bool) -> list[float]:
    if process.stdin is None:
        raise RuntimeError("the process was started without a standard input")
    process.stdin.write(json.dumps({"files": list(files), "one_by_one": one_by_one}) + "\n")
    process.stdin.flush()
    return [float(seconds) for seconds in read_message(process)["seconds"]]


def peak_mib(pid: int) -> float:
    """Return the summed peak memory of a process and its children."""
    parent = psutil.Process(pid)
    peaks = []
    for one in (parent, *parent.children(recursive=True)):
        lines = Path(f"/proc/{one.pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
        peaks += [int(line.split()[1]) for line in lines if line.startswith("VmHWM")]
    return sum(peaks) / 1024


def measure(pipeline: Pipeline, python: Path, files: dict[str, list[str]]) -> Row:
    row: Row = {}
    with started(pipeline, python, files["600x450"][0]) as (process, first):
        row["seconds_to_first_prediction"] = first
        for size, paths in files.items():
            chosen = paths[:FEW] if pipeline.slow else paths
            seconds_for(process, chosen[:BATCH], one_by_one=False)  # warm-up and compilation
            if size == "224x224":
                single = seconds_for(process, chosen[:ONE_BY_ONE], one_by_one=True)
                row["milliseconds_for_one"] = 1000 * statistics.median(single)
            row[f"images_per_second_{size}"] = len(chosen) / seconds_for(process, chosen, one_by_one=False)[0]
        row["peak_mib"] = peak_mib(process.pid)
    return row


def main() -> None:
    names = ("data", "images", "rounds", "out", "table", "docs")
    parser = options(__doc__, *names, images=512, rounds=3, out=Path("speed.json"))
    parser.add_argument("--model", action="append", default=[], metavar="NAME=BUNDLE")
    parser.add_argument("--graph", type=Path, help="ONNX file for plain ONNX Runtime; default: that of the first model")
    parser.add_argument("--backbone", default="tf_efficientnet_lite0")
    parser.add_argument("--environments", type=Path)
    parser.add_argument("--only", nargs="+", default=[])
    publish("speed", parser.parse_args(), run, table)


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    shipped = ROOT / "src" / "lesionlab" / "models" / "default"
    models = dict(text.split("=", 1) for text in arguments.model)
    bundles = {"the shipped model": shipped} | {name: Path(path) for name, path in models.items()}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        graph = arguments.graph or folder / "model.onnx"
        if not arguments.graph:
            graph.write_bytes(Bundle.load(shipped).graph)
        pipelines = all_pipelines(bundles, graph.resolve(), arguments.backbone)
        pipelines = {name: one for name, one in pipelines.items() if not arguments.only or name in arguments.only}
        files = make_files(folder, arguments.data, arguments.images)
        environments = (arguments.environments or folder / "environments").resolve()
        pythons = {name: install(environments, name) for name in {one.environment: None for one in pipelines.values()}}
        for pipeline in pipelines.values():  # fills the file cache, writes bytecode
            with started(pipeline, pythons[pipeline.environment], files["600x450"][0]):
                pass
        rounds: dict[str, list[Row]] = {name: [] for name in pipelines}
        for number in range(arguments.rounds):
            for name, pipeline in pipelines.items():
                rounds[name].append(measure(pipeline, pythons[pipeline.environment], files))
                print(number + 1, name, {key: round(value, 1) for key, value in rounds[name][-1].items()}, flush=True)
        sizes = {name: installed(python) for name, python in pythons.items()}
    first = next(iter(rounds.values()))
    return {
        "what": "from JPEG files to predictions: the same files, pipelines alternating, median of the rounds",
        "command": command(arguments),
        "bundles": {name: Bundle.load(path).info.identity for name, path in bundles.items()},
        "images": {size: len(paths) for size, paths in files.items()} | {"slow pipelines": FEW},
        "rounds": arguments.rounds,
        "pipelines": {
            name: {key: round(statistics.median(row[key] for row in rows), 2) for key in rows[0]}
            | {"times_slower_than_the_first": round(times_slower(first, rows), 2)}
            | {key: round(value, 1) for key, value in sizes[pipelines[name].environment].items()}
            for name, rows in rounds.items()
        },
        "environment": {"python": platform.python_version(), "cores": len(os.sched_getaffinity(0))}
        | {name: versions(python) for name, python in pythons.items()},
    }


def times_slower(first: Sequence[Row], rows: Sequence[Row]) -> float:
    key = "images_per_second_224x224"
    return statistics.median(one[key] / other[key] for one, other in zip(first, rows, strict=True))


def versions(python: Path) -> dict[str, str]:
    listed = subprocess.run(
        ["uv", "pip", "list", "-q", "--python", python, "--format", "json"],  # noqa: S607
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    wanted = ("onnxruntime", "numpy", "pillow", "torch", "torchvision", "timm", "tensorflow", "keras")
    return {found["name"]: found["version"] for found in json.loads(listed) if found["name"] in wanted}


def table(result: dict[str, Any]) -> str:
    """Return the table in Markdown."""
    headings = ("", *(f"images/s, {size}" for size in SIZES), "times slower", "one image, ms", "first prediction, s")
    lines = [
        "| " + " | ".join((*headings, "peak memory, MiB", "installed, MiB (without GPU libraries)")) + " |",
        "|---|" + "---:|" * (len(headings) + 1),
    ]
    for name, row in result["pipelines"].items():
        rates = [f"{row[f'images_per_second_{size}']:.1f}" for size in SIZES]
        sizes = f"{row['install_mib']:,.0f} ({row['install_mib_without_gpu_libraries']:,.0f})"
        cells = (
            *(name, *rates, f"{row['times_slower_than_the_first']:.1f}", f"{row['milliseconds_for_one']:.1f}"),
            *(f"{row['seconds_to_first_prediction']:.2f}", f"{row['peak_mib']:,.0f}", sizes),
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()

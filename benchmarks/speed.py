"""From JPEG files to answers: lesionlab beside the usual ways, in one run on the same files and cores.

    python benchmarks/speed.py [--data FOLDER] [--model NAME=BUNDLE ...] [--environments FOLDER] [--rounds 3]
        [--only WAY ...] [--images 512] [--out FILE] [--docs FILE]
    python benchmarks/speed.py --table FILE [--docs FILE]

Each way is a script in `ways/`, run in an environment of its own, installed as its users would. In every round each way
is started anew, judges one image after the other and then many, from files of three sizes. The networks of the usual
ways are those of the published systems, with random weights, which take the same time. `--environments` keeps what
was installed for the next run. Needs `uv`, the package index and some 8 GB. The second form writes an earlier table.
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
from marked import add_outputs, publish
from PIL import Image

from lesionlab.bundle import Bundle
from lesionlab.data import read_dataset
from lesionlab.phantoms import phantom_image

ROOT = Path(__file__).resolve().parent.parent
WAYS = Path(__file__).with_name("ways")
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
class Way:
    """A way of judging: its script, what the script is told after the first image, and how it is measured."""

    environment: str
    script: str
    arguments: tuple[str, ...] = ()
    slow: bool = False  # judges fewer images


def all_ways(bundles: dict[str, Path], graph: Path, backbone: str) -> dict[str, Way]:
    ours = {
        f"lesionlab, {name}": Way("lesionlab", "lesionlab_way.py", (str(path.resolve()),))
        for name, path in bundles.items()
    }
    return ours | {
        "our graph, plain ONNX Runtime": Way("onnxruntime", "onnxruntime_way.py", (str(graph),)),
        "our network, timm eager": Way("torch", "torch_way.py", (f"timm:{backbone}",)),
        "our network, torch.compile": Way("torch", "torch_way.py", (f"timm:{backbone}", "--compile")),
        "Keras EfficientNet-B3, 300": Way("keras", "keras_way.py", ("EfficientNetB3", "300"), slow=True),
        "Keras MobileNetV2, 96": Way("keras", "keras_way.py", ("MobileNetV2", "96")),
        "torch ResNet-50": Way("torch", "torch_way.py", ("resnet50",), slow=True),
        "torch ResNet-34": Way("torch", "torch_way.py", ("resnet34",), slow=True),
    }


def make_files(folder: Path, data: Path | None, count: int) -> dict[str, list[str]]:
    """Write the same pictures as JPEG files of each size; few of the largest."""
    if data is not None:
        manifest = read_dataset(data)
        places = [manifest.location(record) for record in manifest.records[:count]]
    files: dict[str, list[str]] = {}
    for name, size in SIZES.items():
        wanted = min(count, FEW) if name == "3000x2000" else count
        (folder / name).mkdir()
        files[name] = [str(folder / name / f"{index:04d}.jpg") for index in range(wanted)]
        for index, file in enumerate(files[name]):
            picture = Image.open(places[index % len(places)]) if data else phantom_image("mel", seed=index % FEW)
            picture.convert("RGB").resize(size, Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
    return files


def install(folder: Path, environment: str) -> Path:
    """Return the Python of an environment, made or brought up to date."""
    python = folder / environment / "bin" / "python"
    if not python.exists():
        subprocess.run(["uv", "venv", "-q", "--python", sys.executable, folder / environment], check=True)  # noqa: S607
    command: list[str | Path] = ["uv", "pip", "install", "-q", "--python", python, *PACKAGES[environment]]
    subprocess.run(command, check=True)
    return python


def installed(python: Path) -> Row:
    """Return the size of an environment's files but compiled bytecode, in MiB, also without its GPU libraries."""
    site = next(python.parent.parent.glob("lib/python3*/site-packages"))
    sizes = {"gpu": 0, "other": 0}
    for path in site.rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            sizes["gpu" if path.relative_to(site).parts[0] in GPU_LIBRARIES else "other"] += path.stat().st_size
    return {"install_mib": sum(sizes.values()) / 2**20, "install_mib_without_gpu_libraries": sizes["other"] / 2**20}


@contextmanager
def started(way: Way, python: Path, first: str) -> Iterator[tuple[subprocess.Popen[str], float]]:
    """Run a way; yield its process and the seconds from its start to its first answer."""
    command: list[str | Path] = [python, WAYS / way.script, first, *way.arguments]
    began = time.perf_counter()
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | QUIET,
    ) as process:
        try:
            heard(process)
            yield process, time.perf_counter() - began
        finally:
            process.kill()


def heard(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Return what a way says next, passing over what its libraries print."""
    for line in process.stdout or ():
        if line.startswith("{"):
            found: dict[str, Any] = json.loads(line)
            return found
    raise SystemExit(f"this way fails; run it by hand: {process.args!r}")


def seconds_for(process: subprocess.Popen[str], files: Sequence[str], *, one_by_one: bool) -> list[float]:
    if process.stdin is None:
        raise RuntimeError("the process was started without a standard input")
    process.stdin.write(json.dumps({"files": list(files), "one_by_one": one_by_one}) + "\n")
    process.stdin.flush()
    return [float(seconds) for seconds in heard(process)["seconds"]]


def peak_mib(pid: int) -> float:
    """Return the sum of the high-water marks of a process and those it has started."""
    whole = psutil.Process(pid)
    peaks = []
    for one in (whole, *whole.children(recursive=True)):
        lines = Path(f"/proc/{one.pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
        peaks += [int(line.split()[1]) for line in lines if line.startswith("VmHWM")]
    return sum(peaks) / 1024


def measure(way: Way, python: Path, files: dict[str, list[str]]) -> Row:
    row: Row = {}
    with started(way, python, files["600x450"][0]) as (process, first):
        row["seconds_to_first_answer"] = first
        for size, places in files.items():
            chosen = places[:FEW] if way.slow else places
            seconds_for(process, chosen[:BATCH], one_by_one=False)  # the first batch warms up, or compiles
            if size == "224x224":
                alone = seconds_for(process, chosen[:ONE_BY_ONE], one_by_one=True)
                row["milliseconds_for_one"] = 1000 * statistics.median(alone)
            row[f"images_per_second_{size}"] = len(chosen) / seconds_for(process, chosen, one_by_one=False)[0]
        row["peak_mib"] = peak_mib(process.pid)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="dataset whose first images are judged; default: phantoms")
    parser.add_argument("--model", action="append", default=[], metavar="NAME=BUNDLE")
    parser.add_argument("--graph", type=Path, help="ONNX file for the plain way; default: the first model's")
    parser.add_argument("--backbone", default="tf_efficientnet_lite0")
    parser.add_argument("--environments", type=Path)
    parser.add_argument("--images", type=int, default=512, help="a multiple of 32")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=[])
    add_outputs(parser, "speed.json")
    publish("speed", parser.parse_args(), run, table)


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    shipped = ROOT / "src" / "lesionlab" / "models" / "default"
    given = dict(text.split("=", 1) for text in arguments.model)
    bundles = {"the shipped model": shipped} | {name: Path(path) for name, path in given.items()}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        graph = arguments.graph or folder / "model.onnx"
        if not arguments.graph:
            graph.write_bytes(Bundle.load(shipped).graph)
        ways = all_ways(bundles, graph.resolve(), arguments.backbone)
        ways = {name: way for name, way in ways.items() if not arguments.only or name in arguments.only}
        files = make_files(folder, arguments.data, arguments.images)
        environments = (arguments.environments or folder / "environments").resolve()
        pythons = {name: install(environments, name) for name in {way.environment: None for way in ways.values()}}
        for way in ways.values():  # fills the file cache, writes compiled bytecode
            with started(way, pythons[way.environment], files["600x450"][0]):
                pass
        rounds: dict[str, list[Row]] = {name: [] for name in ways}
        for number in range(arguments.rounds):
            for name, way in ways.items():
                rounds[name].append(measure(way, pythons[way.environment], files))
                print(number + 1, name, {key: round(value, 1) for key, value in rounds[name][-1].items()}, flush=True)
        sizes = {name: installed(python) for name, python in pythons.items()}
    first = next(iter(rounds.values()))
    return {
        "what": "from JPEG files to answers: the same files, one run, each way in turn; median of the rounds",
        "command": "python benchmarks/speed.py --data FOLDER" if arguments.data else "python benchmarks/speed.py",
        "bundles": {name: Bundle.load(path).info.identity for name, path in bundles.items()},
        "images": {size: len(places) for size, places in files.items()} | {"slow ways": FEW},
        "rounds": arguments.rounds,
        "ways": {
            name: {key: round(statistics.median(row[key] for row in rows), 2) for key in rows[0]}
            | {"times_slower_than_the_first": round(times_slower(first, rows), 2)}
            | {key: round(value, 1) for key, value in sizes[ways[name].environment].items()}
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
    for name, row in result["ways"].items():
        rates = [f"{row[f'images_per_second_{size}']:.1f}" for size in SIZES]
        sizes = f"{row['install_mib']:,.0f} ({row['install_mib_without_gpu_libraries']:,.0f})"
        cells = (
            *(name, *rates, f"{row['times_slower_than_the_first']:.1f}", f"{row['milliseconds_for_one']:.1f}"),
            *(f"{row['seconds_to_first_answer']:.2f}", f"{row['peak_mib']:,.0f}", sizes),
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()

"""The command `lesionlab predict` on one image as a whole process: time, memory, and what it loads.

    python benchmarks/predict_start.py [--runs 10] [--out FILE]

Also the size of an installation that can do no more than that: the package with its model and dependencies, in
an environment of its own (needs `uv` and the package index).
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
from importlib.metadata import version
from pathlib import Path

from lesionlab.bundle import Bundle
from lesionlab.files import write_json
from lesionlab.phantoms import phantom_image

ROOT = Path(__file__).resolve().parent.parent
FRAMEWORKS = ("torch", "tensorflow", "pandas", "scipy", "sklearn", "matplotlib", "onnx")
# Prints which of the modules a prediction has loaded, after the command itself.
PROBE = """
import sys
from lesionlab.cli import main
sys.argv = ["lesionlab", "predict", sys.argv[1]]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print("LOADED", *[name for name in {names!r} if name in sys.modules])
"""


def measure(python: Path, image: Path, runs: int) -> dict[str, object]:
    """Time whole processes of an installation; the first run, which warms the file cache, is not counted."""
    seconds, peaks = [], []
    for _ in range(runs + 1):
        began = time.perf_counter()
        process = subprocess.Popen([python.parent / "lesionlab", "predict", image], stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        seconds.append(time.perf_counter() - began)
        peaks.append(usage.ru_maxrss / 1024)
        if status:
            raise SystemExit("lesionlab predict failed")
    probe: list[str | Path] = [python, "-c", PROBE.format(names=FRAMEWORKS), image]
    loaded = subprocess.run(probe, capture_output=True, text=True, check=True).stdout.rpartition("LOADED")[2].split()
    return {
        "seconds_median": round(statistics.median(seconds[1:]), 3),
        "seconds_min": round(min(seconds[1:]), 3),
        "seconds_max": round(max(seconds[1:]), 3),
        "peak_memory_mib": round(statistics.median(peaks[1:]), 1),
        "frameworks_loaded": loaded,
    }


def installed_mib(environment: Path) -> float:
    """Return the size of all installed files, compiled bytecode not counted."""
    site = next(environment.glob("lib/python3*/site-packages"))
    files = (path for path in site.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return round(sum(path.stat().st_size for path in files) / 2**20, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        environment, image = Path(folder) / "venv", Path(folder) / "lesion.jpg"
        phantom_image("mel", seed=1).save(image)
        subprocess.run(["uv", "venv", "-q", environment], check=True)  # noqa: S607
        python = environment / "bin" / "python"
        install: list[str | Path] = ["uv", "pip", "install", "-q", "--compile-bytecode", "--python", python, ROOT]
        subprocess.run([*install, "-c", ROOT / "constraints.txt"], check=True)
        result = {
            "what": "lesionlab predict of one 600x450 JPEG, whole process, and the size of the core installation",
            "command": " ".join(["python", *sys.argv]),
            "bundle": Bundle.load().info.identity,
            "runs": arguments.runs,
            **measure(python, image, arguments.runs),
            "core_install_mib": installed_mib(environment),
            "environment": {
                "python": platform.python_version(),
                "onnxruntime": version("onnxruntime"),
                "cpus": os.cpu_count(),
            },
        }
    print(json.dumps(result, indent=2))
    if arguments.out:
        write_json(arguments.out, result)


if __name__ == "__main__":
    main()

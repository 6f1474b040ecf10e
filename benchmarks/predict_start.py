"""Time, memory and loaded frameworks of `lesionlab predict` on one image, as a process.

    python benchmarks/predict_start.py [--runs 10] [--out FILE]

It also measures the size of the core installation: the package with its model and dependencies, in a separate
environment (needs `uv` and the package index).
"""

import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from common import command, options, versions, write

from lesionlab.bundle import Bundle
from lesionlab.phantoms import phantom_image

ROOT = Path(__file__).resolve().parent.parent
FRAMEWORKS = ("torch", "tensorflow", "pandas", "scipy", "sklearn", "matplotlib", "onnx")
# Prints the frameworks that a prediction has imported.
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
    """Measure processes of an installation; the first run warms the file cache and is not counted."""
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
    """Return the size of all installed files without bytecode."""
    site = next(environment.glob("lib/python3*/site-packages"))
    files = (path for path in site.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return round(sum(path.stat().st_size for path in files) / 2**20, 1)


def main() -> None:
    parser = options(__doc__, "out")
    parser.add_argument("--runs", type=int, default=10)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        environment, image = Path(folder) / "venv", Path(folder) / "lesion.jpg"
        phantom_image("mel", seed=1).save(image)
        subprocess.run(["uv", "venv", "-q", environment], check=True)  # noqa: S607
        python = environment / "bin" / "python"
        install: list[str | Path] = ["uv", "pip", "install", "-q", "--compile-bytecode", "--python", python, ROOT]
        subprocess.run([*install, "-c", ROOT / "constraints.txt"], check=True)
        result = {
            "what": "lesionlab predict of one 600x450 JPEG, as a process, and the size of the core installation",
            "command": command(arguments),
            "bundle": Bundle.load().info.identity,
            "runs": arguments.runs,
            **measure(python, image, arguments.runs),
            "core_install_mib": installed_mib(environment),
            "environment": versions("onnxruntime") | {"cpus": os.cpu_count()},
        }
    write(arguments, result)


if __name__ == "__main__":
    main()

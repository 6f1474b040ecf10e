"""The inference session sends no telemetry, and names exhausted memory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PREDICT = """
import sys
from lesionlab import Predictor
from lesionlab.phantoms import phantom_image
print(Predictor.load(sys.argv[1]).predict(phantom_image("mel", seed=0)).top[0].code)
"""


@pytest.mark.slow
def test_the_runtime_sends_no_telemetry(tiny_bundle: Path, tmp_path: Path) -> None:
    # A build with telemetry writes a device identifier and a queue of events to the home folder.
    environment = {k: v for k, v in os.environ.items() if k not in ("CI", "ORT_DISABLE_TELEMETRY")}
    environment |= {name: str(tmp_path) for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
    done = subprocess.run(
        [sys.executable, "-c", PREDICT, str(tiny_bundle)], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip()
    assert list(tmp_path.iterdir()) == []


LIMITED = """
import resource, sys
from pathlib import Path
import numpy as np
from lesionlab.bundle import Bundle
from lesionlab.errors import MemoryExhaustedError
from lesionlab.prediction.inference.session import GraphSession
session = GraphSession(Bundle.load(sys.argv[1]), threads=1)
size = session._session.get_inputs()[0].shape[1]
pixels = np.zeros((2000, size, size, 3), np.uint8)
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**20, resource.RLIM_INFINITY))
try:
    session.logits(pixels)
except MemoryExhaustedError as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of a process")
def test_exhausted_memory_has_an_error_of_its_own(tiny_bundle: Path) -> None:
    done = subprocess.run([sys.executable, "-c", LIMITED, str(tiny_bundle)], capture_output=True, text=True, check=True)
    assert done.stdout == f"not enough memory to run the graph of {tiny_bundle}\n"

"""The inference session sends no telemetry."""

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

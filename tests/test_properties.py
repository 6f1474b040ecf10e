"""All property tests with random and many more examples than in the fast set."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_properties_hold_for_random_examples() -> None:
    environment = os.environ | {"LESIONLAB_HYPOTHESIS": "random"}
    command = [sys.executable, "-m", "pytest", "-q", "-m", "hypothesis and not slow"]
    finished = subprocess.run(
        command, cwd=Path(__file__).parents[1], env=environment, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stdout[-5000:]

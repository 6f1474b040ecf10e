"""Evaluation, comparison and card work without a training framework."""

import subprocess
import sys

import pytest

_CODE = """
import sys
for name in ("torch", "timm", "pytorch_lightning", "captum", "sklearn", "pandas", "scipy", "skimage"):
    sys.modules[name] = None
import lesionlab.evaluation, lesionlab.evaluation.comparison, lesionlab.evaluation.load, lesionlab.evaluation.stored
from lesionlab.bundle import Bundle
from lesionlab.evaluation.card import render_card
print(render_card(Bundle.load())[:12])
"""


@pytest.mark.slow
def test_import_and_card_without_torch() -> None:
    done = subprocess.run([sys.executable, "-c", _CODE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "# Model card"), done.stderr

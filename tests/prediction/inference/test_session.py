"""The session: how many threads it takes, and that it keeps to itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lesionlab.prediction.inference import session

JUDGE = """
import sys
from lesionlab import Predictor
from lesionlab.phantoms import phantom_image
print(Predictor.load(sys.argv[1]).predict(phantom_image("mel", seed=0)).top[0].code)
"""


@pytest.mark.parametrize(
    ("quota", "expected"),
    [("100000 100000\n", 1), ("150000 100000\n", 2), ("50000 100000\n", 1), ("max 100000\n", 64), ("", 64)],
)
def test_a_containers_quota_counts(quota: str, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cpu.max").write_text(quota)
    monkeypatch.setattr(session, "_CPU_QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    assert session.available_cores() == expected


def test_without_control_groups_the_affinity_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_CPU_QUOTA", tmp_path / "missing")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3, 5}, raising=False)
    assert session.available_cores() == 3


def test_the_runtime_reports_nothing_to_its_maker(tiny_bundle: Path, tmp_path: Path) -> None:
    # In a build that reports, a device's number and a queue of events appear in the home folder.
    environment = {k: v for k, v in os.environ.items() if k not in ("CI", "ORT_DISABLE_TELEMETRY")}
    environment |= {name: str(tmp_path) for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
    done = subprocess.run(
        [sys.executable, "-c", JUDGE, str(tiny_bundle)], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip()
    assert list(tmp_path.iterdir()) == []

"""Tasks in processes: values, errors, kills, and the share of the cores."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from lesionlab.cpu import available_cores
from lesionlab.data import load_split
from lesionlab.experiments.workers import Ended, opened_workers, run_here

pytestmark = pytest.mark.slow  # each process imports torch

_PARENT = """
import time
from lesionlab.experiments.workers import opened_workers
if __name__ == "__main__":
    with opened_workers(2) as workers:
        list(workers.run(time.sleep, [(600,), (600,)]))
"""


def test_tasks_return_values_or_errors_and_share_the_cores(tmp_path: Path) -> None:
    waited: list[None] = []
    with opened_workers(2) as workers:
        assert workers is not None
        ends = list(workers.run(available_cores, [()] * 3, lambda: waited.append(None)))
        (failed,) = workers.run(load_split, [(tmp_path / "missing.json",)])
        (crashed,) = workers.run(os._exit, [(3,)])
        (killed,) = workers.run(signal.raise_signal, [(signal.SIGKILL,)])
    share = max(1, available_cores() // 2)
    assert sorted(ends, key=lambda end: end.index) == [Ended(index, share) for index in range(3)]
    assert waited
    assert "missing.json" in failed.error
    assert crashed == Ended(0, error="its process ended with exit code 3")
    assert killed.error.startswith("its process was ended by SIGKILL")
    assert list(run_here(load_split, [(tmp_path / "missing.json",)])) == [failed]


def test_running_tasks_end_with_the_block() -> None:
    with opened_workers(2) as workers:
        assert workers is not None
        ends = workers.run(time.sleep, [(0,), (600,)])
        assert next(ends).index == 0
        (left,) = [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]
        ends.close()
    assert not left.is_running()


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_tasks_end_with_a_killed_parent(tmp_path: Path) -> None:
    (tmp_path / "parent.py").write_text(_PARENT, encoding="utf-8")
    parent = subprocess.Popen([sys.executable, tmp_path / "parent.py"])
    children: list[psutil.Process] = []
    while len(children) < 2:
        assert parent.poll() is None
        time.sleep(0.1)
        found = psutil.Process(parent.pid).children()
        children = [child for child in found if "spawn_main" in " ".join(child.cmdline()) and child.num_threads() > 1]
    parent.kill()
    parent.wait()
    gone, alive = psutil.wait_procs(children, timeout=60)
    assert len(gone) == 2, alive

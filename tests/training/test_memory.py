"""Freed memory stays in the process during training and is released afterwards."""

import json
import platform
import subprocess
import sys

import pytest
import torch

from lesionlab.training.memory import keep_freed_memory

resource = pytest.importorskip("resource", reason="POSIX only")
pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has mallopt")
FLOATS = 20_000_000  # 80 MB, and half of it, exceed the size that glibc keeps


def faults_of_second_allocation() -> int:
    torch.zeros(FLOATS)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    # Smaller, since glibc's alignment may make a second block of equal size too large by a few bytes.
    torch.zeros(FLOATS // 2)
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)


def faults_within_and_after_the_context() -> tuple[int, int]:
    with keep_freed_memory():
        within = faults_of_second_allocation()
    return within, faults_of_second_allocation()


def test_freed_memory_is_reused_without_page_faults_and_then_released() -> None:
    pages = FLOATS // 2 * 4 // resource.getpagesize()
    # A process of its own: other tests leave a heap that cannot grow in one piece.
    done = subprocess.run([sys.executable, __file__], check=True, stdout=subprocess.PIPE)
    within, after = json.loads(done.stdout)
    assert within < pages / 10
    assert after > pages / 2


if __name__ == "__main__":
    print(json.dumps(faults_within_and_after_the_context()))  # noqa: T201

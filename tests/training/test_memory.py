"""Freed memory stays in the process during training and is released afterwards."""

import platform

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


def test_freed_memory_is_reused_without_page_faults() -> None:
    pages = FLOATS // 2 * 4 // resource.getpagesize()
    with keep_freed_memory():
        assert faults_of_second_allocation() < pages / 10


def test_memory_is_released_after_the_context() -> None:
    pages = FLOATS // 2 * 4 // resource.getpagesize()
    with keep_freed_memory():
        torch.zeros(FLOATS)
    assert faults_of_second_allocation() > pages / 2

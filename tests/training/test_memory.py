"""Freed memory stays with the process, and is given back afterwards."""

import platform
import resource

import pytest
import torch

from lesionlab.training.memory import freed_memory_kept

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone can be told")
FLOATS = 20_000_000  # 80 MB: more than glibc ever keeps by itself


def faults_of_a_second_use() -> int:
    torch.zeros(FLOATS)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.zeros(FLOATS)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def test_a_block_is_used_again_without_the_system() -> None:
    pages = FLOATS * 4 // resource.getpagesize()
    with freed_memory_kept():
        assert faults_of_a_second_use() < pages / 10


def test_it_ends_with_the_training() -> None:
    with freed_memory_kept():
        torch.zeros(FLOATS)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.zeros(FLOATS)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before > FLOATS * 4 / resource.getpagesize() / 2

"""Freed memory stays with the process, and is given back afterwards."""

import platform
import resource

import pytest
import torch

from lesionlab.training.memory import keep_freed_memory

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone can be told")
FLOATS = 20_000_000  # 80 MB, and half of it, are more than glibc ever keeps by itself


def faults_of_a_second_use() -> int:
    torch.zeros(FLOATS)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    # Smaller: glibc aligns within a block, so that the next of one size may not fit into the last by a few bytes.
    torch.zeros(FLOATS // 2)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def test_a_block_is_used_again_without_the_system() -> None:
    pages = FLOATS // 2 * 4 // resource.getpagesize()
    with keep_freed_memory():
        assert faults_of_a_second_use() < pages / 10


def test_it_ends_with_the_training() -> None:
    pages = FLOATS // 2 * 4 // resource.getpagesize()
    with keep_freed_memory():
        torch.zeros(FLOATS)
    assert faults_of_a_second_use() > pages / 2

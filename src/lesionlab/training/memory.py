"""Keeping freed memory within the process during training.

glibc returns freed blocks above 32 MB, such as activations, to the system at once, and the kernel clears the same
gigabytes again in every step. On a CPU that takes a quarter of the time (benchmarks/training_epoch.py).
"""

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager

# From glibc's malloc.h, with its defaults. Python has no interface to mallopt, and the equivalent environment variables
# (MALLOC_TRIM_THRESHOLD_, ...) are read only at process start: hence ctypes.
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
_DEFAULT_TRIM_THRESHOLD, _DEFAULT_MMAP_MAX = 128 * 1024, 65536


@contextmanager
def keep_freed_memory() -> Iterator[None]:
    """Keep freed memory in the process while the context is open (glibc only); return it to the system afterwards."""
    if platform.libc_ver()[0] != "glibc":
        yield
        return
    library = ctypes.CDLL(None)
    library.mallopt(_MMAP_MAX, 0)
    library.mallopt(_TRIM_THRESHOLD, -1)
    try:
        yield
    finally:
        library.mallopt(_MMAP_MAX, _DEFAULT_MMAP_MAX)
        library.mallopt(_TRIM_THRESHOLD, _DEFAULT_TRIM_THRESHOLD)
        library.malloc_trim(0)

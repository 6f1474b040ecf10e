"""Memory during training: freed memory stays within the process, and exhausted memory is one clear error.

glibc returns freed blocks above 32 MB, such as activations, to the system at once, and the kernel clears the same
gigabytes again in every step. On a CPU that takes a quarter of the time (benchmarks/training_epoch.py).
"""

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from lesionlab.errors import MemoryExhaustedError

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


@contextmanager
def memory_checked(run: Path, batch_size: int) -> Iterator[None]:
    """Turn the errors of Python and of torch's allocators into one that names the batch size.

    Raises:
        MemoryExhaustedError: The memory does not suffice.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        # The allocator for processors has no exception of its own.
        if not isinstance(error, MemoryError | torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
            raise
        raise MemoryExhaustedError(
            f"{run}: not enough memory; free some and run the same command again, or lower training.batch_size "
            f"({batch_size}), into another folder"
        ) from error

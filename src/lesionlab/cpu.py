"""Number of processor cores."""

import math
import os
from pathlib import Path

_CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_limit: float = math.inf


def limit_cores(number: int) -> None:
    """Make `available_cores` return at most this number, in a process that shares the machine with others."""
    global _limit  # noqa: PLW0603 - a property of the process
    _limit = number


def available_cores() -> int:
    """Return the number of cores that this process may use, which in a container is often fewer than there are.

    A container is limited by its affinity and by a quota of its control group (Linux, cgroup v2: microseconds per
    period).
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = _CPU_QUOTA.read_text(encoding="ascii").split()
        cores = max(1, min(cores, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):  # no control group, or `max` for no quota
        pass
    return int(min(cores, _limit))

"""Estimated energy of a training."""

from dataclasses import dataclass

from lesionlab.bundle import BundleInfo
from lesionlab.evaluation.wording import counted

# Per core of an unknown processor: Lannelongue et al., Green Algorithms, Adv. Sci. 8, 2100707 (2021).
_WATTS_PER_CORE = 12.0


@dataclass(frozen=True, slots=True)
class Energy:
    """Estimated energy of the processor.

    Attributes:
        cores: Number of cores.
        watts: Assumed power of each core.
        kilowatt_hours: Energy of all epochs whose time is known.
    """

    cores: int
    watts: float
    kilowatt_hours: float


def estimated_energy(info: BundleInfo) -> Energy | None:
    """Return the energy of a training on a CPU; None for other devices, or if time or threads are unknown."""
    time, threads = info.training_time, info.versions.get("threads", "")
    if time is None or info.versions.get("accelerator") != "cpu" or not threads.isdecimal():
        return None
    hours = (time.seconds + (time.earlier_seconds or 0.0)) / 3600
    return Energy(int(threads), _WATTS_PER_CORE, hours * int(threads) * _WATTS_PER_CORE / 1000)


def hours(seconds: float) -> str:
    """Return a time in words: minutes below 90 minutes, else hours."""
    return counted(round(seconds / 60), "minute") if seconds < 5400 else f"{seconds / 3600:.1f} hours"

"""What a training cost: estimated where nobody measured it."""

from dataclasses import dataclass

from lesionlab.bundle import BundleInfo
from lesionlab.evaluation.wording import counted

# Of a core where nothing is known of the processor: Lannelongue et al., Green Algorithms, Adv. Sci. 8, 2100707 (2021).
_WATTS_PER_CORE = 12.0


@dataclass(frozen=True, slots=True)
class Energy:
    """An estimate of what the processor took.

    Attributes:
        cores: Cores that were computing.
        watts: Assumed for each of them.
        kilowatt_hours: Of all epochs whose time is known.
    """

    cores: int
    watts: float
    kilowatt_hours: float


def estimated_energy(info: BundleInfo) -> Energy | None:
    """Return the energy of a training on a CPU; None where time or threads are not known, or it was elsewhere."""
    time, threads = info.training_time, info.versions.get("threads", "")
    if time is None or info.versions.get("accelerator") != "cpu" or not threads.isdecimal():
        return None
    hours = (time.seconds + (time.earlier_seconds or 0.0)) / 3600
    return Energy(int(threads), _WATTS_PER_CORE, hours * int(threads) * _WATTS_PER_CORE / 1000)


def hours(seconds: float) -> str:
    """Return a time in words, as coarse as a reader needs it."""
    return counted(round(seconds / 60), "minute") if seconds < 5400 else f"{seconds / 3600:.1f} hours"

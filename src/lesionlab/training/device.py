"""Which accelerator and which precision, chosen once and recorded."""

import os
import platform
import shutil
from importlib.metadata import version
from pathlib import Path

import torch

from lesionlab import __version__


def choose_accelerator() -> str:
    """Return Lightning's name of the best accelerator: `cuda`, `mps` or `cpu`."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def choose_precision(setting: str, accelerator: str) -> str:
    """Return Lightning's name of the precision to compute in.

    Args:
        setting: The recipe's `training.precision`.
        accelerator: What `choose_accelerator` returned.
    """
    if setting != "auto":
        return setting
    if accelerator == "cuda":
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "16-mixed"
    # Without matrix units for bfloat16 a CPU emulates it, at half the speed of float32.
    return "bf16-mixed" if accelerator == "cpu" and _has_bfloat16_matrix_units() else "32-true"


def can_compile(accelerator: str) -> bool:
    """Tell whether `torch.compile` has what it needs: on a CPU, a C++ compiler; on MPS it is not ready."""
    return accelerator == "cuda" or (accelerator == "cpu" and any(map(shutil.which, ("c++", "g++", "clang++"))))


def describe_environment(accelerator: str, precision: str, *, compiled: bool) -> dict[str, str]:
    """Return versions, device and precision, for the record of a run."""
    packages = ("torch", "timm", "pytorch-lightning", "numpy", "pillow")
    device = torch.cuda.get_device_name() if accelerator == "cuda" else _processor()
    return {
        "lesionlab": __version__,
        **{name: version(name) for name in packages},
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "accelerator": accelerator,
        "device": device,
        "precision": precision,
        "compiled": str(compiled).lower(),
        "threads": str(torch.get_num_threads()),
        "cpus": str(os.cpu_count()),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _has_bfloat16_matrix_units() -> bool:
    probe = getattr(torch.cpu, "_is_amx_tile_supported", None)  # no public name for it in every version we take
    return bool(probe is not None and probe())

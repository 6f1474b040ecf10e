"""Choice of accelerator, precision and compilation."""

import logging
import os
import platform
import shutil
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch

from lesionlab import __version__
from lesionlab.errors import UsageError
from lesionlab.recipes import Recipe

logger = logging.getLogger(__name__)

# Fewer steps per image size than this are trained without compilation. On two cores compilation took 29 s when idle and
# up to eight minutes under load, and saves 0.15 s of a step of 32 images: it pays off after 200 to 3,300 steps.
COMPILE_STEPS = 1000


@dataclass(frozen=True)
class Compute:
    """How a run computes.

    Attributes:
        accelerator: Lightning's name of the accelerator: `cuda`, `mps` or `cpu`.
        precision: Lightning's name of the precision.
        compiled: Whether `torch.compile` fuses the network's operations for training.
        processes: Number of processes.
    """

    accelerator: str
    precision: str
    compiled: bool = False
    processes: int = 1

    def describe(self) -> dict[str, str]:
        """Return versions, device and precision, for the record of a run."""
        packages = ("torch", "timm", "pytorch-lightning", "numpy", "pillow")
        return {
            "lesionlab": __version__,
            **{name: version(name) for name in packages},
            "python": platform.python_version(),
            "platform": f"{platform.system()} {platform.machine()}",
            "accelerator": self.accelerator,
            "device": torch.cuda.get_device_name() if self.accelerator == "cuda" else _processor(),
            "precision": self.precision,
            "compiled": str(self.compiled).lower(),
            "processes": str(self.processes),
            "threads": str(torch.get_num_threads()),
            "cpus": str(os.cpu_count()),
        }


def choose_compute(recipe: Recipe, images: int, device: str | None = None, processes: int = 1) -> Compute:
    """Return how to train a recipe on this machine.

    Args:
        recipe: Its table `training` counts.
        images: Number of training images.
        device: `cpu`, `cuda` or `mps`; None: the fastest one.
        processes: Number of processes.

    Raises:
        UsageError: The device is not available.
    """
    accelerator = choose_accelerator(device)
    # The head of a frozen backbone is trained on features, without compilation.
    epochs = 0 if recipe.caches_features else recipe.training.epochs
    epochs += recipe.unfreeze.epochs if recipe.unfreeze.layers else 0
    steps = images * epochs // recipe.training.batch_size // max(1, len(recipe.training.sizes))
    compiled = recipe.training.compile and should_compile(accelerator, steps)
    return Compute(accelerator, choose_precision(recipe.training.precision, accelerator), compiled, processes)


def choose_accelerator(device: str | None = None) -> str:
    """Return Lightning's name of the accelerator: `cuda`, `mps` or `cpu`.

    Args:
        device: The accelerator to use; None: the fastest one.

    Raises:
        UsageError: The device is not available.
    """
    available = [name for name, module in (("cuda", torch.cuda), ("mps", torch.backends.mps)) if module.is_available()]
    available.append("cpu")
    if device is not None and device not in available:
        raise UsageError(f"device {device} is not available; available here: {', '.join(available)}")
    return device or available[0]


def choose_precision(setting: str, accelerator: str) -> str:
    """Return Lightning's name of the precision to compute in.

    Args:
        setting: The recipe's `training.precision`.
        accelerator: Result of `choose_accelerator`.
    """
    if setting != "auto":
        return setting
    if accelerator == "cuda":
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "16-mixed"
    # Without matrix units for bfloat16 a CPU emulates it, at half the speed of float32.
    return "bf16-mixed" if accelerator == "cpu" and _has_bfloat16_matrix_units() else "32-true"


def can_compile(accelerator: str) -> bool:
    """Return whether `torch.compile` works here: on a CPU it needs a C++ compiler; MPS is not supported."""
    return accelerator == "cuda" or (accelerator == "cpu" and any(map(shutil.which, ("c++", "g++", "clang++"))))


def should_compile(accelerator: str, steps: int) -> bool:
    """Return whether compilation is possible and pays off; log the reason where it is skipped.

    Args:
        accelerator: Result of `choose_accelerator`.
        steps: Estimated number of training steps per image size: images times epochs over the batch size.
    """
    if not can_compile(accelerator):
        logger.warning("compilation skipped: no C++ compiler is installed; training is slower without it")
        return False
    if steps < COMPILE_STEPS:
        logger.info("compilation skipped: it does not pay off for %d steps (from %d on)", steps, COMPILE_STEPS)
        return False
    return True


def announce_compilation() -> None:
    """Log that the first step takes longer."""
    logger.info("compiling the network in the first step: about a minute, several on a busy machine")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _has_bfloat16_matrix_units() -> bool:
    # The oldest supported version of torch has no such function.
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("amx_bf16"))

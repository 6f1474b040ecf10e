"""Training in several processes, one for each device: torchrun, SLURM or Ray Train starts them.

Each process has the whole dataset and the same weights. It computes its share of each batch; gradients and validation
results are exchanged. The first process alone writes the files of the run.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from torch import Tensor

from lesionlab.errors import LesionlabError, OtherProcessError, UsageError
from lesionlab.recipes import Recipe
from lesionlab.training.device import choose_accelerator

T = TypeVar("T")

# The others wait while one process decodes images or exports the model.
_LONGEST_WAIT = timedelta(days=7)
_FIRST_PORT, _PORTS = 15_000, 15_000


@dataclass(frozen=True)
class Processes:
    """The processes of a training, seen from one of them. The default is a single process.

    All processes call the methods in the same order.

    Attributes:
        rank: Number of this process, from 0.
        size: Number of processes.
        local_rank: Number of this process on its machine, from 0.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    # Messages between the processes, on the CPU: it notices a process that has ended, and waits for days.
    _group: Any = field(default=None, repr=False)

    @classmethod
    def joined(cls) -> "Processes":
        """Return the processes of torch's default process group, which exists."""
        group = dist.new_group(backend="gloo", timeout=_LONGEST_WAIT)
        return cls(dist.get_rank(), dist.get_world_size(), int(os.environ.get("LOCAL_RANK", "0")), group)

    @property
    def is_first(self) -> bool:
        """Whether this process writes the files of the run and shows its progress."""
        return self.rank == 0

    def check(self, recipe: Recipe) -> None:
        """Check that the batches of a recipe can be shared among the processes.

        Raises:
            UsageError: The batch size is not a multiple of the number of processes, or a share has a single image.
        """
        size = recipe.training.batch_size
        if self.size > 1 and (size % self.size or size < 2 * self.size):
            raise UsageError(
                f"training.batch_size={size} is the size over all processes and cannot be shared by {self.size} of "
                f"them; set a multiple of {self.size} that gives each at least two images, such as "
                f"--set training.batch_size={max(2, round(size / self.size)) * self.size}"
            )

    def seed(self, seed: int) -> int:
        """Return the seed of this process; that of the first process is `seed` itself."""
        if self.is_first:
            return seed
        return int(np.random.SeedSequence((seed, self.rank)).generate_state(1, np.uint64)[0])

    def by_first(self, work: Callable[[], T]) -> T:
        """Return the result of work that the first process does; the others wait for it.

        Raises:
            LesionlabError: What the first process raised.
            OtherProcessError: The same, in the other processes.
        """
        if self.size == 1:
            return work()
        found, error = _attempt(work) if self.is_first else ([], None)
        sent: list[Any] = [found, None if error is None else str(error)]
        dist.broadcast_object_list(sent, src=0, group=self._group)
        if error is not None:
            raise error
        if sent[1] is not None:
            raise OtherProcessError(sent[1])
        result: T = sent[0][0]
        return result

    def in_turn(self, work: Callable[[], T]) -> T:
        """Do work in all processes, and return its result: in the first, then in the first of each other machine.

        For files of a cache, which may be in a folder of each machine or in a shared one: the later processes find
        what the earlier ones have written.

        Raises:
            LesionlabError: What this process raised.
            OtherProcessError: Another process raised an error.
        """
        if self.size == 1:
            return work()
        results: list[T] = []
        turn = 0 if self.is_first else 1 if self.local_rank == 0 else 2
        for current in range(3):
            error = None
            if current == turn:
                found, error = _attempt(work)
                results += found
            messages: list[str | None] = [None] * self.size
            dist.all_gather_object(messages, None if error is None else str(error), group=self._group)
            if error is not None:
                raise error
            for message in messages:
                if message is not None:
                    raise OtherProcessError(message)
        return results[0]

    def mean(self, value: Tensor) -> Tensor:
        """Return the mean of a tensor over the processes; `value` is unchanged."""
        if self.size == 1:
            return value
        total = value.clone()
        dist.all_reduce(total)
        return total / self.size

    def interleaved(self, share: Tensor, length: int) -> Tensor:
        """Return rows [length, ...] whose row `n * size + rank` is row n of the share of a process.

        Args:
            share: Rows of this process on the CPU; all processes have the same number.
            length: Number of rows without those that make the shares equal.
        """
        if self.size == 1:
            return share
        shares = [torch.empty_like(share) for _ in range(self.size)]
        dist.all_gather(shares, share.contiguous(), group=self._group)
        return torch.stack(shares, dim=1).flatten(0, 1)[:length]


ALONE = Processes()


@contextmanager
def started_processes(device: str | None = None) -> Iterator[Processes]:
    """Join the processes that torchrun or SLURM started together with this one, while the block runs.

    Args:
        device: `cpu` or `cuda`; None: the fastest one.

    Yields:
        The processes; a single one if this process was started alone.

    Raises:
        UsageError: The device cannot be shared by processes.
        LesionlabError: Another process has ended.
    """
    os.environ.update(slurm_variables(os.environ))
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or "RANK" not in os.environ:
        yield ALONE
        return
    accelerator = choose_accelerator(device)
    if accelerator not in ("cpu", "cuda"):
        raise UsageError(f"several processes cannot train on {accelerator}; add --device cpu, or start one process")
    if accelerator == "cuda":
        # SLURM may show each process its own device only.
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
    dist.init_process_group("nccl" if accelerator == "cuda" else "gloo")
    try:
        yield Processes.joined()
    except RuntimeError as error:
        if not is_lost_connection(error):
            raise
        raise LesionlabError("the connection to another process of the training was lost; see its error") from error
    dist.destroy_process_group()


def is_lost_connection(error: Exception) -> bool:
    """Return whether an error of torch means that another process has ended."""
    return isinstance(error, dist.DistError) or "gloo" in str(error).lower()


def slurm_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return torchrun's variables for a process that `srun` started; empty for any other process.

    Those of the job step are decisive: the script of a job has the variables of the job, but is a single process.

    Args:
        environment: The environment of the process.
    """
    if "SLURM_STEP_NUM_TASKS" not in environment or "RANK" in environment:
        return {}
    nodes = environment.get("SLURM_STEP_NODELIST") or environment.get("SLURM_NODELIST", "127.0.0.1")
    step = int(environment.get("SLURM_JOB_ID", "0")) * 31 + int(environment.get("SLURM_STEP_ID", "0"))
    found = {
        "RANK": environment["SLURM_PROCID"],
        "WORLD_SIZE": environment["SLURM_STEP_NUM_TASKS"],
        "LOCAL_RANK": environment["SLURM_LOCALID"],
        "MASTER_ADDR": SLURMEnvironment.resolve_root_node_address(nodes),
        "MASTER_PORT": str(_FIRST_PORT + step % _PORTS),
    }
    return {name: environment.get(name, value) for name, value in found.items()}


def _attempt(work: Callable[[], T]) -> tuple[list[T], LesionlabError | None]:
    try:
        return [work()], None
    except LesionlabError as error:
        return [], error
